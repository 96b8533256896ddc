// Owns how a start that waits for approvals comes to its end: approved by enough, denied, lapsed, or void because its
// profile says something else by now. Invariant: nothing is leased before the last approval is on record, which
// starts it once.

import { denied, lapsed, mayNotApprove, missing, termFrom } from './approval.ts';
import type { GrantEvent } from './grant-event.ts';
import type { Problem } from './problem.ts';
import { raise } from './raise.ts';
import type { Step } from './step.ts';
import { stop } from './upkeep.ts';

type Given = Extract<GrantEvent, { type: 'approvalGiven' }>;

const waits = ({ grant }: Step): boolean => grant.state === 'pending_approval';

export function give(step: Step, event: Given): void {
  const { grant, now } = step;
  const { uid, signer, reason, notAfter, latestNotAfter, answerWithinMs } = event;
  // A signed one was checked where it came in.
  if (!waits(step) || (uid !== null && mayNotApprove(grant, uid) !== null)) return;
  if (grant.approval!.given.some((word) => word.uid === uid && word.signer === signer)) return;
  step.record({ type: 'approval.given', uid, ...(signer === undefined ? {} : { signer }), reason });
  if (missing(step.grant.approval!) > 0) return;
  const { expiresAt, deadline, latestDeadline } = termFrom(grant, now.at);
  step.record({
    type: 'grant.approved',
    expires_at: step.time(Math.min(expiresAt, notAfter)),
    deadline: step.time(Math.min(deadline, notAfter)),
    latest_deadline: step.time(Math.min(latestDeadline, latestNotAfter)),
  });
  raise(step, null);
  step.pending({ answerBy: now.at + answerWithinMs });
}

export function deny(step: Step, uid: number, reason: string | null): void {
  if (waits(step)) refuse(step, uid, reason, denied(step.grant.task, uid, reason));
}

/** An approval that was given for something else than the profile says by now is worth nothing. */
export function annul(step: Step, problem: Problem): void {
  if (waits(step)) refuse(step, null, problem.message, problem);
  // The last approval came right before it.
  else stop(step, 'revoked', problem.message);
}

/** Before anything else is looked at: an approval that comes in the last moment comes too late. */
export function lapseIfDue(step: Step): void {
  const { grant } = step;
  if (!waits(step)) return;
  if (step.due(grant.approval!.approveBy)) refuse(step, null, 'the time limit', lapsed(grant));
  else if (step.due(grant.pending.reconnectBy)) stop(step, 'lost', 'its connection did not come back');
}

function refuse(step: Step, uid: number | null, reason: string | null, problem: Problem): void {
  step.record({ type: 'approval.denied', uid, reason });
  step.record({ type: 'grant.refused', problem: problem.body() });
}
