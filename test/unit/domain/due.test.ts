// Owns the one alarm of a grant: it names the earliest moment that matters, and an alarm then always moves
// things on (else the engine would spin).

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import { renewAt } from '../../../src/domain/lease.ts';
import {
  ANSWER_WITHIN_MS,
  accepted,
  active,
  after,
  at,
  checked,
  DEADLINE_MS,
  instant,
  leaseIssued,
  publishing,
  stopRequested,
  UNREACHABLE,
} from './samples.ts';

const failedRevocation = () =>
  after(active(), stopRequested, { type: 'erased' }, checked(), {
    type: 'revocationFailed',
    n: 1,
    problem: UNREACHABLE,
  });

describe('the alarm', () => {
  test('starting: when Vault must have answered', () => {
    expect(dueAt(accepted())).toBe(instant(ANSWER_WITHIN_MS));
    expect(dueAt(publishing())).toBe(instant(ANSWER_WITHIN_MS));
  });

  test('active: the renewal', () => {
    const grant = active();
    const renewal = renewAt(grant.generations[0]!.leases[0]!, grant.deadline)!;
    expect(dueAt(grant)).toBe(renewal);
    expect(renewal).toBeGreaterThanOrEqual(instant(66_000));
    expect(renewal).toBeLessThanOrEqual(instant(78_000));
  });

  test('renewing: no second renewal, but another generation shortly before the end of the lease', () => {
    expect(dueAt(after(active(), [80_000, { type: 'alarm' }]))).toBe(instant(102_000));
  });

  test('active with a lease as long as the task: the deadline', () => {
    expect(dueAt(active(leaseIssued({ ttl_ms: DEADLINE_MS })))).toBe(instant(DEADLINE_MS));
  });

  test('active with a secret without a lease: the deadline', () => {
    expect(dueAt(active(leaseIssued({ id: null, ttl_ms: null, renewable: false })))).toBe(
      instant(DEADLINE_MS),
    );
  });

  test('stopping, a request under way: nothing until it ends', () => {
    expect(dueAt(after(active(), stopRequested))).toBeNull();
  });

  test('stopping after a failure: the next attempt, within 15 s', () => {
    const due = dueAt(failedRevocation())!;
    expect(due - instant(0)).toBeGreaterThanOrEqual(50);
    expect(due - instant(0)).toBeLessThanOrEqual(15_000);
  });

  test('closed: nothing', () => {
    expect(
      dueAt(after(failedRevocation(), [20_000, { type: 'alarm' }], { type: 'revoked', n: 1 })),
    ).toBeNull();
  });

  test.each<[string, () => Grant]>([
    ['starting', accepted],
    ['active', active],
    ['to be cut', () => active(leaseIssued({ ttl_ms: 3_600_000 }))],
    ['not renewable', () => active(leaseIssued({ renewable: false }))],
    ['stopping', failedRevocation],
    [
      'file left',
      () => after(active(), stopRequested, { type: 'eraseFailed', problem: UNREACHABLE }, checked()),
    ],
  ])('%s: after the alarm the next one is later', (_name, make) => {
    const grant = make();
    const due = dueAt(grant)!;
    const next = dueAt(decide(grant, { type: 'alarm' }, at(due - instant(0))).next);
    expect(next === null || next > due).toBe(true);
  });
});
