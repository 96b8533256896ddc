// Owns what damage to journal.db may do. Invariant shown: whatever is cut off, flipped, emptied or taken away,
// the agent opens, and then either everything is as it was or the journal says that it is damaged.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Entry, Fact, Receipt } from '../../../../src/domain/fact.ts';
import { type GrantId, grantId, type TaskId } from '../../../../src/domain/ids.ts';
import { ACCEPTED, at, leaseIssued, time } from '../../domain/samples.ts';

const PAGE = 4096;
const TASKS = Array.from({ length: 24 }, (_, n) => `task-${n}` as TaskId);
const isOpen = (task: TaskId) => Number(task.slice(5)) % 3 === 0;

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-damage-'));
  path = join(dir, 'journal.db');
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const entry = (task: TaskId, fact: Fact, ms: number): Entry => ({ grant: grantId(task, 1), ...at(ms), fact });
const receipt = (task: TaskId): Receipt => ({
  task,
  profile: ACCEPTED.profile,
  state: 'closed',
  outcome: 'completed',
  event: null,
  started_at: time(0),
  closed_at: time(9),
  exposure_seconds: 1,
  leases: [],
});
/** One whose plan needs overflow pages every now and then. */
const accepted = (task: TaskId): Fact => ({
  ...ACCEPTED,
  task,
  params: { env: 'x'.repeat(Number(task.slice(5)) % 5 === 0 ? 9000 : 10) },
});
const lifeOf = (task: TaskId): Entry[] => [
  entry(task, accepted(task), 1),
  entry(task, { type: 'leases.issued', n: 1, leases: [leaseIssued()], lost: [] }, 2),
  entry(task, { type: 'delivery.published', n: 1, files: ['db.json'] }, 3),
  ...(isOpen(task)
    ? []
    : [entry(task, { type: 'grant.closed', outcome: 'completed', receipt: receipt(task) }, 9)]),
];

/** A journal with open and closed grants, as an agent leaves it: closed in order, or killed. */
async function written(as: 'closed' | 'killed'): Promise<void> {
  const journal = openJournal(path, 'boot-1');
  for (const task of TASKS) await journal.append(lifeOf(task));
  if (as === 'closed') return journal.close();
  const copies = ['', '-wal', '-shm'].map((end) => [`${path}${end}`, readFileSync(`${path}${end}`)] as const);
  journal.close();
  for (const [file, bytes] of copies) writeFileSync(file, bytes);
}

interface Seen {
  readonly open: ReadonlyMap<GrantId, readonly Entry[]>;
  readonly tombstones: readonly unknown[];
  readonly lives: readonly number[];
}
function look(file = path): Seen | null {
  const journal = openJournal(file, 'boot-1');
  const open = journal.openGrants(at(0));
  try {
    if (journal.damaged !== null) return null;
    return {
      open,
      tombstones: TASKS.map((task) => journal.tombstone(task)),
      lives: TASKS.map((task) => journal.lives(task)),
    };
  } catch (error) {
    // Found while it was read: nothing can be started either.
    expect(error).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    return null;
  } finally {
    journal.close();
  }
}
/** What is read in spite of the damage is true. */
function expectTrue(open: ReadonlyMap<GrantId, readonly Entry[]>, whole: Seen): void {
  for (const [grant, entries] of open) {
    const task = grant.slice(0, grant.indexOf('#')) as TaskId;
    const known = lifeOf(task);
    for (const each of entries) expect(known).toContainEqual(each);
    if (isOpen(task)) expect(whole.open.get(grant)).toBeDefined();
  }
}
const salvaged = () => {
  const journal = openJournal(path, 'boot-1');
  expect(journal.damaged).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  return journal.openGrants(at(0));
};

