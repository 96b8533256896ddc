// Owns what a changed profile means for a task that lives. Invariant: a task never has more than its profile
// gives it now, but for the time until it is rotated or stopped; its end only ever moves nearer.

import { assertedUntil, recheck } from './assertion.ts';
import type { Grant } from './grant.ts';
import type { Instant, Moment } from './instant.ts';
import { isWithin } from './narrower.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';
import { authorise, fit, type Plan } from './task-spec.ts';
import { openUntil } from './window.ts';

/** What the task would get by now. @throws Problem when it would be refused */
export function refit(grant: Grant, profile: Profile, now: Moment): { plan: Plan; latestDeadline: Instant } {
  const { task, owner, groups, admin, evidence, event, bind, asserted } = grant;
  const caller = { ...owner, groups, admin, pid: evidence?.pid ?? 0 };
  authorise(profile, caller, evidence);
  recheck(profile.name, profile.allow.assertion, asserted);
  // What the assertion says is asked again, and not what it once gave.
  const chosen = Object.entries(grant.params).filter(([name]) => profile.params[name]?.claim === undefined);
  const params = Object.fromEntries(chosen);
  const asked = { params, ...(event === null ? {} : { event }), ...(bind === null ? {} : { bind }) };
  const { plan } = fit(task, profile, asked, caller, asserted);
  keepWithin(grant, profile, plan);
  const latest = grant.acceptedAt + profile.ttl.maxMs + profile.ttl.graceMs;
  const end = Math.min(openUntil(profile, now), assertedUntil(profile.allow.assertion, asserted, now));
  return { plan, latestDeadline: Math.min(grant.latestDeadline, latest, end) };
}

/**
 * A rotation must not bring what no approver has seen: not to a task that was approved, nor to one that was started
 * before its profile needed approvals.
 */
function keepWithin({ state, approval, plan: before }: Grant, profile: Profile, plan: Plan): void {
  if (state === 'pending_approval' || (approval === null && profile.approval === undefined)) return;
  if (isWithin(plan, approval?.plan ?? before)) return;
  const than = approval === null ? 'it had before approvals were needed' : 'was approved';
  throw new Problem('APPROVAL_DENIED', `it asks for more than ${than}`, {
    hint: 'start the task again: what is asked for now needs approvals of its own',
  });
}
