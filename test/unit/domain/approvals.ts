// Owns the grants of a profile that needs approvals, for the domain's tests. Invariant: made by open() and decide()
// alone, as all samples are.

import type { ApprovalRule } from '../../../src/domain/approval.ts';
import { open } from '../../../src/domain/decide.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { Problem } from '../../../src/domain/problem.ts';
import { scopeOf } from '../../../src/domain/scope.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import {
  ACCEPTED,
  type Accepted,
  ANSWER_WITHIN_MS,
  at,
  caller,
  GRANT,
  PROFILE,
  profile,
  TASK,
  time,
} from './samples.ts';

export const TTL_MS = 60_000;
export const RULE: ApprovalRule = { ttlMs: TTL_MS, approvers: [], count: 1 };
export const REASON = 'OPS-712';

export const guarded = (overrides: Partial<Parameters<typeof profile>[0]> = {}) =>
  profile({ approval: RULE, ...overrides });

export interface Asking {
  readonly rule?: Partial<ApprovalRule>;
  readonly accepted?: Partial<Accepted>;
  readonly extend?: boolean;
  /** RFC 3339; instead of a duration. */
  readonly deadline?: string;
}

export function asked({ rule = {}, accepted = {}, extend = false, deadline }: Asking = {}) {
  const plain = profile();
  const asking = guarded({ approval: { ...RULE, ...rule }, ttl: { ...plain.ttl, extend } });
  const signal = {
    profile: PROFILE,
    params: { env: 'prod' },
    event: ACCEPTED.event!,
    ...(deadline === undefined ? {} : { deadline }),
  };
  const { plan } = settle(TASK, asking, signal, caller(), at(0));
  const fact: Accepted = { ...ACCEPTED, plan, ...accepted };
  const scope = scopeOf(fact, asking, plan, {
    duration_seconds: deadline === undefined ? 600 : null,
    deadline: deadline ?? null,
    asked_at: time(0),
    approve_by: time(TTL_MS),
  });
  const requested: Extract<Fact, { type: 'approval.requested' }> = {
    type: 'approval.requested',
    digest: 'd'.repeat(64),
    scope,
    approve_by: time(TTL_MS),
  };
  return { profile: asking, decision: open(GRANT, fact, ANSWER_WITHIN_MS, at(0), requested) };
}

export const pending = (asking?: Asking): Grant => asked(asking).decision.next;

export const givenBy = (uid: number, ends: Partial<{ notAfter: number; latestNotAfter: number }> = {}) =>
  ({
    type: 'approvalGiven',
    uid,
    reason: REASON,
    notAfter: Number.MAX_SAFE_INTEGER,
    latestNotAfter: Number.MAX_SAFE_INTEGER,
    answerWithinMs: ANSWER_WITHIN_MS,
    ...ends,
  }) as const satisfies GrantEvent;
export const given: GrantEvent = givenBy(0);
export const deniedBy = (uid: number, reason: string | null = REASON): GrantEvent => ({
  type: 'approvalDenied',
  uid,
  reason,
});
export const voided: GrantEvent = {
  type: 'approvalVoided',
  problem: new Problem('APPROVAL_DENIED', 'its profile was changed'),
};
