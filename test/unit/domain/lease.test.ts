// Owns the arithmetic of single leases: when to renew, when one is over, what to ask for, how long to wait.

import { describe, expect, test } from 'vitest';
import { unitHash } from '../../../src/domain/hash.ts';
import {
  failsAt,
  incrementSeconds,
  needsCut,
  outlives,
  renewAt,
  retryDelayMs,
} from '../../../src/domain/lease.ts';
import { DEADLINE_MS, instant, lease } from './samples.ts';

const deadline = instant(DEADLINE_MS);

describe('renewAt', () => {
  test.each([
    ['cannot be renewed', lease({ renewable: false })],
    ['is capped by its engine', lease({ capped: true })],
    ['has no TTL', lease({ ttlMs: null, endsAt: null })],
    ['has no id', lease({ id: null })],
    ['reaches the deadline', lease({ endsAt: deadline })],
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

describe('ends', () => {
  test('a lease that reaches the deadline does not end the task', () => {
    expect(failsAt(lease({ endsAt: deadline }), deadline)).toBeNull();
    expect(failsAt(lease({ endsAt: null }), deadline)).toBeNull();
    expect(outlives(lease({ endsAt: deadline }), deadline)).toBe(true);
  });

  test('one that ends before does, a moment ahead, so that no reader finds a dead credential', () => {
    const fails = failsAt(lease(), deadline)!;
    expect(fails).toBeLessThan(instant(120_000));
    expect(fails).toBeGreaterThanOrEqual(instant(119_000));
  });

  test('a cut is for renewable leases that are clearly longer than the task', () => {
    expect(needsCut(lease({ endsAt: deadline + 60_000 }), deadline)).toBe(true);
    expect(needsCut(lease({ endsAt: deadline + 900 }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: deadline + 60_000, renewable: false }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: deadline + 60_000, id: null }), deadline)).toBe(false);
    expect(needsCut(lease({ endsAt: null }), deadline)).toBe(false);
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
