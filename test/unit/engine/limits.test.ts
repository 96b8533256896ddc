// Owns the promises of admission: who is over a limit is told when to come back, and starts refill evenly.

import { describe, expect, test } from 'vitest';
import type { Problem } from '../../../src/domain/problem.ts';
import { Limits } from '../../../src/engine/limits.ts';

const refusal = (run: () => void): Problem | null => {
  try {
    run();
    return null;
  } catch (error) {
    return error as Problem;
  }
};

test('a minute takes its starts at once, then one every sixtieth', () => {
  const limits = new Limits({ tasks: 100, tasksPerUid: 100, startsPerMinute: 60 });
  for (let n = 0; n < 60; n += 1) limits.admit(5_000, 0, 0);
  expect(refusal(() => limits.admit(5_000, 0, 0))).toMatchObject({
    code: 'CAPACITY',
    retryable: true,
    retryAfterMs: 1000,
  });
  expect(refusal(() => limits.admit(5_999, 0, 0))?.retryAfterMs).toBeLessThanOrEqual(2);
  expect(refusal(() => limits.admit(6_000, 0, 0))).toBeNull();
  expect(refusal(() => limits.admit(6_000, 0, 0))).not.toBeNull();
  for (let n = 0; n < 30; n += 1) limits.admit(36_000, 0, 0);
  expect(refusal(() => limits.admit(36_000, 0, 0))).not.toBeNull();
});

test('what was told in Retry-After is enough', () => {
  for (const startsPerMinute of [1, 7, 600, 100_000]) {
    const limits = new Limits({ tasks: 9, tasksPerUid: 9, startsPerMinute });
    for (let n = 0; n < startsPerMinute; n += 1) limits.admit(0, 0, 0);
    const wait = refusal(() => limits.admit(0, 0, 0))!.retryAfterMs!;
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60_000);
    expect(refusal(() => limits.admit(wait + 1, 0, 0))).toBeNull();
  }
});

test('an idle day saves up no more than one minute', () => {
  const limits = new Limits({ tasks: 9, tasksPerUid: 9, startsPerMinute: 3 });
  limits.admit(0, 0, 0);
  for (let n = 0; n < 3; n += 1) limits.admit(86_400_000, 0, 0);
  expect(refusal(() => limits.admit(86_400_000, 0, 0))).not.toBeNull();
});

test.each([
  [10, 0, 'limits.tasks', '10 tasks'],
  [9, 3, 'limits.tasks_per_uid', '3 tasks of this uid'],
])('%i living, %i of this uid: %s is named', (living, ofUid, key, detail) => {
  const limits = new Limits({ tasks: 10, tasksPerUid: 3, startsPerMinute: 600 });
  const problem = refusal(() => limits.admit(0, living, ofUid))!;
  expect(problem.message).toContain(detail);
  expect(problem.hint).toContain(`raise ${key}`);
  expect(problem).toMatchObject({ code: 'CAPACITY', status: 429, retryAfterMs: 1000 });
  expect(refusal(() => limits.admit(0, 9, 2))).toBeNull();
});

test('a refusal for too many tasks costs no start', () => {
  const limits = new Limits({ tasks: 1, tasksPerUid: 1, startsPerMinute: 1 });
  for (let n = 0; n < 50; n += 1) expect(refusal(() => limits.admit(0, 1, 1))).not.toBeNull();
  expect(refusal(() => limits.admit(0, 0, 0))).toBeNull();
});

describe('starts that an agent before this one admitted', () => {
  const admitted = (limits: Limits, at: number): number => {
    let count = 0;
    while (count < 1000 && refusal(() => limits.admit(at, 0, 0)) === null) count += 1;
    return count;
  };
  const limited = () => new Limits({ tasks: 100, tasksPerUid: 100, startsPerMinute: 60 });

  test('count: a crash loop cannot flood Vault', () => {
    const limits = limited();
    limits.carryOver(50, 1000);
    expect(admitted(limits, 1000)).toBe(10);
  });

  test('more than a minute holds leave nothing, and no debt', () => {
    const limits = limited();
    limits.carryOver(5000, 1000);
    expect(refusal(() => limits.admit(1000, 0, 0))).toMatchObject({ code: 'CAPACITY', retryAfterMs: 1000 });
    expect(admitted(limits, 2000)).toBe(1);
  });

  test('are refilled from the restart on, not from the first start after it', () => {
    const limits = limited();
    limits.carryOver(60, 1000);
    expect(admitted(limits, 31_000)).toBe(30);
  });

  test('none: a minute of them may start', () => {
    const limits = limited();
    limits.carryOver(0, 1000);
    expect(admitted(limits, 1000)).toBe(60);
  });
});
