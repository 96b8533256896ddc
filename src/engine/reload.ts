// Owns what a profile that came into force means for the tasks that live under it: they go on with less when it gives less,
// with what they have when it gives more or something else, or are stopped when it refuses them; what waits for approval
// has to be asked for anew. Invariant: a removed profile leaves its tasks as they are.

import { outdated } from '../domain/outdated.ts';
import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import { refit } from '../domain/refit.ts';
import type { GrantActor } from './grant-actor.ts';
import type { Ports } from './ports.ts';

export function reloaded(profile: Profile, actors: readonly GrantActor[], ports: Ports): void {
  const now = ports.clock.now();
  let kept = 0;
  for (const actor of actors) {
    if (actor.grant.profile !== profile.name) continue;
    if (actor.grant.state === 'pending_approval') {
      const problem = outdated(actor.grant, profile, now);
      if (problem !== null) actor.send({ type: 'approvalVoided', problem });
      continue;
    }
    try {
      const { plan, latestDeadline, version, wider } = refit(actor.grant, profile, now);
      if (wider && actor.grant.state !== 'stopping' && actor.grant.state !== 'closed') kept += 1;
      actor.send({ type: 'planChanged', plan, latestDeadline, version });
    } catch (error) {
      const detail = `the changed profile refuses it: ${Problem.of(error).message}`;
      actor.send({ type: 'stopRequested', reason: 'revoked', detail });
    }
  }
  if (kept === 0) return;
  const fields = { profile: profile.name, tasks: kept };
  ports.telemetry.log('info', 'living tasks keep what their profile gave them at their start', fields);
}
