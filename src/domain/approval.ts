// Owns what an approval is: the rule of a profile, what was asked and said, who may say it, when an approved task
// ends. Invariant: nobody approves what they asked for themselves, and each approver counts once.

import { formatDuration } from './duration.ts';
import type { Grant } from './grant.ts';
import type { Instant } from './instant.ts';
import { Problem } from './problem.ts';
import type { Scope } from './scope.ts';
import type { Plan } from './task-spec.ts';

export interface ApprovalRule {
  /** How long a start waits for it. */
  readonly ttlMs: number;
  /** Who may approve; empty for whoever comes by the admin socket. */
  readonly approvers: readonly number[];
  /** How many different approvers it takes. */
  readonly count: number;
  /** Files with the public keys (PEM) of those who may approve with a signature. */
  readonly publicKeys?: readonly string[];
}

/** An approver's word. */
export interface Word {
  /** Null for a signed one. */
  readonly uid: number | null;
  /** Who signed it, as that says (`sub`). */
  readonly signer?: string;
  readonly at: Instant;
  readonly reason: string | null;
}

export interface Approval {
  /** SHA-256 of the canonical scope. */
  readonly digest: string;
  readonly scope: Scope;
  readonly approveBy: Instant;
  readonly given: readonly Word[];
  /** Uid null: nobody's word, but the time limit's or a changed profile's. */
  readonly denied: Omit<Word, 'signer'> | null;
  /** What was asked for: no later generation has more. */
  readonly plan: Plan;
}

/** Why this uid may not approve it; null when it may. */
export function mayNotApprove({ task, owner, approval }: Grant, uid: number): Problem | null {
  const { approvers } = approval!.scope.approval;
  if (uid === owner.uid) {
    return new Problem('APPROVAL_DENIED', `uid ${uid} asked for ${task} itself and may not approve it`, {
      hint: 'let somebody else approve it',
    });
  }
  if (approvers.length === 0 || approvers.includes(uid)) return null;
  return new Problem('APPROVAL_DENIED', `uid ${uid} is no approver of ${task}`, {
    hint: `its approvers are uid ${approvers.join(', ')}`,
  });
}

/** How many approvals are still to come. */
export const missing = ({ scope, given }: Approval): number => scope.approval.count - given.length;

export interface Term {
  readonly expiresAt: Instant;
  readonly deadline: Instant;
  readonly latestDeadline: Instant;
}

/** When a task ends that is approved at `now`: a duration counts from then, a deadline that was named stays. */
export function termFrom(grant: Grant, now: Instant): Term {
  const { expiresAt, deadline, latestDeadline, approval, plan } = grant;
  const { duration_seconds: duration, grace_seconds: grace, max_seconds: max } = approval!.scope;
  if (duration === null) return { expiresAt, deadline, latestDeadline };
  const end = now + duration * 1000;
  const last = end + grace * 1000;
  return {
    expiresAt: end,
    deadline: last,
    latestDeadline: plan.extend ? now + (max + grace) * 1000 : last,
  };
}

export const denied = (task: string, uid: number, reason: string | null): Problem =>
  new Problem('APPROVAL_DENIED', `uid ${uid} denied ${task}${reason === null ? '' : `: ${reason}`}`, {
    hint: 'ask whoever denied it; the same start again asks anew',
  });

export function lapsed({ task, acceptedAt, approval }: Grant): Problem {
  const { given, scope, approveBy } = approval!;
  const { count } = scope.approval;
  const came = given.length === 0 ? 'nobody approved it' : `${given.length} of ${count} approvals came`;
  const ttl = formatDuration(approveBy - acceptedAt);
  return new Problem('APPROVAL_DENIED', `${task}: ${came} within ${ttl}`, {
    hint: 'the same start again asks anew',
  });
}
