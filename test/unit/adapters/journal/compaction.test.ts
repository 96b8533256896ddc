// Owns the law of compaction: without the entries that it drops, a grant folds into the very same state; and
// what is left of a long life does not grow with it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Compaction } from '../../../../src/adapters/journal/compaction.ts';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Entry, Fact } from '../../../../src/domain/fact.ts';
import { fold } from '../../../../src/domain/grant-fold.ts';
import type { ProblemBody } from '../../../../src/domain/problem.ts';
import { ACCEPTED, at, DENIED, GRANT, leaseIssued, PLAN, time, UNREACHABLE } from '../../domain/samples.ts';

const OTHER_PLAN = { ...PLAN, policies: ['tasklease-other'] };
const IDS = ['a', 'b', 'c'];
const problem = fc.constantFrom<ProblemBody>(DENIED.body(), UNREACHABLE.body());
const ids = fc.subarray(IDS);
const live = fc.integer({ min: 1, max: 2 });
const ms = fc.nat(10_000);

const opened = (n: number, plan: typeof PLAN | null = null): Fact => ({
  type: 'generation.opened',
  n,
  why: n === 1 ? null : 'capped',
  plan,
});
const issued = (n: number): Fact => ({
  type: 'leases.issued',
  n,
  leases: IDS.map((id) => leaseIssued({ id: `${n}/${id}`, secret: id })),
  lost: [],
});
const renewed = (n: number, of: readonly string[], endsMs: number, capped = false): Fact => ({
  type: 'leases.renewed',
  n,
  leases: of.map((id) => ({ id: `${n}/${id}`, ttl_ms: endsMs, ends_at: time(endsMs), capped })),
});
const retiring = (n: number, why: ProblemBody | null): Fact => ({
  type: 'generation.retiring',
  n,
  due: time(n),
  problem: why,
});
const proved = (n: number): Fact => ({ type: 'generation.proved', n, leases: [] });

/** What happens again and again to a grant with two generations, alive or on its way out. */
const repeated: fc.Arbitrary<Fact> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(live, ids, ms, fc.boolean()).map((of) => renewed(...of)) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('renewal.failed' as const), n: live, problem }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('revocation.failed' as const), n: live, problem }) },
  fc.record({ type: fc.constant('erasure.failed' as const), problem }),
  fc.record({
    type: fc.constant('leases.lost' as const),
    n: live,
    ids: ids.map((of) => of.map((id) => `1/${id}`)),
  }),
  fc.record({
    type: fc.constant('leases.known' as const),
    n: live,
    known: fc.constant(['1/a']),
    gone: fc.constant([]),
  }),
  fc.tuple(live, fc.option(problem)).map((of) => retiring(...of)),
  fc.constant<Fact>({ type: 'grant.held' }),
  fc.constant<Fact>({ type: 'files.withdrawn', n: 1, detail: 'dead' }),
  live.map<Fact>((n) => ({ type: 'delivery.published', n, files: ['db.json'] })),
  live.map<Fact>(proved),
);

/** A rotation that comes to nothing, or almost; the numbers are given later. */
type Attempt = (n: number) => readonly Fact[];
const attempt: fc.Arbitrary<Attempt> = fc
  .tuple(
    fc.option(problem, { freq: 8 }),
    fc.boolean(),
    fc.boolean(),
    fc.constantFrom(null, null, OTHER_PLAN),
    fc.boolean(),
  )
  .map(([why, token, checked, plan, end]) => (n) => [
    opened(n, plan),
    ...(token
      ? [{ type: 'token.opened', n, accessor: `acc-${n}`, session: 's', ends_at: time(9) } as const]
      : []),
    ...(checked ? [{ type: 'leases.issued', n, leases: [], lost: [] } as const] : []),
    retiring(n, why),
    ...(checked ? [{ type: 'leases.known', n, known: [], gone: [] } as const] : []),
    ...(end ? [proved(n)] : []),
  ]);
const stopping: Fact = { type: 'grant.stopping', reason: 'completed', detail: null };

const START: readonly Fact[] = [ACCEPTED, opened(1), issued(1), opened(2), issued(2)];
const PUBLISHED: Fact = { type: 'delivery.published', n: 1, files: ['db.json'] };

