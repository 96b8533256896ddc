// Owns what a changed profile means for a task that lives. Invariant: it keeps what it was started with; a version that
// gives less is taken with the next generation, one that gives more or something else never; its end only moves nearer.

import { cappedBy, recheck } from './assertion.ts';
import type { Grant } from './grant.ts';
import type { Instant, Moment } from './instant.ts';
import { isWithin } from './narrower.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';
import { authorise, fit, type Plan } from './task-spec.ts';
import { openUntil } from './window.ts';

export interface Refitted {
  readonly plan: Plan;
  readonly latestDeadline: Instant;
  /** Of the profile's file, when the plan is what that says by now. */
  readonly version: string | null;
  /** The profile gives something that the task was not started with, so that it keeps what it has. */
  readonly wider: boolean;
}

/** What the task gets from its next generation on. @throws Problem when it would be refused */
export function refit(grant: Grant, profile: Profile, now: Moment): Refitted {
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
  const end = Math.min(openUntil(profile, now), cappedBy(profile.allow.assertion, grant.assertedUntil));
  const latestDeadline = Math.min(grant.latestDeadline, latest, end);
  const wider = !mayBecome(grant, plan);
  const version = wider ? null : (profile.version ?? null);
  return { plan: wider ? grant.plan : plan, latestDeadline, version, wider };
}

/** A task that was started keeps what it has, or gets less: never more, and nothing else in its place. */
const mayBecome = ({ state, plan: now }: Grant, plan: Plan): boolean =>
  state === 'pending_approval' || isWithin(plan, now);

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
