// Owns the numbers of renewals: how much is asked for, when again after a failure, what a capped answer
// means, and that leases longer than the task are cut.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { Problem } from '../../../src/domain/problem.ts';
import {
  active,
  activeAs,
  after,
  at,
  DEADLINE_MS,
  instant,
  leaseIssued,
  time,
  UNREACHABLE,
} from './samples.ts';

const ID = 'database/creds/report/abc';
const ALARM: GrantEvent = { type: 'alarm' };
/** As answered to a renewal that was asked for at `askedMs`. */
const renewed = (ttlMs: number, askedMs = 80_000, incrementSeconds = 120): GrantEvent => ({
  type: 'renewed',
  n: 1,
  results: [{ id: ID, incrementSeconds, ttlMs, endsAt: instant(askedMs + ttlMs), renewable: true }],
});
const failed = (problem: Problem = UNREACHABLE): GrantEvent => ({
  type: 'renewed',
  n: 1,
  results: [{ id: ID, problem, what: 'failed' }],
});

describe('renewals', () => {
  test('ask again for what the lease had at its issue', () => {
    const { effects } = decide(active(), ALARM, at(80_000));
    expect(effects).toEqual([{ type: 'renewLeases', n: 1, leases: [{ id: ID, incrementSeconds: 120 }] }]);
  });

  test('never ask for time past the deadline', () => {
    let grant = active();
    const asked: (readonly [number, number])[] = [];
    for (let ms = 0; ms < DEADLINE_MS; ms += 1000) {
      const { next, effects } = decide(grant, ALARM, at(ms));
      grant = next;
      for (const effect of effects) {
        if (effect.type !== 'renewLeases') throw new Error(`nothing but renewals is due, not ${effect.type}`);
        const { incrementSeconds } = effect.leases[0]!;
        asked.push([ms, incrementSeconds]);
        grant = decide(grant, renewed(incrementSeconds * 1000, ms, incrementSeconds), at(ms)).next;
      }
    }
    expect(asked.length).toBeGreaterThan(6);
    for (const [ms, seconds] of asked) expect(ms + (seconds - 1) * 1000).toBeLessThan(DEADLINE_MS);
    expect(asked.at(-1)![1]).toBeLessThan(120);
  });

  test('believe only what was granted', () => {
    const grant = after(active(), [80_000, ALARM], [80_100, renewed(90_000)]);
    expect(grant.generations[0]!.leases[0]).toMatchObject({
      ttlMs: 90_000,
      endsAt: instant(170_000),
      renewedAt: instant(80_100),
    });
  });

  test('a grant of less than asked is capped: not asked for again, but replaced in time', () => {
    const grant = after(active(), [80_000, ALARM], [80_100, renewed(60_000)]);
    expect(grant.generations[0]!.leases[0]!.capped).toBe(true);
    // The end, less the overlap of 30 s, a second to raise it, and up to a fifth more as spread.
    expect(dueAt(grant)).toBeGreaterThanOrEqual(instant(140_000 - 37_200));
    expect(dueAt(grant)).toBeLessThanOrEqual(instant(140_000 - 31_000));
    const { facts, effects } = decide(grant, ALARM, at(116_000));
    expect(facts.map(({ type }) => type)).toEqual(['generation.opened']);
    expect(effects).toEqual([{ type: 'openToken', n: 2 }]);
  });

  test('a grant of all that was asked for is no cap, also when the deadline was moved meanwhile', () => {
    const longer = activeAs({ latest_deadline: time(3_600_000) });
    const { next } = decide(after(longer, [520_000, renewed(100_000, 519_000, 96)]), ALARM, at(580_000));
    const extended = after(next, [
      580_010,
      { type: 'extendRequested', byMs: 600_000, notAfter: instant(2_000_000) },
    ]);
    const grant = after(extended, [580_020, renewed(35_000, 580_000, 35)]);
    expect(grant.deadline).toBeGreaterThan(instant(1_000_000));
    expect(grant.generations[0]!.leases[0]!.capped).toBe(false);
  });

  test('only the leases that are due are renewed', () => {
    const grant = active(leaseIssued(), leaseIssued({ secret: 'slow', id: 'a/slow', ttl_ms: 400_000 }));
    const effect = decide(grant, ALARM, at(80_000)).effects[0]!;
    expect(effect.type === 'renewLeases' && effect.leases.map(({ id }) => id)).toEqual([ID]);
  });

  test('a failure is tried again after the delay that Vault names', () => {
    const busy = new Problem('VAULT_UNREACHABLE', 'Vault is overloaded', { retryAfterMs: 7000 });
    const grant = after(active(), [80_000, ALARM], [80_010, failed(busy)]);
    expect(grant.state).toBe('degraded');
    expect(dueAt(grant)).toBe(instant(87_010));
  });

  test('one of two fails: the other keeps its new time, the task is degraded', () => {
    const grant = after(
      active(leaseIssued(), leaseIssued({ secret: 'b', id: 'b/1' })),
      [80_000, ALARM],
      [
        80_010,
        {
          type: 'renewed',
          n: 1,
          results: [
            { id: ID, incrementSeconds: 120, ttlMs: 120_000, endsAt: instant(200_000), renewable: true },
            { id: 'b/1', problem: UNREACHABLE, what: 'failed' },
          ],
        },
      ],
    );
    expect(grant.state).toBe('degraded');
    expect(grant.generations[0]!.leases.map(({ endsAt }) => endsAt)).toEqual([
      instant(200_000),
      instant(120_000),
    ]);
  });
});

describe('cutting leases to the deadline', () => {
  const long = () => active(leaseIssued({ ttl_ms: 3_600_000 }));

  test('soon after the start, to the deadline', () => {
    const due = dueAt(long())!;
    expect(due - instant(0)).toBeLessThanOrEqual(1000);
    expect(decide(long(), ALARM, { ...at(0), at: due }).effects).toEqual([
      {
        type: 'renewLeases',
        n: 1,
        leases: [{ id: ID, incrementSeconds: Math.ceil((DEADLINE_MS - 50) / 1000) }],
      },
    ]);
  });

  test('then only the deadline is left', () => {
    const grant = after(long(), [50, ALARM], [60, renewed(615_000, 50)]);
    expect(dueAt(grant)).toBe(instant(DEADLINE_MS));
    expect(grant.generations[0]!.leases[0]!.capped).toBe(false);
  });

  test('what cannot be renewed cannot be cut: the token still ends it at the deadline', () => {
    expect(dueAt(active(leaseIssued({ ttl_ms: 3_600_000, renewable: false })))).toBe(instant(DEADLINE_MS));
  });

  test('a cut that failed is tried again, and the task is not degraded for ever', () => {
    const grant = after(long(), [50, ALARM], [60, failed()]);
    const again = decide(grant, ALARM, at(60 + 15_000));
    expect(again.effects.map(({ type }) => type)).toEqual(['renewLeases']);
    expect(decide(again.next, renewed(600_000, 15_060), at(15_100)).next.state).toBe('active');
  });
});
