// Owns the hours of a profile: what is a window, who is let in when, and that nothing outlives it.

import { describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import { openUntil, parseWindow } from '../../../src/domain/window.ts';
import { caller, PROFILE, profile, TASK } from './samples.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const clock = (utc: string) => ({ at: 7_000_000, wallMs: Date.parse(`2026-11-22T${utc}Z`) });
const within = (window: string) =>
  profile({ allow: { uids: [1000], gids: [], window: parseWindow(window)! } });

test.each([
  ['01:00-04:00 UTC', { fromMs: HOUR, toMs: 4 * HOUR }],
  ['22:30-02:00 UTC', { fromMs: 22.5 * HOUR, toMs: 2 * HOUR }],
  ['00:00-24:00 UTC', { fromMs: 0, toMs: 24 * HOUR }],
  ['01:00-01:00 UTC', null],
  ['1:00-04:00 UTC', null],
  ['01:00-04:00', null],
  ['01:00-04:00 CET', null],
  ['24:00-04:00 UTC', null],
  ['01:60-04:00 UTC', null],
  ['01:00-24:01 UTC', null],
])('%s', (text, window) => expect(parseWindow(text)).toEqual(window));

describe('a window', () => {
  test.each<[string, string, number | null]>([
    ['01:00-04:00 UTC', '01:00:00', 3 * HOUR],
    ['01:00-04:00 UTC', '03:59:59.999', 1],
    ['01:00-04:00 UTC', '04:00:00', null],
    ['01:00-04:00 UTC', '00:59:59.999', null],
    ['22:00-02:00 UTC', '23:00:00', 3 * HOUR],
    ['22:00-02:00 UTC', '01:00:00', HOUR],
    ['22:00-02:00 UTC', '02:00:00', null],
    ['00:00-24:00 UTC', '00:00:00', 24 * HOUR],
  ])('%s at %s', (window, utc, leftMs) => {
    const now = clock(utc);
    if (leftMs !== null) return expect(openUntil(within(window), now)).toBe(now.at + leftMs);
    expect(() => openUntil(within(window), now)).toThrow(
      expect.objectContaining({ code: 'PROFILE_DENIED', retryable: true }),
    );
  });

  test('says when it opens', () => {
    try {
      openUntil(within('01:00-04:00 UTC'), clock('04:30:00'));
    } catch (error) {
      expect(error).toBeInstanceOf(Problem);
      expect(error).toMatchObject({
        retryAfterMs: 20.5 * HOUR,
        hint: expect.stringContaining('2026-11-23T01:00'),
      });
      return;
    }
    throw new Error('it was let in');
  });

  test('caps every end of a task, the extended one too, whoever starts it', () => {
    const now = clock('03:55:00');
    const rules = { ...within('01:00-04:00 UTC') };
    const ttl = { defaultMs: 600_000, maxMs: HOUR, graceMs: 15_000, extend: true };
    const signal = { profile: PROFILE, params: { env: 'prod' } };
    for (const who of [caller(), caller({ admin: true })]) {
      expect(settle(TASK, { ...rules, ttl }, signal, who, now)).toMatchObject({
        expiresAt: now.at + 5 * MINUTE,
        deadline: now.at + 5 * MINUTE,
        latestDeadline: now.at + 5 * MINUTE,
      });
      const short = { ...signal, durationMs: MINUTE };
      expect(settle(TASK, rules, short, who, now).deadline).toBe(now.at + MINUTE + 15_000);
      expect(() => settle(TASK, rules, signal, who, clock('05:00:00'))).toThrow(/at this time/);
    }
  });
});
