// Owns the shape of a row of the state table, the events and the states that rows start from, and how a row
// is checked. Invariant: a row pins next state, fact types and effect types, all in order.

import { expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { active, after, at, checked, DENIED, leaseIssued, stopRequested, UNREACHABLE } from './samples.ts';

export interface Row {
  readonly when: string;
  readonly grant: () => Grant;
  readonly event: GrantEvent;
  /** Milliseconds after the start; 0 unless the row is about time. */
  readonly ms?: number;
  readonly state: Grant['state'];
  readonly facts: readonly string[];
  readonly effects: readonly string[];
}

export const ALARM: GrantEvent = { type: 'alarm' };
export const ID = 'database/creds/report/abc';
export const LONG = leaseIssued({ ttl_ms: 3_600_000 });
export const FIXED = leaseIssued({ renewable: false });
export const KV = leaseIssued({
  id: null,
  ttl_ms: null,
  renewable: false,
  revocable: false,
  path: 'secret/data/app',
});
export const renewedTo = (ttlMs: number): GrantEvent => ({
  type: 'renewed',
  n: 1,
  results: [{ id: ID, ttlMs, renewable: true }],
});
export const renewalFailed = (lost = false): GrantEvent => ({
  type: 'renewed',
  n: 1,
  results: [{ id: ID, problem: lost ? DENIED : UNREACHABLE, lost }],
});
export const unrecorded: GrantEvent = { type: 'unrecorded', problem: UNREACHABLE };
export const erased: GrantEvent = { type: 'erased' };
export const eraseFailed: GrantEvent = { type: 'eraseFailed', problem: UNREACHABLE };
export const revoked: GrantEvent = { type: 'revoked', n: 1 };
export const revocationFailed: GrantEvent = { type: 'revocationFailed', n: 1, problem: UNREACHABLE };
export const tokenFailed = (unknown: boolean): GrantEvent => ({
  type: 'tokenFailed',
  n: 1,
  problem: UNREACHABLE,
  unknown,
});

export const RENEW_MS = 80_000;
export const renewing = () => after(active(), [RENEW_MS, ALARM]);
export const degraded = () => after(renewing(), [RENEW_MS + 10, renewalFailed()]);
export const erasing = () => after(active(), stopRequested);
export const checking = () => after(erasing(), erased);
export const revoking = () => after(checking(), checked());
export const waiting = () => after(revoking(), revocationFailed);
export const closed = () => after(revoking(), revoked);

/** One test a row. */
export const checkRows = (rows: readonly Row[]): void =>
  test.each(rows)('$when', ({ grant, event, ms = 0, state, facts, effects }) => {
    const decision = decide(grant(), event, at(ms));
    expect(decision.next.state).toBe(state);
    expect(decision.facts.map(({ type }) => type)).toEqual(facts);
    expect(decision.effects.map(({ type }) => type)).toEqual(effects);
  });
