// Owns how a deadline moves: later by extension, never past the latest one nor the parent's; nearer when the profile
// allows less. Leases follow: a cut one is renewed again, and nothing is renewed past the new end.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import type { Fact, IssuedLease } from '../../../src/domain/fact.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { renewAt } from '../../../src/domain/lease.ts';
import {
  ALARM,
  adoptedWith,
  extendRequested,
  ID,
  LONG,
  NARROWER,
  planChanged,
  RETIRE_MS,
  renewedTo,
  retiring,
  sessionEnded,
} from './rows.ts';
import {
  active,
  activeAs,
  after,
  at,
  DEADLINE_MS,
  DENIED,
  DURATION_MS,
  instant,
  leaseIssued,
  PLAN,
  time,
  UNREACHABLE,
} from './samples.ts';

const LATEST_MS = 3_615_000;
const extendable = (...leases: readonly IssuedLease[]) =>
  activeAs({ latest_deadline: time(LATEST_MS) }, ...leases);
const moved = (grant: Grant, byMs: number, notAfterMs?: number): Fact | undefined =>
  decide(grant, extendRequested(byMs, notAfterMs), at(1000)).facts[0];

describe('extension', () => {
  test('adds to the deadline, and to the end that was asked for', () => {
    expect(moved(extendable(), 60_000)).toEqual({
      type: 'deadline.moved',
      expires_at: time(DURATION_MS + 60_000),
      deadline: time(DEADLINE_MS + 60_000),
      latest_deadline: time(LATEST_MS),
    });
  });

  test('twice adds twice', () => {
    const twice = after(extendable(), [1000, extendRequested(60_000)], [2000, extendRequested(60_000)]);
    expect(twice.deadline).toBe(instant(DEADLINE_MS + 120_000));
  });

  test('ends at the latest deadline, and then moves no more', () => {
    expect(moved(extendable(), 86_400_000)).toMatchObject({ deadline: time(LATEST_MS) });
    const last = after(extendable(), [1000, extendRequested(86_400_000)]);
    expect(decide(last, extendRequested(60_000), at(2000)).facts).toEqual([]);
  });

  test("ends at the parent's deadline", () => {
    expect(moved(extendable(), 600_000, DEADLINE_MS + 5000)).toMatchObject({
      deadline: time(DEADLINE_MS + 5000),
    });
    expect(moved(extendable(), 600_000, DEADLINE_MS)).toBeUndefined();
    expect(moved(extendable(), 600_000, DEADLINE_MS - 100_000)).toBeUndefined();
  });

  test('by nothing or less than nothing moves nothing', () => {
    expect(moved(extendable(), 0)).toBeUndefined();
    expect(moved(extendable(), -60_000)).toBeUndefined();
  });

  test('the task lives on past its old deadline, and ends at the new one', () => {
    const longer = after(extendable(LONG), [1000, extendRequested(60_000)]);
    expect(decide(longer, ALARM, at(DEADLINE_MS)).next.state).toBe('active');
    expect(decide(longer, ALARM, at(DEADLINE_MS + 60_000)).next).toMatchObject({
      state: 'stopping',
      outcome: 'expired',
    });
  });

  test('a lease that was cut to the old deadline is renewed again, up to the new one', () => {
    const cut = after(extendable(LONG), [50, ALARM], [60, renewedTo(DEADLINE_MS - 50, 50)]);
    expect(dueAt(cut)).toBe(instant(DEADLINE_MS));
    const longer = after(cut, [400_000, extendRequested(60_000)]);
    const { effects } = decide(cut, extendRequested(60_000), at(400_000));
    expect(effects).toEqual([{ type: 'renewLeases', n: 1, leases: [{ id: ID, incrementSeconds: 275 }] }]);
    const done = after(longer, [400_010, renewedTo(275_000, 400_000)]);
    expect(dueAt(done)).toBe(instant(DEADLINE_MS + 60_000));
    expect(done).toMatchObject({ opened: 1, state: 'active' });
  });

  test('a lease whose cut to the old deadline nobody heard the answer of is not taken to live on', () => {
    const cutting = after(extendable(LONG), [50, ALARM]);
    const unheard: GrantEvent = {
      type: 'renewed',
      n: 1,
      results: [{ id: ID, problem: UNREACHABLE, what: 'failed' }],
    };
    const longer = after(cutting, [60, unheard], [70, extendRequested(600_000)]);
    const taken = after(
      cutting,
      [60, extendRequested(600_000)],
      [5000, adoptedWith({ latestMs: LATEST_MS })],
    );
    for (const grant of [longer, taken]) {
      const [lease] = grant.generations[0]!.leases;
      expect(lease!.endsAt).toBe(instant(DEADLINE_MS));
      expect(renewAt(lease!, grant.deadline)!).toBeLessThan(instant(DEADLINE_MS * 0.66));
    }
    const { effects } = decide(taken, ALARM, at(DEADLINE_MS * 0.66));
    expect(effects).toEqual([{ type: 'renewLeases', n: 1, leases: [{ id: ID, incrementSeconds: 810 }] }]);
  });

  test('a cut that is late may undo the renewal after it: that is renewed in time until none can come any more', () => {
    const unheard: GrantEvent = {
      type: 'renewed',
      n: 1,
      results: [{ id: ID, problem: UNREACHABLE, what: 'failed' }],
    };
    const late = 400_000;
    const extended = after(extendable(LONG), [50, ALARM], [60, unheard], [late, extendRequested(3_000_000)]);
    const leftMs = DEADLINE_MS - late;
    const next = (grant: Grant) => renewAt(grant.generations[0]!.leases[0]!, grant.deadline);
    const renewed = after(extended, [late + 10, renewedTo(3_600_000, late)]);
    expect(next(renewed)).toBeLessThan(instant(late + 10 + leftMs * 0.66));
    // Vault has ended by then whatever it was asked before.
    const settled = after(renewed, [late + 120_000, renewedTo(3_600_000, late + 120_000)]);
    expect(next(settled), 'it lasts to the end').toBeNull();
  });

  test('a lease that no renewal prolongs is replaced once the deadline is past its end', () => {
    const fixed = leaseIssued({ ttl_ms: DEADLINE_MS, renewable: false });
    expect(dueAt(extendable(fixed))).toBe(instant(DEADLINE_MS));
    const longer = after(extendable(fixed), [1000, extendRequested(600_000)]);
    expect(dueAt(longer)!).toBeLessThan(instant(DEADLINE_MS - 20_000));
    expect(decide(longer, ALARM, at(DEADLINE_MS - 20_000)).effects).toEqual([{ type: 'openToken', n: 2 }]);
  });
});