describe.each(['closed', 'killed'] as const)('left by an agent that was %s', (as) => {
  test('one bit, flipped anywhere in any of its files, is either found or changes nothing', async () => {
    await written(as);
    const files = ['', '-wal'].filter((end) => existsSync(`${path}${end}`));
    const original = new Map(files.map((end) => [end, readFileSync(`${path}${end}`)]));
    const shm = existsSync(`${path}-shm`) ? readFileSync(`${path}-shm`) : null;
    const restore = () => {
      for (const [end, bytes] of original) writeFileSync(`${path}${end}`, bytes);
      if (shm !== null) writeFileSync(`${path}-shm`, shm);
    };
    const whole = look()!;
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(7),
        (end, part, bit) => {
          restore();
          const bytes = Buffer.from(original.get(end)!);
          const place = Math.min(bytes.length - 1, Math.floor(part * bytes.length));
          bytes[place]! ^= 1 << bit;
          writeFileSync(`${path}${end}`, bytes);
          const seen = look();
          if (seen !== null) expect(seen).toEqual(whole);
          else {
            restore();
            writeFileSync(`${path}${end}`, bytes);
            expectTrue(openJournal(path, 'boot-1').openGrants(at(0)), whole);
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  test('cut off anywhere: found, and what is left of open grants can be read', async () => {
    await written(as);
    const files = ['', '-wal', '-shm'].filter((end) => existsSync(`${path}${end}`));
    const original = new Map(files.map((end) => [end, readFileSync(`${path}${end}`)]));
    const whole = look()!;
    for (let n = 0; n <= 12; n += 1) {
      for (const [end, bytes] of original) writeFileSync(`${path}${end}`, bytes);
      const cut = as === 'killed' && n % 2 === 0 ? `${path}-wal` : path;
      truncateSync(cut, Math.floor((statSync(cut).size * n) / 13));
      const seen = look();
      if (seen !== null) expect(seen).toEqual(whole);
      else expectTrue(salvaged(), whole);
    }
  });
});

describe('whatever is wrong, the file is left as it is and the problem says what to do', () => {
  const cases: readonly (readonly [string, RegExp, () => void])[] = [
    ['empty', /it is empty/, () => truncateSync(path, 0)],
    ['half', /./, () => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['no database', /not a database/, () => writeFileSync(path, 'somebody needs this'.repeat(1000))],
    ['without its header', /not a database/, () => writeFileSync(path, readFileSync(path).fill(0, 0, 100))],
    [
      'a database of something else',
      /something else/,
      () => {
        rmSync(path);
        const other = new DatabaseSync(path);
        other.exec('CREATE TABLE precious (x)');
        other.close();
      },
    ],
    [
      'of a later version',
      /a later tasklease/,
      () => {
        const later = new DatabaseSync(path);
        later.exec('PRAGMA user_version = 99');
        later.close();
      },
    ],
    [
      'a directory',
      /./,
      () => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ];
  test.each(cases)('%s', async (_name, reason, damage) => {
    await written('closed');
    damage();
    const before = statSync(path).isFile() ? readFileSync(path) : null;
    const journal = openJournal(path, 'boot-1');
    expect(journal.damaged).toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
      status: 503,
      message: expect.stringMatching(reason),
      hint: expect.stringContaining(`move ${path}* away`),
    });
    expect(journal.damaged!.message).toContain(path);
    expect(() => journal.openGrants(at(0))).not.toThrow();
    await expect(journal.append([])).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    journal.close();
    if (before !== null) expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('gone, while its log is still there', async () => {
    await written('killed');
    rmSync(path);
    expect(openJournal(path, 'boot-1').damaged!.message).toContain('it is gone');
    expect(salvaged().size).toBe(TASKS.filter(isOpen).length);
  });

  test('its log gone, although the index counts what was in it', async () => {
    await written('killed');
    rmSync(`${path}-wal`);
    expect(openJournal(path, 'boot-1').damaged!.message).toMatch(/0 of the \d+ pages/);
  });

  test('after a power cut, the end of the log that was not synced is no damage', async () => {
    await written('killed');
    truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 10 * (PAGE + 24));
    for (const end of ['-wal', '-shm']) utimesSync(`${path}${end}`, 1, 1);
    expect(openJournal(path, 'boot-2').damaged).toBeNull();
  });
});

test('most of what is not hit is read, large records too: half of the pages, the rest wiped', async () => {
  await written('closed');
  const bytes = readFileSync(path);
  for (let page = 0; page * PAGE < bytes.length; page += 2) bytes.fill(0xa5, page * PAGE, (page + 1) * PAGE);
  writeFileSync(path, bytes);
  expect([...salvaged().values()].flat().length).toBeGreaterThan(5);
});

test('with its inner pages and its header wiped, every open grant is read whole', async () => {
  await written('closed');
  const whole = look()!;
  const bytes = readFileSync(path);
  const kinds = new Set([0x05, 0x02, 0x0a]);
  bytes.fill(0, 0, 100);
  for (let at = PAGE; at < bytes.length; at += PAGE) if (kinds.has(bytes[at]!)) bytes.fill(0, at, at + PAGE);
  writeFileSync(path, bytes);
  expect(salvaged()).toEqual(whole.open);
});

test('a copy put back makes it whole again', async () => {
  await written('closed');
  copyFileSync(path, `${path}.copy`);
  const whole = look();
  truncateSync(path, PAGE);
  expect(look()).toBeNull();
  copyFileSync(`${path}.copy`, path);
  expect(look()).toEqual(whole);
});

test('moved away, it begins anew', async () => {
  await written('closed');
  truncateSync(path, PAGE);
  rmSync(path);
  expect(openJournal(path, 'boot-1').damaged).toBeNull();
});
