// Owns what is SQLite's own in the journal: what survives close and reopen, and how batches fail as a whole. The
// promises of the port itself are in test/contract/journal.test.ts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Entry, Fact, Receipt } from '../../../../src/domain/fact.ts';
import { type GrantId, grantId, type TaskId } from '../../../../src/domain/ids.ts';
import { ACCEPTED, at, leaseIssued, time } from '../../domain/samples.ts';

let dir = '';
let path = '';
let journal: ReturnType<typeof openJournal>;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-sqlite-'));
  path = join(dir, 'journal.db');
  journal = openJournal(path, 'boot-1');
});
afterEach(() => {
  try {
    journal.close();
  } catch {
    // Closed by the test.
  }
  rmSync(dir, { recursive: true, force: true });
});

const reopen = (): void => {
  journal.close();
  journal = openJournal(path, 'boot-1');
};
const grant = (task: string, n = 1): GrantId => grantId(task as TaskId, n);
const accepted = (task: string): Fact => ({ ...ACCEPTED, task: task as TaskId });
const entry = (of: GrantId, fact: Fact, ms = 0): Entry => ({ grant: of, ...at(ms), fact });
const kept = (of: GrantId): Fact[] => (journal.openGrants(at(0)).get(of) ?? []).map(({ fact }) => fact);

const receipt = (task: string): Receipt => ({
  task: task as TaskId,
  profile: ACCEPTED.profile,
  state: 'closed',
  outcome: 'completed',
  event: null,
  started_at: time(0),
  closed_at: time(1000),
  exposure_seconds: 1,
  leases: [],
});

const LIFE: readonly Fact[] = [
  { type: 'generation.opened', n: 1, why: null, plan: null },
  { type: 'token.opened', n: 1, accessor: 'acc', session: 'acc-s', ends_at: time(1) },
  { type: 'leases.issued', n: 1, leases: [leaseIssued()], lost: [] },
  { type: 'delivery.published', n: 1, files: ['db.json'] },
  { type: 'grant.stopping', reason: 'completed', detail: null },
  { type: 'files.erased', erased_at: time(2) },
  { type: 'leases.known', n: 1, known: ['database/creds/report/abc'], gone: [] },
  { type: 'generation.proved', n: 1, leases: [{ id: 'database/creds/report/abc', proof: 'revoked' }] },
];

test.each([accepted('a'), ...LIFE])('$type, alone, is there after close and reopen', async (fact) => {
  if (fact.type !== 'grant.accepted') await journal.append([entry(grant('a'), accepted('a'))]);
  await journal.append([entry(grant('a'), fact)]);
  reopen();
  expect(kept(grant('a')).at(-1)).toEqual(fact);
});

test('a whole life, fact by fact with a reopen after each, is read back in order', async () => {
  const facts = [accepted('a'), ...LIFE];
  for (const [n, fact] of facts.entries()) {
    await journal.append([entry(grant('a'), fact, n)]);
    reopen();
  }
  expect(kept(grant('a'))).toEqual(facts);
});

test('light and heavy facts in one turn of the loop are all there after a reopen', async () => {
  const facts = LIFE.map((fact, n) => ({ task: `t-${n}`, fact }));
  await Promise.all(
    facts.map(({ task, fact }) =>
      journal.append([entry(grant(task), accepted(task)), entry(grant(task), fact)]),
    ),
  );
  reopen();
  for (const { task, fact } of facts) expect(kept(grant(task))).toEqual([accepted(task), fact]);
});

test('what was appended just before close is written, not dropped', async () => {
  const appended = journal.append([entry(grant('a'), accepted('a'))]);
  journal.close();
  await appended;
  journal = openJournal(path, 'boot-1');
  expect(kept(grant('a'))).toEqual([accepted('a')]);
});

test('after many at once the next are gathered for a moment; whoever comes alone is written in the next turn', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate'] });
  try {
    const append = (task: string) => {
      let written = false;
      void journal.append([entry(grant(task), accepted(task))]).then(() => {
        written = true;
      });
      return async (ms: number) => {
        await vi.advanceTimersByTimeAsync(ms);
        return written;
      };
    };
    expect(await append('alone')(0)).toBe(true);
    const [many] = Array.from({ length: 12 }, (_, n) => append(`one-of-many-${n}`));
    expect(await many!(0)).toBe(true);
    const next = append('next');
    const later = append('later');
    expect(await next(0)).toBe(false);
    expect(await next(1)).toBe(true);
    expect(await later(0)).toBe(true);
    expect(await append('alone-again')(0)).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

test('one entry that cannot be kept fails its whole batch, and nothing of the batch is there', async () => {
  await journal.append([entry(grant('a'), accepted('a'))]);
  // The same grant accepted twice breaks the key; what came in the same turn shares its transaction.
  const good = journal.append([entry(grant('b'), accepted('b'))]);
  const bad = journal.append([
    entry(grant('c'), accepted('c')),
    entry(grant('a'), accepted('a')),
    entry(grant('d'), accepted('d')),
  ]);
  const refusals = await Promise.allSettled([good, bad]);
  for (const each of refusals) {
    expect(each).toMatchObject({
      status: 'rejected',
      reason: { code: 'JOURNAL_UNWRITABLE', retryable: true },
    });
  }
  expect([...journal.openGrants(at(0)).keys()]).toEqual([grant('a')]);
  // The journal is none the worse for it.
  await journal.append([entry(grant('b'), accepted('b'))]);
  reopen();
  expect([...journal.openGrants(at(0)).keys()]).toEqual([grant('a'), grant('b')]);
});

test('while somebody else holds the file, appends are refused; then they go on', async () => {
  await journal.append([entry(grant('a'), accepted('a'))]);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await expect(journal.append([entry(grant('b'), accepted('b'))])).rejects.toMatchObject({
    code: 'JOURNAL_UNWRITABLE',
    message: expect.stringContaining(path),
    hint: expect.stringContaining('state_dir'),
  });
  other.exec('ROLLBACK');
  other.close();
  await journal.append([entry(grant('b'), accepted('b'))]);
  expect(kept(grant('b'))).toEqual([accepted('b')]);
});

test('a closed grant leaves its receipt and its open row goes, across a reopen', async () => {
  await journal.append([
    entry(grant('a'), accepted('a')),
    entry(grant('a'), { type: 'delivery.published', n: 1, files: [] }),
    entry(grant('a'), { type: 'grant.closed', outcome: 'completed', receipt: receipt('a') }),
  ]);
  reopen();
  expect(journal.openGrants(at(0)).size).toBe(0);
  expect(journal.tombstone('a' as TaskId)).toEqual({
    grant: grant('a'),
    receipt: receipt('a'),
    owner: ACCEPTED.owner,
    digest: ACCEPTED.digest,
    spent: true,
  });
});

test('the file is in WAL mode, so that readers and a kill -9 find it whole', () => {
  const other = new DatabaseSync(path);
  expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  other.close();
});
