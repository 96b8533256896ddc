// Owns the shape of a row of the state table, the events and the states that rows start from, and how a row
// is checked. Invariant: a row pins next state, fact types and effect types, all in order.

import { expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import type { Plan } from '../../../src/domain/task-spec.ts';
import {
  type Accepted,
  active,
  activeAs,
  after,
  at,
  checked,
  DEADLINE_MS,
  DENIED,
  instant,
  leaseIssued,
  PLAN,
  publishedOf,
  SESSION,
  secretsReadOf,
  stopRequested,
  tokenOpenedOf,
  UNREACHABLE,
} from './samples.ts';

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
/** @param askedMs when it was asked for: what Vault granted counts from then */
export const renewedTo = (ttlMs: number, askedMs = RENEW_MS, n = 1): GrantEvent => ({
  type: 'renewed',
  n,
  results: [{ id: ID, incrementSeconds: 120, ttlMs, endsAt: instant(askedMs + ttlMs), renewable: true }],
});
export const renewalFailed = (what: 'lost' | 'refused' | 'failed' = 'failed'): GrantEvent => ({
  type: 'renewed',
  n: 1,
  results: [{ id: ID, problem: what === 'failed' ? UNREACHABLE : DENIED, what }],
});
export const unrecorded: GrantEvent = { type: 'unrecorded', problem: UNREACHABLE };
export const erased: GrantEvent = { type: 'erased' };
export const withdrew: GrantEvent = { type: 'withdrawn' };
export const eraseFailed: GrantEvent = { type: 'eraseFailed', problem: UNREACHABLE };
export const revoked: GrantEvent = { type: 'revoked', n: 1 };
export const revocationFailed: GrantEvent = { type: 'revocationFailed', n: 1, problem: UNREACHABLE };
export const tokenFailed = (unknown: boolean, n = 1): GrantEvent => ({
  type: 'tokenFailed',
  n,
  problem: UNREACHABLE,
  unknown,
});

export const generationErased = (n = 1): GrantEvent => ({ type: 'generationErased', n });
export const publishFailed = (n = 1): GrantEvent => ({ type: 'publishFailed', n, problem: DENIED });
export const planChanged = (overrides: Partial<Plan> = {}, latestMs = DEADLINE_MS): GrantEvent => ({
  type: 'planChanged',
  plan: { ...PLAN, ...overrides },
  latestDeadline: instant(latestMs),
});
export const NARROWER: Partial<Plan> = { policies: ['tasklease-report-less'] };
export const sessionEnded = (dead: boolean, session = SESSION): GrantEvent => ({
  type: 'sessionEnded',
  session,
  dead,
});
export const extendRequested = (byMs: number, notAfterMs = 10 * DEADLINE_MS): GrantEvent => ({
  type: 'extendRequested',
  byMs,
  notAfter: instant(notAfterMs),
});
export const abandonRequested: GrantEvent = { type: 'abandonRequested', reason: 'engine deleted', uid: 0 };
/** Taken over from an earlier agent. @param verdict what its profile says by now, whether its session is renewed */
export const adoptedWith = (
  verdict: { plan?: Partial<Plan>; held?: boolean; latestMs?: number } = {},
): GrantEvent => ({
  type: 'recovered',
  verdict: {
    adopted: true,
    plan: { ...PLAN, ...verdict.plan },
    latestDeadline: instant(verdict.latestMs ?? DEADLINE_MS),
    held: verdict.held ?? true,
  },
});
export const adopted = adoptedWith();
export const notAdopted: GrantEvent = {
  type: 'recovered',
  verdict: { adopted: false, why: 'its files are not as they were' },
};
export const held: GrantEvent = { type: 'held' };
export const signalled = (n = 2): GrantEvent => ({ type: 'signalled', n, signal: 'SIGHUP', delivered: true });

export const RENEW_MS = 80_000;
export const renewing = () => after(active(), [RENEW_MS, ALARM]);
export const degraded = () => after(renewing(), [RENEW_MS + 10, renewalFailed()]);
export const erasing = () => after(active(), stopRequested);
export const checking = () => after(erasing(), erased);
export const revoking = () => after(checking(), checked());
export const waiting = () => after(revoking(), revocationFailed);
export const closed = () => after(revoking(), revoked);

/** A lease of 2 minutes that cannot be renewed is due to be replaced by now; the one that follows it lasts. */
export const ROTATE_MS = 97_000;
/** The overlap of the sample plan is over. */
export const RETIRE_MS = ROTATE_MS + 30_001;
export const NEXT_ID = 'database/creds/report/def';
export const NEXT = leaseIssued({ id: NEXT_ID, ttl_ms: DEADLINE_MS - ROTATE_MS }, ROTATE_MS);
export const raisingToken = (overrides: Partial<Accepted> = {}) =>
  after(activeAs(overrides, FIXED), [ROTATE_MS, ALARM]);
export const raisingSecrets = (overrides: Partial<Accepted> = {}) =>
  after(raisingToken(overrides), [ROTATE_MS, tokenOpenedOf(2)]);
export const raisingFiles = (overrides: Partial<Accepted> = {}) =>
  after(raisingSecrets(overrides), [ROTATE_MS, secretsReadOf(2, [NEXT])]);
/** Two generations: the second in use, the first to go. */
export const rotated = (overrides: Partial<Accepted> = {}) =>
  after(raisingFiles(overrides), [ROTATE_MS, publishedOf(2)]);
export const retiring = () => after(rotated(), [RETIRE_MS, ALARM]);
export const retiringChecked = () => after(retiring(), [RETIRE_MS, generationErased()], checked());

/** The lease ended and nothing has replaced it: the secrets of the next generation are being read. */
export const STALE_MS = 119_500;
export const stale = () => after(raisingSecrets(), [STALE_MS, ALARM]);
export const WITHDRAW_MS = STALE_MS + 700;
export const withdrawing = () => after(stale(), [WITHDRAW_MS, ALARM]);
export const withdrawn = () => after(withdrawing(), [WITHDRAW_MS, withdrew]);

/** A row in one line, for tables that go through many states. */
export const row = (
  when: string,
  grant: () => Grant,
  event: GrantEvent,
  ms: number,
  state: Grant['state'],
  facts: readonly string[] = [],
  effects: readonly string[] = [],
): Row => ({ when, grant, event, ms, state, facts, effects });

/** One test a row. */
export const checkRows = (rows: readonly Row[]): void =>
  test.each(rows)('$when', ({ grant, event, ms = 0, state, facts, effects }) => {
    const decision = decide(grant(), event, at(ms));
    expect(decision.next.state).toBe(state);
    expect(decision.facts.map(({ type }) => type)).toEqual(facts);
    expect(decision.effects.map(({ type }) => type)).toEqual(effects);
  });
