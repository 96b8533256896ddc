// Owns the promises of the journal port, on the simulated disk and on SQLite.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openJournal } from '../../src/adapters/journal/sqlite-journal.ts';
import type { Asserted } from '../../src/domain/assertion.ts';
import type { Entry, Fact, Receipt } from '../../src/domain/fact.ts';
import { type GrantId, grantId, type TaskId } from '../../src/domain/ids.ts';
import type { Moment } from '../../src/domain/instant.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { SimDisk, SimJournal } from '../simulation/world/sim-journal.ts';
import { ACCEPTED, at, leaseIssued, PROFILE, time } from '../unit/domain/samples.ts';

interface Subject {
  readonly journal: Journal;
  /** The same journal after a crash and a restart; of the machine, when the boot is another. */
  reopen(boot?: string): Journal;
}

let dir = '';
let count = 0;
const opened: { close(): void }[] = [];
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-journal-'));
});
afterAll(() => {
  for (const journal of opened) journal.close();
  rmSync(dir, { recursive: true, force: true });
});

const subjects: readonly (readonly [string, () => Subject])[] = [
  [
    'simulated',
    () => {
      const disk = new SimDisk();
      return {
        journal: new SimJournal(disk, 'boot-1'),
        reopen: (boot = 'boot-1') => new SimJournal(disk, boot),
      };
    },
  ],
  [
    'real',
    () => {
      count += 1;
      const path = join(dir, `journal-${count}.db`);
      // The first one stays open: a crashed process closes nothing either.
      const open = (boot: string) => {
        const journal = openJournal(path, boot);
        opened.push(journal);
        return journal;
      };
      return { journal: open('boot-1'), reopen: (boot = 'boot-1') => open(boot) };
    },
  ],
];

const A = 'build-a' as TaskId;
const B = 'build-b' as TaskId;
const entry = (grant: GrantId, fact: Fact, ms = 0): Entry => ({ grant, ...at(ms), fact });
const accept = (task: TaskId, n = 1, ms = 0): Entry => entry(grantId(task, n), { ...ACCEPTED, task }, ms);
const published = (task: TaskId, n = 1, ms = 10): Entry =>
  entry(grantId(task, n), { type: 'delivery.published', n: 1, files: ['db.json'] }, ms);
const receipt = (task: TaskId): Receipt => ({
  task,
  profile: PROFILE,
  state: 'closed',
  outcome: 'completed',
  event: null,
  started_at: time(0),
  closed_at: time(1000),
  exposure_seconds: 1,
  leases: [],
});
const close = (task: TaskId, n = 1, ms = 1000): Entry =>
  entry(grantId(task, n), { type: 'grant.closed', outcome: 'completed', receipt: receipt(task) }, ms);
const types = (journal: Journal, now: Moment = at(0)) =>
  new Map([...journal.openGrants(now)].map(([id, entries]) => [id, entries.map(({ fact }) => fact.type)]));

const asserted = (use: string, expiresMs: number): Asserted => ({
  issuer: 'https://ci.example',
  subject: 'job',
  use,
  expires_at: time(expiresMs),
  claims: { repository: 'acme/shop' },
});
const acceptWith = (
  task: TaskId,
  use: string,
  { n = 1, expiresMs = 60_000, digest = 'digest-1' } = {},
): Entry => entry(grantId(task, n), { ...ACCEPTED, task, digest, asserted: asserted(use, expiresMs) });