const entriesOf = (facts: readonly Fact[]): Entry[] =>
  facts.map((fact, n) => ({ grant: GRANT, ...at(n * 10), fact }));
function compacted(entries: readonly Entry[]): Entry[] {
  const compaction = new Compaction();
  const kept = new Map<number, Entry>();
  for (const [seq, entry] of entries.entries()) {
    kept.set(seq, entry);
    for (const dropped of compaction.add(seq, entry)) expect(kept.delete(dropped)).toBe(true);
  }
  return [...kept.values()];
}

describe('without what was dropped, the facts fold into the same grant', () => {
  test('whatever is repeated, at every moment of it, before and after the stop', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(repeated, { maxLength: 40 }),
        fc.array(repeated, { maxLength: 20 }),
        (active, alive, ending) => {
          const facts = [...START, ...(active ? [PUBLISHED] : []), ...alive, stopping, ...ending];
          for (let end = START.length; end <= facts.length; end += 5) {
            const entries = entriesOf(facts.slice(0, end));
            expect(fold(compacted(entries))).toEqual(fold(entries));
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test('rotations that fail, among anything else', () => {
    const step = fc.oneof(
      attempt.map((make) => ({ make })),
      repeated.map((fact) => ({ fact })),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 25 }),
        fc.array(repeated, { maxLength: 5 }),
        (steps, ending) => {
          let n = 2;
          const facts: Fact[] = [...START, PUBLISHED];
          for (const each of steps) {
            if ('fact' in each) facts.push(each.fact);
            else {
              n += 1;
              facts.push(...each.make(n));
            }
          }
          for (const end of [facts.length, facts.length + ending.length + 1]) {
            const entries = entriesOf([...facts, stopping, ...ending].slice(0, end));
            expect(fold(compacted(entries))).toEqual(fold(entries));
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('what is left does not grow with', () => {
  const left = (facts: readonly Fact[]): number =>
    compacted(entriesOf([...START, PUBLISHED, ...facts])).length;
  const times = (count: number, make: (n: number) => readonly Fact[]): Fact[] =>
    Array.from({ length: count }, (_, n) => make(n)).flat();

  test('renewals of leases that fall due together, or each in its own time', () => {
    expect(left(times(1000, (n) => [renewed(1, IDS, n)]))).toBe(left([renewed(1, IDS, 1)]));
    const alternating = times(1000, (n) => [renewed(1, [IDS[n % 3]!], n), renewed(2, [IDS[n % 2]!], n)]);
    expect(left(alternating)).toBeLessThanOrEqual(START.length + 1 + 5);
  });

  test('outages that come and go, and revocations that fail meanwhile', () => {
    const flapping = times(500, (n) => [
      { type: 'renewal.failed', n: 1, problem: DENIED.body() },
      { type: 'revocation.failed', n: 2, problem: UNREACHABLE.body() },
      renewed(1, IDS, n),
    ]);
    expect(left(flapping)).toBeLessThanOrEqual(START.length + 1 + 4);
  });

  test('rotations that fail for hours', () => {
    const failing = times(500, (n) => [
      opened(n + 3),
      { type: 'token.opened', n: n + 3, accessor: `acc-${n}`, session: 's', ends_at: time(9) },
      retiring(n + 3, DENIED.body()),
      proved(n + 3),
    ]);
    expect(left(failing)).toBe(START.length + 1 + 4);
  });
});

test('in the file: a thousand renewals later the grant is read back the same, from a handful of entries', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-compaction-'));
  const path = join(dir, 'journal.db');
  let journal = openJournal(path, 'boot-1');
  const entries = entriesOf([...START, PUBLISHED]);
  await journal.append(entries);
  for (let n = 0; n < 1000; n += 1) {
    const entry = { grant: GRANT, ...at(1000 + n), fact: renewed(1, IDS, n) };
    entries.push(entry);
    await journal.append([entry]);
    if (n % 300 !== 299) continue;
    journal.close();
    journal = openJournal(path, 'boot-1');
  }
  const kept = journal.openGrants(at(0)).get(GRANT)!;
  journal.close();
  rmSync(dir, { recursive: true, force: true });
  expect(fold(kept)).toEqual(fold(entries));
  // One more for each time that it was opened anew.
  expect(kept.length).toBeLessThanOrEqual(START.length + 1 + 4);
});
