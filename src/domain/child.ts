// Owns what a parent means for its child. Invariant: a child has nothing that its parent's values exclude, and
// never lives longer.

import type { Grant } from './grant.ts';
import { works } from './grant.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';
import type { Settled } from './task-spec.ts';

/**
 * The settled start as a child of `parent`: its end is the parent's at the latest.
 * @throws Problem PROFILE_DENIED
 */
export function asChild(parent: Grant, parentProfile: Profile, profile: Profile, settled: Settled): Settled {
  if (!works(parent)) {
    throw new Problem('PROFILE_DENIED', `parent ${parent.task} is ${parent.state}`, {
      hint: 'start children while their parent is active',
    });
  }
  if (!parentProfile.children.includes(profile.name)) {
    throw new Problem('PROFILE_DENIED', `a task of profile ${parent.profile} may not start ${profile.name}`, {
      hint: `list ${profile.name} under children: in ${parent.profile}.yaml`,
    });
  }
  for (const [name, value] of Object.entries(settled.params)) {
    const above = Object.hasOwn(parent.params, name) ? parent.params[name] : undefined;
    if (above === undefined || above === value) continue;
    throw new Problem('PROFILE_DENIED', `params.${name} is not the value that parent ${parent.task} has`, {
      hint: 'a child takes the values of its parent where both have them',
    });
  }
  const deadline = Math.min(settled.deadline, parent.deadline);
  return {
    ...settled,
    expiresAt: Math.min(settled.expiresAt, deadline),
    deadline,
    latestDeadline: Math.min(settled.latestDeadline, parent.latestDeadline),
  };
}
