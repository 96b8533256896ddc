// Owns when a request for approval is void: as soon as its profile asks for anything else than what was shown.

import { canonical } from './canonical.ts';
import type { Grant } from './grant.ts';
import type { Moment } from './instant.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';
import { refit } from './refit.ts';
import { scopeOf } from './scope.ts';

/** Why what waits for approval must be asked for anew; null while its profile says the same. */
export function outdated(grant: Grant, profile: Profile, now: Moment): Problem | null {
  try {
    const { plan } = refit(grant, profile, now);
    if (profile.approval !== undefined && canonical(plan) === canonical(grant.plan)) {
      const { scope } = grant.approval!;
      if (canonical(scopeOf(grant, profile, plan, scope)) === canonical(scope)) return null;
    }
    return asAnew(`${grant.task} waited for approval, and its profile was changed meanwhile`);
  } catch (error) {
    return asAnew(
      `${grant.task} waited for approval, and the changed profile refuses it: ${Problem.of(error).message}`,
    );
  }
}

const asAnew = (why: string): Problem =>
  new Problem('APPROVAL_DENIED', why, {
    retryable: true,
    hint: 'start it again: what is asked for now needs approvals of its own',
  });
