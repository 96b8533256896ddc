// Owns what a parent means for its child: only listed profiles, only its own values, never longer.

import { describe, expect, test } from 'vitest';
import { asChild } from '../../../src/domain/child.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { ProfileName } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Settled } from '../../../src/domain/task-spec.ts';
import { closed, degraded, erasing, withdrawn } from './rows.ts';
import { accepted, active, activeAs, DEADLINE_MS, instant, PLAN, profile, time } from './samples.ts';

const CALL = 'tool-call' as ProfileName;
const PARENT = profile({ children: [CALL] });
const settled = (overrides: Partial<Settled> = {}): Settled => ({
  plan: PLAN,
  params: { env: 'prod' },
  expiresAt: instant(60_000),
  deadline: instant(75_000),
  latestDeadline: instant(75_000),
  ...overrides,
});
const child = (overrides: Partial<Settled> = {}, parent: Grant = active(), above: Profile = PARENT) =>
  asChild(parent, above, profile({ name: CALL }), settled(overrides));

function refusal(run: () => unknown): Problem {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error('the child was not refused');
}

describe('a child', () => {
  test('that ends before its parent is settled as it asked', () => {
    expect(child()).toEqual(settled());
  });

  test('never lives longer, nor can it be extended past what its parent can', () => {
    const end = instant(DEADLINE_MS);
    const longer = { expiresAt: end + 5000, deadline: end + 20_000, latestDeadline: end + 90_000 };
    expect(child(longer)).toMatchObject({ expiresAt: end, deadline: end, latestDeadline: end });
    const parent = activeAs({ latest_deadline: time(DEADLINE_MS + 50_000) });
    expect(child(longer, parent)).toMatchObject({ deadline: end, latestDeadline: end + 50_000 });
  });

  test('keeps the end that was asked for where only its grace reaches past the parent', () => {
    const end = instant(DEADLINE_MS);
    expect(
      child({ expiresAt: end - 5000, deadline: end + 10_000, latestDeadline: end + 10_000 }),
    ).toMatchObject({
      expiresAt: end - 5000,
      deadline: end,
    });
  });

  test.each<[string, () => Grant, boolean]>([
    ['starting', accepted, false],
    ['active', active, true],
    ['degraded', degraded, true],
    ['active with its files withdrawn', withdrawn, true],
    ['stopping', erasing, false],
    ['closed', closed, false],
  ])('of a parent that is %s: %#', (_state, parent, allowed) => {
    if (allowed) return void expect(child({}, parent())).toMatchObject({ params: { env: 'prod' } });
    const problem = refusal(() => child({}, parent()));
    expect(problem).toMatchObject({ code: 'PROFILE_DENIED', status: 403 });
    expect(problem.message).toContain(parent().state);
  });

  test('of a profile that the parent does not list is refused, and the file to change is named', () => {
    const problem = refusal(() => child({}, active(), profile({ children: ['other' as ProfileName] })));
    expect(problem.code).toBe('PROFILE_DENIED');
    expect(problem.hint).toContain('report-read.yaml');
    expect(refusal(() => child({}, active(), profile())).code).toBe('PROFILE_DENIED');
  });

  test('has the values of its parent where both have them', () => {
    const problem = refusal(() => child({ params: { env: 'staging' } }));
    expect(problem).toMatchObject({ code: 'PROFILE_DENIED' });
    expect(problem.message).toContain('params.env');
    expect(child({ params: {} }).params).toEqual({});
    expect(child({ params: { customer: 'c-1' } }).params).toEqual({ customer: 'c-1' });
    expect(child({ params: { constructor: 'c-1' } }).params).toEqual({ constructor: 'c-1' });
  });

  test('the value of the parent is not told to who asks for another', () => {
    const parent = activeAs({ params: { env: 'very-private' } });
    expect(refusal(() => child({ params: { env: 'staging' } }, parent)).message).not.toContain(
      'very-private',
    );
  });
});
