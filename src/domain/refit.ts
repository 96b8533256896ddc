// Owns what a changed profile means for a task that lives. Invariant: a task never has more than its profile
// gives it now, but for the time until it is rotated or stopped; its end only ever moves nearer.

import type { Grant } from './grant.ts';
import type { Instant, Moment } from './instant.ts';
import type { Profile } from './profile.ts';
import { authorise, fit, type Plan } from './task-spec.ts';
import { openUntil } from './window.ts';

/** What the task would get by now. @throws Problem when it would be refused */
export function refit(grant: Grant, profile: Profile, now: Moment): { plan: Plan; latestDeadline: Instant } {
  const { task, owner, groups, admin, evidence, params, event, bind } = grant;
  const caller = { ...owner, groups, admin, pid: evidence?.pid ?? 0 };
  authorise(profile, caller, evidence);
  const asked = { params, ...(event === null ? {} : { event }), ...(bind === null ? {} : { bind }) };
  const { plan } = fit(task, profile, asked, caller);
  const latest = grant.acceptedAt + profile.ttl.maxMs + profile.ttl.graceMs;
  return { plan, latestDeadline: Math.min(grant.latestDeadline, latest, openUntil(profile, now)) };
}