describe('a profile that allows less time', () => {
  test('moves the deadline nearer, with the end that was asked for', () => {
    const { next, facts } = decide(active(), planChanged({}, 300_000), at(1000));
    expect(facts).toEqual([
      {
        type: 'deadline.moved',
        expires_at: time(285_000),
        deadline: time(300_000),
        latest_deadline: time(300_000),
      },
    ]);
    expect(next.deadline).toBe(instant(300_000));
  });

  test('where the deadline is nearer already, only the latest one moves', () => {
    const { facts } = decide(extendable(), planChanged({}, 900_000), at(1000));
    expect(facts).toEqual([
      {
        type: 'deadline.moved',
        expires_at: time(DURATION_MS),
        deadline: time(DEADLINE_MS),
        latest_deadline: time(900_000),
      },
    ]);
  });

  test('never moves it later, and it stays as near as it was', () => {
    const nearer = after(active(), [1000, planChanged({}, 300_000)]);
    expect(decide(nearer, planChanged({}, LATEST_MS), at(2000)).facts).toEqual([]);
  });

  test('nothing is renewed past the nearer end', () => {
    const nearer = after(active(), [1000, planChanged({}, 100_000)]);
    const { effects } = decide(nearer, ALARM, at(80_000));
    expect(effects).toEqual([]);
    expect(dueAt(nearer)).toBe(instant(100_000));
  });
});

describe('a profile that says something else', () => {
  const gaveUp = (grant: Grant, ms: number, n: number) =>
    after(grant, [ms, { type: 'tokenFailed', n, problem: DENIED, unknown: false }]);

  test('the next generation is raised with what it says now, on record', () => {
    const { facts } = decide(active(), planChanged(NARROWER), at(2000));
    expect(facts).toMatchObject([
      { type: 'generation.opened', why: 'the profile was changed', plan: { policies: NARROWER.policies } },
    ]);
  });

  test('changed there and back before anything was raised: nothing is', () => {
    const grant = after(active(), [10, planChanged(NARROWER)], [20, planChanged()]);
    expect(grant.pending).toMatchObject({ plan: null, wanted: null });
    expect(decide(grant, ALARM, at(2000)).effects).toEqual([]);
  });

  test('changed back while the changed one is raised: raised again as it was', () => {
    const raising = after(active(), [2000, planChanged(NARROWER)], [2010, planChanged()]);
    expect(raising.pending).toMatchObject({ plan: PLAN, wanted: 'the profile was changed' });
  });

  test('the change is not forgotten when its rotation fails and it is read again', () => {
    const failed = gaveUp(after(active(), [2000, planChanged(NARROWER)]), 2010, 2);
    const again = after(failed, [2020, planChanged(NARROWER)]);
    expect(again.pending.wanted).toBe('the profile was changed');
  });

  test('nor when it changes twice meanwhile and comes back to what was tried', () => {
    const failed = gaveUp(after(active(), [2000, planChanged(NARROWER)]), 2010, 2);
    const third = { policies: ['tasklease-report-third'] };
    const again = after(failed, [2020, planChanged(third)], [2030, planChanged(NARROWER)]);
    expect(again.pending).toMatchObject({ plan: null, wanted: 'the profile was changed' });
  });

  test('nor when the agent is restarted between the record and the token', () => {
    const opened = after(active(), [2000, planChanged(NARROWER)]);
    const taken = after(opened, [3000, adoptedWith({ plan: NARROWER })]);
    expect(taken).toMatchObject({ plan: { policies: NARROWER.policies } });
    expect(taken.pending).toMatchObject({ raising: 'token' });
    expect(taken.generations.at(-1)).toMatchObject({ n: 3, plan: { policies: NARROWER.policies } });
  });

  test('changed there and back while another reason to rotate waits: that reason stays', () => {
    const stuck = after(retiring(), [RETIRE_MS, sessionEnded(true)]);
    const back = after(stuck, [RETIRE_MS, planChanged(NARROWER)], [RETIRE_MS, planChanged()]);
    expect(back.pending).toMatchObject({ plan: null, wanted: 'the Vault session above its token ended' });
    const { next } = decide(back, { type: 'revoked', n: 1 }, at(RETIRE_MS + 100));
    expect(next.generations.at(-1)).toMatchObject({ n: 3, plan: PLAN });
  });

  test('changed back after a rotation that failed: the next one shows that all is well', () => {
    const failed = gaveUp(after(active(), [2000, planChanged(NARROWER)]), 2010, 2);
    const back = after(failed, [2020, planChanged()]);
    expect(back.pending.plan).toEqual(PLAN);
    expect(after(back, [4000, ALARM]).generations.at(-1)).toMatchObject({ n: 3, plan: PLAN });
  });
});
