// Owns what a profile that came into force means for the tasks that live under it: rotated to what it says by
// now, or stopped when it refuses them. Invariant: a removed profile leaves its tasks as they are.

import type { Moment } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import { refit } from '../domain/refit.ts';
import type { GrantActor } from './grant-actor.ts';

export function reloaded(profile: Profile, actors: readonly GrantActor[], now: Moment): void {
  for (const actor of actors) {
    if (actor.grant.profile !== profile.name) continue;
    try {
      actor.send({ type: 'planChanged', ...refit(actor.grant, profile, now) });
    } catch (error) {
      const detail = `the changed profile refuses it: ${Problem.of(error).message}`;
      actor.send({ type: 'stopRequested', reason: 'revoked', detail });
    }
  }
}
