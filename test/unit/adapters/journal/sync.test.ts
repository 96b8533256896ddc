// Owns what the journal promises about power cuts: nothing that must not be lost in one is acknowledged before a sync
// that began after it was written, nothing else waits for that, and a sync that failed is never made good by the next.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLogSync, type Sync } from '../../../../src/adapters/journal/log-sync.ts';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Entry, Fact } from '../../../../src/domain/fact.ts';
import { grantId, type TaskId } from '../../../../src/domain/ids.ts';
import { journalCommits } from '../../../harness/journal-commits.ts';
import { ACCEPTED, at } from '../../domain/samples.ts';

let dir = '';
let path = '';
let journal: ReturnType<typeof openJournal>;
/** Syncs that have begun and not ended, oldest first. */
let begun: { end: (error: Error | null) => void; held: string }[] = [];
const sync: Sync = (_fd, done) => {
  let over = false;
  const end = (error: Error | null) => {
    if (!over) done(error);
    over = true;
  };
  begun.push({ end, held: readFileSync(`${path}-wal`, 'latin1') });
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-sync-'));
  path = join(dir, 'journal.db');
  begun = [];
  journal = openJournal(path, 'boot-1', { sync });
});
afterEach(() => {
  journal.close();
  for (const { end } of begun) end(null);
  rmSync(dir, { recursive: true, force: true });
});

const entry = (task: string, fact: Fact): Entry => ({ grant: grantId(task as TaskId, 1), ...at(0), fact });
const accepted = (task: string): Entry => entry(task, { ...ACCEPTED, task: task as TaskId });
const published = (task: string): Entry =>
  entry(task, { type: 'delivery.published', n: 1, files: [`file-of-${task}`] });

/** An append, and whether it has been acknowledged. */
const append = (...entries: Entry[]) => {
  const seen = { acknowledged: false, refused: null as Error | null };
  journal.append(entries).then(
    () => {
      seen.acknowledged = true;
    },
    (error: Error) => {
      seen.refused = error;
    },
  );
  return seen;
};
const turns = async (): Promise<void> => {
  for (let n = 0; n < 5; n += 1) await new Promise(setImmediate);
};

test('that an id is spent is acknowledged after a sync that began once it was written', async () => {
  const spent = append(accepted('a'), published('a'));
  await turns();
  expect(spent.acknowledged).toBe(false);
  expect(begun).toHaveLength(1);
  expect(begun[0]!.held).toContain('file-of-a');
  begun[0]!.end(null);
  await turns();
  expect(spent.acknowledged).toBe(true);
});

test('what a power cut may take waits for no sync, not even for one that is under way', async () => {
  append(accepted('a'), published('a'));
  await turns();
  const light = append(accepted('b'));
  await turns();
  expect(light.acknowledged).toBe(true);
  expect(begun).toHaveLength(1);
});

test('those that come while a sync is under way share one transaction and the next sync', async () => {
  for (const task of ['a', 'b', 'c']) append(accepted(task));
  const first = append(published('a'));
  await turns();
  const before = journalCommits(path).commits;
  const others = [append(published('b')), append(published('c'))];
  await turns();
  begun[0]!.end(null);
  await turns();
  expect(first.acknowledged).toBe(true);
  expect(others.map(({ acknowledged }) => acknowledged)).toEqual([false, false]);
  expect(journalCommits(path).commits).toBe(before + 1);
  expect(begun).toHaveLength(2);
  expect(begun[1]!.held).toContain('file-of-b');
  expect(begun[1]!.held).toContain('file-of-c');
  begun[1]!.end(null);
  await turns();
  expect(others.map(({ acknowledged }) => acknowledged)).toEqual([true, true]);
});

test('after a sync that failed nothing is acknowledged any more, and the journal says so', async () => {
  const spent = append(accepted('a'), published('a'));
  const waiting = append(accepted('b'));
  await turns();
  const next = append(published('b'));
  begun[0]!.end(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
  await turns();
  expect(waiting.acknowledged).toBe(true);
  expect(spent.refused).toMatchObject({
    code: 'JOURNAL_UNWRITABLE',
    message: expect.stringContaining('EIO'),
  });
  expect(next.refused).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  expect(append(accepted('c'))).toMatchObject({ acknowledged: false });
  await turns();
  expect(journal.damaged).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  expect(begun).toHaveLength(1);
});

test('closing writes what waits for a sync, and leaves the descriptor to a sync that is under way', async () => {
  append(accepted('a'), published('a'));
  await turns();
  const late = append(accepted('b'), published('b'));
  journal.close();
  begun[0]!.end(null);
  journal = openJournal(path, 'boot-1', { sync: (_fd, end) => end(null) });
  expect([...journal.openGrants(at(0)).values()].map((entries) => entries.length)).toEqual([2, 2]);
  void late;
});

test('a file that cannot be synced is an error, not a silence', async () => {
  const log = openLogSync('/dev/null');
  await expect(log.synced()).rejects.toMatchObject({ code: 'EINVAL' });
  log.close();
});
