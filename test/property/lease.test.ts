// Owns the laws of lease arithmetic: renewals come in time, retries stay within their bounds, and what is
// asked of Vault never goes past the deadline.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokenTtlSeconds } from '../../src/domain/decide.ts';
import { formatDuration, parseDuration, wholeSeconds } from '../../src/domain/duration.ts';
import {
  deadAt,
  incrementSeconds,
  type Lease,
  lastsUntil,
  renewAt,
  replaceAt,
  retryDelayMs,
} from '../../src/domain/lease.ts';
import { accepted, instant, lease } from '../unit/domain/samples.ts';

const ms = (max: number) => fc.integer({ min: 0, max });
const DAY = 86_400_000;

/** Leases as Vault grants them: whole seconds, counted from the last renewal. */
const leases: fc.Arbitrary<Lease> = fc
  .record({
    ttl: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 10 * 86_400 })),
    renewedAt: ms(DAY).map(instant),
    id: fc.option(fc.string({ minLength: 1, maxLength: 40 }), { nil: null, freq: 9 }),
    renewable: fc.boolean(),
    capped: fc.boolean(),
    endless: fc.boolean(),
  })
  .map(({ ttl, renewedAt, id, renewable, capped, endless }) =>
    lease({
      id,
      renewable,
      capped,
      renewedAt,
      ttlMs: endless ? null : ttl * 1000,
      issuedTtlMs: endless ? null : ttl * 1000,
      endsAt: endless ? null : renewedAt + ttl * 1000,
    }),
  );
const deadlines = ms(20 * DAY).map(instant);

describe('leases', () => {
  test('a renewal is due before the end, and after the last renewal', () => {
    fc.assert(
      fc.property(leases, deadlines, (given, deadline) => {
        const due = renewAt(given, deadline);
        if (due === null) return;
        expect(due).toBeLessThan(given.endsAt!);
        expect(due).toBeGreaterThan(given.renewedAt);
        expect(due).toBeLessThan(deadline);
      }),
      { numRuns: 3000 },
    );
  });

  test('renewed before it is replaced, replaced before it is dead, from some seconds on', () => {
    fc.assert(
      fc.property(leases, deadlines, ms(300_000), (given, deadline, overlapMs) => {
        const renewal = renewAt(given, deadline);
        const replacement = replaceAt(given, deadline, overlapMs);
        const dead = deadAt(given, deadline);
        expect(replacement === null).toBe(dead === null);
        if (dead === null) return;
        if (renewal !== null && given.ttlMs! >= 10_000) expect(renewal).toBeLessThan(replacement!);
        if (given.ttlMs! >= 10_000) expect(replacement!).toBeLessThan(dead);
      }),
      { numRuns: 3000 },
    );
  });

  test('a replacement is raised in the last third of a life, never at its start', () => {
    fc.assert(
      fc.property(leases, deadlines, ms(10 * DAY), (given, deadline, overlapMs) => {
        const replacement = replaceAt(given, deadline, overlapMs);
        if (replacement === null) return;
        const lifeMs = given.endsAt! - given.issuedAt;
        expect(replacement).toBeGreaterThanOrEqual(given.issuedAt + Math.floor(lifeMs * 0.7) - 1);
      }),
      { numRuns: 3000 },
    );
  });

  test('a lease has no end before the deadline, ends the task right before it, or is replaced: one of these', () => {
    fc.assert(
      fc.property(leases, deadlines, (given, deadline) => {
        const outlives = given.endsAt === null || given.endsAt >= deadline;
        const ways = [outlives, lastsUntil(given, deadline) !== null, replaceAt(given, deadline, 0) !== null];
        expect(ways.filter(Boolean)).toHaveLength(1);
        expect(deadAt(given, deadline) !== null).toBe(ways[2]);
      }),
      { numRuns: 3000 },
    );
  });

  test('what is asked for ends at the deadline (Vault counts whole seconds) and is more than nothing', () => {
    fc.assert(
      fc.property(leases, deadlines, ms(20 * DAY), (given, deadline, before) => {
        const now = deadline - before;
        const seconds = incrementSeconds(given, deadline, now);
        expect(Number.isInteger(seconds) && seconds >= 1).toBe(true);
        if (before > 0) expect(now + (seconds - 1) * 1000).toBeLessThan(deadline);
        if (given.issuedTtlMs !== null) expect(seconds * 1000).toBeLessThanOrEqual(given.issuedTtlMs);
      }),
      { numRuns: 2000 },
    );
  });

  test('the TTL asked for a task token ends at the deadline, to the second', () => {
    const grant = accepted();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: grant.deadline - instant(0) }), (left) => {
        const seconds = tokenTtlSeconds(grant, grant.deadline - left);
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds * 1000).toBeGreaterThanOrEqual(left);
        expect(seconds * 1000).toBeLessThan(left + 1000);
      }),
    );
  });

  test('retry delays: never at once, never over 15 s, never over the doubling cap', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1_000_000 }), (seed, attempt) => {
        const delay = retryDelayMs(seed, attempt);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(50);
        expect(delay).toBeLessThanOrEqual(Math.min(15_000, 250 * 2 ** (attempt - 1)));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('durations', () => {
  test('what is shown is read back', () => {
    const shown = fc.oneof(
      ms(999),
      fc.integer({ min: 1, max: 3650 * 86_400 - 1 }).map((s) => s * 1000),
    );
    fc.assert(
      fc.property(shown, (duration) => {
        expect(parseDuration(formatDuration(duration))).toBe(duration);
      }),
      { numRuns: 2000 },
    );
  });

  test('any other duration is shown to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 3650 * DAY - 1000 }), (duration) => {
        expect(Math.abs(parseDuration(formatDuration(duration))! - duration)).toBeLessThanOrEqual(500);
      }),
    );
  });

  test('no text makes it fail, and what it takes is finite and not negative', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,6}[smhd]{0,2}[0-9]{0,3}[smhd]?$/)),
        (text) => {
          const parsed = parseDuration(text);
          expect(parsed === null || (Number.isInteger(parsed) && parsed >= 0)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('whole seconds cover the duration', () => {
    fc.assert(
      fc.property(ms(DAY), (duration) => {
        expect(wholeSeconds(duration) * 1000).toBeGreaterThanOrEqual(duration);
      }),
    );
  });
});
