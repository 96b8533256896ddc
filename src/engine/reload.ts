// Owns what a profile that came into force means for the tasks that live under it: rotated to what it says by
// now, or stopped when it refuses them; what waits for approval has to be asked for anew. Invariant: a removed profile leaves its tasks as they are.

import type { Moment } from '../domain/instant.ts';
import { outdated } from '../domain/outdated.ts';
import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import { refit } from '../domain/refit.ts';
import type { GrantActor } from './grant-actor.ts';

export function reloaded(profile: Profile, actors: readonly GrantActor[], now: Moment): void {
  for (const actor of actors) {
    if (actor.grant.profile !== profile.name) continue;
    if (actor.grant.state === 'pending_approval') {
      const problem = outdated(actor.grant, profile, now);
      if (problem !== null) actor.send({ type: 'approvalVoided', problem });
      continue;
    }
    try {
      actor.send({ type: 'planChanged', ...refit(actor.grant, profile, now) });
    } catch (error) {
      const detail = `the changed profile refuses it: ${Problem.of(error).message}`;
      actor.send({ type: 'stopRequested', reason: 'revoked', detail });
    }
  }
}
