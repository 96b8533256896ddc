// Owns the arithmetic of single leases: when to renew, when one is over, what to ask for, how long to wait.

import { describe, expect, test } from 'vitest';
import { unitHash } from '../../../src/domain/hash.ts';
import {
  deadAt,
  goodUntil,
  incrementSeconds,
  lastsUntil,
  needsCut,
  outlives,
  renewAt,
  replaceAt,
  retryDelay,
  retryDelayMs,
} from '../../../src/domain/lease.ts';
import { Problem } from '../../../src/domain/problem.ts';
import { DEADLINE_MS, instant, lease, UNREACHABLE } from './samples.ts';

const deadline = instant(DEADLINE_MS);

describe('renewAt', () => {
  test.each([
    ['cannot be renewed', lease({ renewable: false })],
    ['is capped by its engine', lease({ capped: true })],
    ['has no TTL', lease({ ttlMs: null, endsAt: null })],
    ['has no id', lease({ id: null })],
    ['reaches the deadline', lease({ endsAt: deadline })],
    ['is lost', lease({ lostAt: instant(5) })],
  ])('null for a lease that %s', (_why, given) => {
    expect(renewAt(given, deadline)).toBeNull();
  });

  test('55 to 65 % of the TTL after the last renewal, the same for the same lease', () => {
    const given = lease({ renewedAt: instant(100_000), endsAt: instant(220_000) });
    const due = renewAt(given, deadline)!;
    expect(due).toBeGreaterThanOrEqual(instant(166_000));
    expect(due).toBeLessThanOrEqual(instant(178_000));
    expect(renewAt(given, deadline)).toBe(due);
  });

  test('leases of one moment are spread', () => {
    const dues = Array.from({ length: 200 }, (_, i) => renewAt(lease({ id: `a/${i}` }), deadline)!);
    const width = Math.max(...dues) - Math.min(...dues);
    expect(width).toBeGreaterThan(10_000);
    expect(new Set(dues).size).toBeGreaterThan(180);
  });
});

test.each([
  ['without a TTL: nobody knows', null, true, null],
  ['what can be renewed, until the task ends at the latest', 120_000, true, DEADLINE_MS],
  ['what cannot, until its own end', 120_000, false, 130_000],
  ['or the task’s', 9_000_000, false, DEADLINE_MS],
])('how long a credential can be good: %s', (_name, ttlMs, renewable, end) => {
  const until = goodUntil(instant(10_000), ttlMs, renewable, deadline);
  expect(until).toBe(end === null ? null : instant(end));
});

describe('ends', () => {
  test.each([
    ['reaches the deadline', lease({ endsAt: deadline })],
    ['reaches it and ends within the margin after it', lease({ endsAt: deadline + 300 })],
    ['has no end', lease({ endsAt: null })],
  ])('a lease that %s is never dead, replaced or the end of the task', (_why, given) => {
    expect(outlives(given, deadline)).toBe(true);
    expect(deadAt(given, deadline)).toBeNull();
    expect(replaceAt(given, deadline, 30_000)).toBeNull();
    expect(lastsUntil(given, deadline)).toBeNull();
  });

  test('one that ends before counts as dead a moment ahead, so that no reader finds a dead credential', () => {
    expect(deadAt(lease(), deadline)).toBe(instant(119_500));
    expect(lastsUntil(lease(), deadline)).toBeNull();
  });

  test('one that Vault does not know any more is dead since that was seen, whatever its end', () => {
    expect(deadAt(lease({ lostAt: instant(70) }), deadline)).toBe(instant(70));
    expect(deadAt(lease({ lostAt: instant(70), endsAt: deadline }), deadline)).toBe(instant(70));
    expect(lastsUntil(lease({ lostAt: instant(70), endsAt: deadline - 1000 }), deadline)).toBeNull();
  });

  test.each([1, 700, 1500])(
    'one that ends %i ms before the deadline is not replaced: the task ends',
    (early) => {
      const given = lease({ endsAt: deadline - early });
      expect(replaceAt(given, deadline, 30_000)).toBeNull();
      expect(lastsUntil(given, deadline)).toBe(deadline - early - 500);
      expect(deadAt(given, deadline)).toBeNull();
    },
  );

  test('one that ends earlier is replaced, and does not end the task', () => {
    const given = lease({ endsAt: deadline - 1501, renewable: false });
    expect(replaceAt(given, deadline, 30_000)).not.toBeNull();
    expect(lastsUntil(given, deadline)).toBeNull();
  });

  test('a cut is for renewable leases that are clearly longer than the task', () => {
    expect(needsCut(lease({ endsAt: deadline + 60_000 }), deadline)).toBe(true);
    expect(needsCut(lease({ endsAt: deadline + 900 }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: deadline + 60_000, renewable: false }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: deadline + 60_000, id: null }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: null }), deadline)).toBe(false);
  });
});