describe.each(subjects)('journal, %s', (_name, open) => {
  test('what an assertion was accepted for is remembered, across a restart and a reboot', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(B), acceptWith(A, 'ci/1')]);
    for (const each of [journal, reopen(), reopen('boot-2')]) {
      expect(each.assertionUse('ci/1')).toMatchObject({ task: A, digest: 'digest-1' });
      expect(each.assertionUse('ci/2')).toBeNull();
    }
  });

  test('an assertion that comes with the same start again is that of the newer grant', async () => {
    const { journal, reopen } = open();
    await journal.append([acceptWith(A, 'ci/1'), close(A)]);
    await journal.append([acceptWith(A, 'ci/1', { n: 2 }), published(A, 2), close(A, 2)]);
    expect(reopen().assertionUse('ci/1')).toMatchObject({ task: A });
  });

  test('an append that failed has used no assertion', async () => {
    const { journal } = open();
    await journal.append([accept(A)]);
    await expect(journal.append([acceptWith(B, 'ci/1'), accept(A)])).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
    });
    expect(journal.assertionUse('ci/1')).toBeNull();
  });

  test('a task id is remembered for as long as its assertion could be presented', async () => {
    const { journal, reopen } = open();
    await journal.append([acceptWith(A, 'ci/1', { expiresMs: 9_000_000 }), published(A), close(A)]);
    await journal.append([accept(B), published(B), close(B)]);
    journal.forget(at(5_000_000).wallMs);
    const next = reopen();
    expect(next.tombstone(B)).toBeNull();
    expect(next.tombstone(A)).toMatchObject({ spent: true });
    expect(next.assertionUse('ci/1')).toMatchObject({ task: A });
    next.forget(at(9_000_001).wallMs);
    expect(next.tombstone(A)).toBeNull();
    expect(next.assertionUse('ci/1')).toBeNull();
  });

  test('empty at first', () => {
    const { journal } = open();
    expect(types(journal).size).toBe(0);
    expect(journal.tombstone(A)).toBeNull();
    expect(journal.lives(A)).toBe(0);
    expect(journal.sessionEndsAt('acc-1', at(0))).toBeNull();
    expect(journal.startsSince(0)).toBe(0);
    expect(journal.damaged).toBeNull();
  });

  test('what was appended is there after a crash, in order and unchanged', async () => {
    const { journal, reopen } = open();
    const lines = [
      accept(A),
      entry(grantId(A, 1), { type: 'generation.opened', n: 1, why: null, plan: null }, 1),
      entry(grantId(A, 1), { type: 'leases.issued', n: 1, leases: [leaseIssued()], lost: [] }, 2),
    ];
    await journal.append(lines.slice(0, 2));
    await journal.append([accept(B, 1, 2)]);
    await journal.append(lines.slice(2));
    const grants = reopen().openGrants(at(5000));
    expect([...grants.keys()].toSorted()).toEqual([grantId(A, 1), grantId(B, 1)]);
    expect(grants.get(grantId(A, 1))).toEqual(lines);
  });

  test('after another boot, instants are carried over by the wall clock', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A, 1, 0)]);
    // The machine came up again 60 s later: its boot clock says 5 s.
    const now: Moment = { at: 5000, wallMs: at(60_000).wallMs };
    const [line] = reopen('boot-2').openGrants(now).get(grantId(A, 1))!;
    expect(line).toEqual({ ...accept(A, 1, 0), at: -55_000 });
  });

  test('a grant is of the boot in which it was accepted, whatever was recorded of it since', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A)]);
    expect(journal.ofThisBoot(grantId(A, 1))).toBe(true);
    const next = reopen('boot-2');
    await next.append([published(A), accept(B)]);
    expect(next.ofThisBoot(grantId(A, 1))).toBe(false);
    expect(next.ofThisBoot(grantId(B, 1))).toBe(true);
    expect(reopen('boot-2').ofThisBoot(grantId(A, 1))).toBe(false);
  });

  test('after another boot with the wall clock set back, nothing on record is younger than now', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A, 1, 0)]);
    const now: Moment = { at: 5000, wallMs: at(0).wallMs - 3_600_000 };
    const [line] = reopen('boot-2').openGrants(now).get(grantId(A, 1))!;
    expect(line).toEqual({ ...accept(A, 1, 0), at: 5000 });
  });

  test('appends that are made together are all kept', async () => {
    const { journal, reopen } = open();
    const tasks = Array.from({ length: 50 }, (_, i) => `t-${i}` as TaskId);
    await Promise.all(tasks.map((task) => journal.append([accept(task), published(task)])));
    expect(types(reopen()).size).toBe(50);
  });

  test('the entries of one call are all or nothing', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A)]);
    // The same grant cannot be accepted twice: what stands beside it in the call is not kept either.
    await expect(journal.append([accept(B), accept(A)])).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
    });
    expect([...types(reopen()).keys()]).toEqual([grantId(A, 1)]);
    expect(journal.lives(B)).toBe(0);
    await journal.append([accept(B)]);
    expect(types(journal).size).toBe(2);
  });

  test('a closed grant is not open any more, and leaves its receipt', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A), published(A)]);
    expect(journal.tombstone(A)).toBeNull();
    await journal.append([close(A)]);
    for (const seen of [journal, reopen()]) {
      expect(types(seen).size).toBe(0);
      expect(seen.tombstone(A)).toEqual({
        grant: grantId(A, 1),
        receipt: expect.objectContaining(receipt(A)),
        owner: ACCEPTED.owner,
        digest: ACCEPTED.digest,
        spent: true,
      });
    }
  });

  test('a start that never became active leaves its id unspent', async () => {
    const { journal } = open();
    await journal.append([accept(A), close(A)]);
    expect(journal.tombstone(A)).toMatchObject({ spent: false });
  });

  test('the newest life of a task id counts', async () => {
    const { journal } = open();
    await journal.append([accept(A, 1), close(A, 1, 100)]);
    await journal.append([accept(A, 2, 200), published(A, 2, 210)]);
    expect(journal.lives(A)).toBe(2);
    expect(journal.tombstone(A)).toMatchObject({ grant: grantId(A, 1), spent: false });
    expect([...types(journal).keys()]).toEqual([grantId(A, 2)]);
    await journal.append([close(A, 2, 300)]);
    expect(journal.tombstone(A)).toMatchObject({ grant: grantId(A, 2), spent: true });
  });

  test('old tombstones are forgotten, open grants and younger ones are not', async () => {
    const { journal, reopen } = open();
    const old = 'old' as TaskId;
    await journal.append([accept(old), published(old), close(old, 1, 1000)]);
    await journal.append([accept(A), published(A), close(A, 1, 2000)]);
    await journal.append([accept(B)]);
    journal.forget(at(1500).wallMs);
    const seen = reopen();
    expect(seen.tombstone(old)).toBeNull();
    expect(seen.lives(old)).toBe(0);
    expect(seen.tombstone(A)).not.toBeNull();
    expect([...types(seen).keys()]).toEqual([grantId(B, 1)]);
  });

  test('a life keeps its number when earlier ones are forgotten, so that no id comes twice', async () => {
    const { journal } = open();
    await journal.append([accept(A, 1), close(A, 1, 1000)]);
    await journal.append([accept(A, 2, 2000), close(A, 2, 3000)]);
    journal.forget(at(2000).wallMs);
    expect(journal.lives(A)).toBe(2);
    await journal.append([accept(A, 3, 4000)]);
    expect(journal.lives(A)).toBe(3);
  });

  test('the end of a session that was noted last is remembered, for each by its accessor', () => {
    const { journal, reopen } = open();
    journal.noteSession('acc-1', 1000, at(0));
    journal.noteSession('acc-2', 5000, at(0));
    journal.noteSession('acc-1', 500, at(0));
    expect(reopen().sessionEndsAt('acc-1', at(0))).toBe(500);
    expect(reopen().sessionEndsAt('acc-2', at(0))).toBe(5000);
    journal.noteSession('acc-1', 9000, at(0));
    expect(reopen().sessionEndsAt('acc-1', at(0))).toBe(9000);
    expect(reopen().sessionEndsAt('acc-3', at(0))).toBeNull();
  });

  test('the end of a session stands on the boot clock: a wall clock that was set since changes nothing', () => {
    const { journal, reopen } = open();
    const noted = at(0);
    journal.noteSession('acc-1', noted.at + 60_000, noted);
    const later = { at: noted.at + 1000, wallMs: noted.wallMs + 3_600_000 };
    expect(reopen().sessionEndsAt('acc-1', later)).toBe(noted.at + 60_000);
    // Of another boot only the wall clock tells.
    expect(reopen('boot-2').sessionEndsAt('acc-1', { at: 5000, wallMs: noted.wallMs + 50_000 })).toBe(15_000);
  });

  test('starts are counted by when they were accepted, closed ones and failed ones too', async () => {
    const { journal, reopen } = open();
    await journal.append([accept(A, 1, 0), close(A, 1, 10)]);
    await journal.append([accept(A, 2, 1000)]);
    await journal.append([accept(B, 1, 2000), published(B, 1, 2100)]);
    for (const seen of [journal, reopen()]) {
      expect(seen.startsSince(at(0).wallMs)).toBe(3);
      expect(seen.startsSince(at(1).wallMs)).toBe(2);
      expect(seen.startsSince(at(1001).wallMs)).toBe(1);
      expect(seen.startsSince(at(2001).wallMs)).toBe(0);
    }
  });

  test('what a later renewal makes pointless may go; the newest word on each lease stays', async () => {
    const { journal, reopen } = open();
    const renewal = (ids: readonly string[], ms: number): Entry =>
      entry(
        grantId(A, 1),
        {
          type: 'leases.renewed',
          n: 1,
          leases: ids.map((id) => ({ id, ttl_ms: ms, ends_at: time(ms), capped: false })),
        },
        ms,
      );
    await journal.append([accept(A), published(A)]);
    for (let ms = 100; ms < 200; ms += 1) await journal.append([renewal(['a', 'b'], ms)]);
    await journal.append([renewal(['b'], 200)]);
    expect(reopen().openGrants(at(0)).get(grantId(A, 1))).toEqual([
      accept(A),
      published(A),
      renewal(['a', 'b'], 199),
      renewal(['b'], 200),
    ]);
  });

  test('text of any kind comes back as it was', async () => {
    const { journal, reopen } = open();
    const fact: Fact = {
      ...ACCEPTED,
      task: A,
      event: { type: "o'hara", id: 'ü \u0001 " \\ \n 🙂 ; DROP TABLE entries' },
    };
    await journal.append([entry(grantId(A, 1), fact)]);
    expect(reopen().openGrants(at(0)).get(grantId(A, 1))![0]!.fact).toEqual(fact);
  });
});

