// Owns when and how a start is answered. Invariant: a good answer means that the files are there; a bad
// one comes when nothing is left of the start, or when that cannot be soon because Vault does not answer.

import type { Grant } from '../domain/grant.ts';
import { Problem } from '../domain/problem.ts';
import type { Clock } from '../ports/clock.ts';
import type { GrantActor } from './grant-actor.ts';
import { type CallOff, within } from './within.ts';

/** A failed start is answered when nothing is left of it, but not later than this. */
const CLEAN_UP_MS = 5000;

/** How long a caller waits for the approval of a start that needs one, and how it stops waiting earlier. */
export interface Patience {
  readonly ms: number;
  readonly callOff: CallOff;
}

/**
 * Resolves when the files are there, or while the start still waits for approval and the caller does not any more.
 * @throws Problem what the start failed with
 */
export async function answered(
  actor: GrantActor,
  clock: Clock,
  draining: () => boolean,
  patience?: Patience,
): Promise<void> {
  if (await stillWaits(actor, clock, patience)) return;
  await actor.until(({ state, wasActive }) => wasActive || state === 'stopping' || state === 'closed');
  if (actor.grant.wasActive) return;
  // When Vault does not answer, the clean-up will not end soon either, and the caller should know why.
  const cleaned = ({ state, pending }: Grant) =>
    state === 'closed' ||
    pending.eraseAttempts > 0 ||
    pending.retirements.some(({ retryAt }) => retryAt !== null) ||
    (pending.answerBy ?? Infinity) <= clock.now().at;
  await within(clock, CLEAN_UP_MS, (callOff) => actor.until(cleaned, callOff));
  throw actor.grant.refusal === null ? cutShort(actor.grant, draining()) : Problem.from(actor.grant.refusal);
}

const waits = ({ state }: Grant): boolean => state === 'pending_approval';

async function stillWaits(actor: GrantActor, clock: Clock, patience?: Patience): Promise<boolean> {
  if (!waits(actor.grant)) return false;
  // Another caller's start, which may not be on record yet.
  await actor.until(() => actor.begun);
  if (patience !== undefined && patience.ms > 0 && !patience.callOff.called) {
    const wait = (callOff: CallOff) => actor.until((grant) => !waits(grant), callOff);
    await within(clock, patience.ms, wait, patience.callOff);
  }
  return waits(actor.grant);
}

export const drainingProblem = (): Problem =>
  new Problem('DRAINING', 'the agent is stopping its tasks and takes no new ones', {
    hint: 'start the task at the next agent',
  });

/** What a start is told that was stopped before it became active. */
function cutShort({ task, outcome }: Grant, draining: boolean): Problem {
  if (draining) return drainingProblem();
  if (outcome === 'lost') {
    return new Problem('SIGNAL_INVALID', `what task ${task} is bound to ended during its start`, {
      hint: 'bind a process that lives as long as the task',
    });
  }
  return new Problem('TASK_SPENT', `task ${task} was stopped before it became active`, {
    retryable: true,
    hint: 'start it again',
  });
}