describe('replaceAt', () => {
  /** Between which two moments a lease of 100 s is replaced, over many ids. */
  const window = (overlapMs: number): readonly [number, number] => {
    const given = (i: number) => lease({ id: `a/${i}`, endsAt: instant(100_000), renewable: false });
    const dues = Array.from(
      { length: 300 },
      (_, i) => replaceAt(given(i), deadline, overlapMs)! - instant(0),
    );
    return [Math.min(...dues), Math.max(...dues)];
  };

  test.each([
    ['the overlap and the time to raise another', 20_000, 100_000 - 25_200, 100_000 - 21_000],
    ['a tenth of its life where that is longer', 0, 88_000, 90_000],
  ])(
    'what renewals cannot prolong: early by %s, and up to a fifth more as spread',
    (_what, overlap, from, to) => {
      const [first, last] = window(overlap);
      expect(first).toBeGreaterThanOrEqual(from);
      expect(last).toBeLessThanOrEqual(to);
      expect(last - first).toBeGreaterThan((to - from) / 2);
    },
  );

  test('early by three tenths of its life at most', () => {
    expect(window(90_000)).toEqual([70_000, 70_000]);
  });

  test('what they can: at 85 % of its last TTL, when they have failed until then', () => {
    const given = lease({ renewedAt: instant(100_000), endsAt: instant(220_000) });
    expect(replaceAt(given, deadline, 30_000)).toBe(instant(202_000));
    expect(replaceAt(given, deadline, 30_000)!).toBeGreaterThan(renewAt(given, deadline)!);
  });

  test('a capped lease counts as one that they cannot', () => {
    const given = lease({ capped: true, renewedAt: instant(60_000), endsAt: instant(120_000) });
    expect(replaceAt(given, deadline, 10_000)!).toBeGreaterThanOrEqual(instant(105_600));
  });

  test('a certificate without a lease has an end too', () => {
    const given = lease({ id: null, renewable: false, revocable: false });
    expect(replaceAt(given, deadline, 30_000)!).toBeLessThan(instant(120_000));
  });
});

describe('incrementSeconds', () => {
  test('the TTL at issue, not the last one granted', () => {
    expect(incrementSeconds(lease({ ttlMs: 30_000 }), deadline, instant(0))).toBe(120);
  });
  test('not past the deadline, whole seconds rounded up', () => {
    expect(incrementSeconds(lease(), deadline, deadline - 1500)).toBe(2);
  });
  test('never zero, which Vault takes for its own default', () => {
    expect(incrementSeconds(lease(), deadline, deadline + 5000)).toBe(1);
  });
});

describe('retryDelayMs', () => {
  test('grows to 15 s at most', () => {
    const slowest = (attempt: number) =>
      Math.max(...Array.from({ length: 300 }, (_, i) => retryDelayMs(`task-${i}`, attempt)));
    expect(slowest(1)).toBeLessThanOrEqual(250);
    expect(slowest(3)).toBeLessThanOrEqual(1000);
    expect(slowest(50)).toBeLessThanOrEqual(15_000);
    expect(slowest(50)).toBeGreaterThan(14_000);
  });
});

describe('retryDelay', () => {
  const asked = (retryAfterMs: number) => new Problem('VAULT_UNREACHABLE', 'busy', { retryAfterMs });
  test('as Vault asks, a minute at most', () => {
    expect(retryDelay('a', asked(7000), 9)).toBe(7000);
    expect(retryDelay('a', asked(86_400_000), 1)).toBe(60_000);
  });
  test('else with jitter', () => {
    expect(retryDelay('a', UNREACHABLE, 4)).toBe(retryDelayMs('a', 4));
  });
});

describe('unitHash', () => {
  test('depends on its seed alone and fills [0, 1)', () => {
    const values = Array.from({ length: 1000 }, (_, i) => unitHash(`seed/${i}`));
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(unitHash('seed/1')).toBe(values[1]);
    const mean = values.reduce((sum, value) => sum + value) / values.length;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
  });
});