describe('journal, simulated', () => {
  test('a broken disk refuses, and nothing of it is kept', async () => {
    const disk = new SimDisk();
    const journal = new SimJournal(disk);
    disk.broken = true;
    await expect(journal.append([accept(A)])).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    disk.broken = false;
    expect(types(journal).size).toBe(0);
  });
});

describe.each([
  [
    'simulated',
    async (lines: readonly Entry[]) => {
      const disk = new SimDisk();
      await new SimJournal(disk).append(lines);
      disk.damaged = 'the disk is malformed';
      return new SimJournal(disk);
    },
  ],
  [
    'real',
    async (lines: readonly Entry[]) => {
      const path = join(mkdtempSync(join(dir, 'damaged-')), 'journal.db');
      const whole = openJournal(path, 'boot-1');
      await whole.append(lines);
      whole.close();
      // The root page of an index: what is in the table can still be read.
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xff, 2 * 4096, 3 * 4096));
      return openJournal(path, 'boot-1');
    },
  ],
] as const)('a damaged journal, %s', (_name, open) => {
  test('gives the open grants that can be read, and refuses everything that a start needs', async () => {
    const closed = [accept(B), published(B), close(B)];
    const journal = await open([accept(A), ...closed, published(A)]);
    expect(journal.damaged).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    expect(types(journal)).toEqual(new Map([[grantId(A, 1), ['grant.accepted', 'delivery.published']]]));
    const refusal = expect.objectContaining({ code: 'JOURNAL_UNWRITABLE' });
    await expect(journal.append([accept(B, 2)])).rejects.toEqual(refusal);
    expect(() => journal.tombstone(B)).toThrow(refusal);
    expect(() => journal.lives(A)).toThrow(refusal);
  });

  test('keeps what this process notes of its session, and forgets nothing', async () => {
    const journal = await open([accept(A)]);
    journal.noteSession('acc-1', 1000, at(0));
    expect(journal.sessionEndsAt('acc-1', at(0))).toBe(1000);
    expect(() => journal.forget(Number.MAX_SAFE_INTEGER)).not.toThrow();
    expect(types(journal).size).toBe(1);
  });
});

describe('journal, real', () => {
  test('a path that cannot be opened is a damaged journal with the path in it', () => {
    expect(openJournal(join(dir, 'no', 'such', 'dir.db'), 'boot-1').damaged).toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
      message: expect.stringContaining('dir.db'),
    });
  });
});
