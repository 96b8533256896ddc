// Owns the step from a journal that an earlier version wrote: it opens, nothing of it is lost, and what is new
// holds for it too.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Fact } from '../../../../src/domain/fact.ts';
import { fold } from '../../../../src/domain/grant-fold.ts';
import { grantId, type TaskId } from '../../../../src/domain/ids.ts';
import { ACCEPTED, at } from '../../domain/samples.ts';

/** The tables as version 0 made them, word for word. */
const VERSION_0 = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, boot TEXT NOT NULL, at INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    grant_id TEXT NOT NULL, fact TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS entries_of_grant ON entries (grant_id);
  CREATE TABLE IF NOT EXISTS grants (
    grant_id TEXT PRIMARY KEY, task TEXT NOT NULL, open INTEGER NOT NULL, spent INTEGER NOT NULL,
    owner TEXT NOT NULL, digest TEXT NOT NULL, receipt TEXT, closed_wall_ms INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS grants_of_task ON grants (task);
  CREATE INDEX IF NOT EXISTS open_grants ON grants (open) WHERE open = 1;
  CREATE TABLE IF NOT EXISTS sessions (accessor TEXT PRIMARY KEY, ends_at_wall_ms INTEGER NOT NULL) STRICT;
`;

const OPEN = 'open' as TaskId;
const CLOSED = 'closed' as TaskId;
/** As version 0 wrote it: without what came later. */
const {
  groups: _groups,
  admin: _admin,
  bound: _bound,
  parent: _parent,
  latest_deadline: _latest,
  plan: { overlapMs: _overlap, extend: _extend, onChange: _onChange, ...PLAN_0 },
  ...REST_0
} = ACCEPTED;
const acceptedThen = (task: TaskId) => ({ ...REST_0, plan: PLAN_0, task });
const acceptedNow = (task: TaskId): Fact => ({
  ...REST_0,
  task,
  groups: [],
  admin: false,
  bound: null,
  parent: null,
  latest_deadline: ACCEPTED.deadline,
  plan: { ...PLAN_0, overlapMs: 0, extend: false },
});
const published: Fact = { type: 'delivery.published', n: 1, files: ['db.json'] };

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-migration-'));
  path = join(dir, 'journal.db');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function byVersion0(): void {
  const db = new DatabaseSync(path);
  db.exec(VERSION_0);
  const entry = db.prepare('INSERT INTO entries (boot, at, wall_ms, grant_id, fact) VALUES (?, ?, ?, ?, ?)');
  const grant = db.prepare('INSERT INTO grants VALUES (?, ?, ?, 1, ?, ?, ?, ?)');
  for (const [n, task] of [OPEN, CLOSED].entries()) {
    const { wallMs } = at(n * 1000);
    entry.run('boot-1', at(n * 1000).at, wallMs, grantId(task, 1), JSON.stringify(acceptedThen(task)));
    entry.run('boot-1', at(n * 1000 + 1).at, wallMs + 1, grantId(task, 1), JSON.stringify(published));
    const owner = JSON.stringify(ACCEPTED.owner);
    const closed = task === CLOSED ? ['{"task":"closed"}', wallMs + 2] : [null, null];
    grant.run(grantId(task, 1), task, task === OPEN ? 1 : 0, owner, ACCEPTED.digest, ...(closed as []));
  }
  db.prepare("INSERT INTO sessions VALUES ('acc-1', 4711)").run();
  db.close();
}

test('a journal of version 0 opens, with everything in it', async () => {
  byVersion0();
  for (let n = 0; n < 2; n += 1) {
    const journal = openJournal(path, 'boot-1');
    expect(journal.damaged).toBeNull();
    const open = journal.openGrants(at(0));
    expect([...open.keys()]).toEqual([grantId(OPEN, 1)]);
    expect(open.get(grantId(OPEN, 1))!.map(({ fact }) => fact)).toEqual([acceptedNow(OPEN), published]);
    expect(fold(open.get(grantId(OPEN, 1))!)).toMatchObject({ task: OPEN, state: 'active' });
    expect(journal.tombstone(CLOSED)).toMatchObject({ spent: true, receipt: { task: 'closed' } });
    expect(journal.sessionEndsAt('acc-1', { at: 1000, wallMs: 4000 })).toBe(1711);
    expect(journal.startsSince(at(0).wallMs)).toBe(2);
    expect(journal.startsSince(at(500).wallMs)).toBe(1);
    journal.close();
  }
});

test('its grants go on: they are closed, counted and remembered as new ones are', async () => {
  byVersion0();
  const journal = openJournal(path, 'boot-1');
  await journal.append([
    {
      grant: grantId(OPEN, 1),
      ...at(3000),
      fact: { type: 'grant.closed', outcome: 'completed', receipt: { task: 'open' } as never },
    },
  ]);
  journal.close();
  const next = openJournal(path, 'boot-1');
  expect(next.damaged).toBeNull();
  expect(next.openGrants(at(0)).size).toBe(0);
  expect(next.tombstone(OPEN)).toMatchObject({ spent: true, receipt: { task: 'open' } });
  next.close();
});

test('damaged, a journal of version 0 still gives what can be read', () => {
  byVersion0();
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const page = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'grants_of_task'").get()!;
  db.close();
  const fs = process.getBuiltinModule('node:fs');
  const bytes = fs.readFileSync(path);
  const root = (page.rootpage as number) - 1;
  fs.writeFileSync(path, bytes.fill(0xff, root * 4096, (root + 1) * 4096));
  const journal = openJournal(path, 'boot-1');
  expect(journal.damaged).not.toBeNull();
  const grants = journal.openGrants(at(0));
  // Which were closed cannot be told from the entries of this journal: revoking them again does no harm.
  expect(grants.get(grantId(OPEN, 1))!.map(({ fact }) => fact)).toEqual([acceptedNow(OPEN), published]);
});
