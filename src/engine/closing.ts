// Owns what an ending agent does with its tasks. Invariant: what is left unproved is told, task by task; what is
// left alive on purpose is at rest, so that the next agent finds nothing half made.

import type { Grant } from '../domain/grant.ts';
import { eventText } from '../domain/task-spec.ts';
import type { GrantBook } from './grant-book.ts';
import type { Ports } from './ports.ts';
import { within } from './within.ts';

type Left = Promise<number>;

/** Leaves every task to the next agent; what is being issued is let end. None counts as left unproved. */
export async function leaveTasks(book: GrantBook, { clock, telemetry }: Ports, limitMs: number): Left {
  const atRest = ({ state, pending }: Grant) =>
    state === 'closed' || (state !== 'starting' && pending.raising === null);
  await within(clock, limitMs, (callOff) =>
    Promise.allSettled(book.actors().map((actor) => actor.until(atRest, callOff))),
  );
  telemetry.log('info', 'ending; tasks are left to the next agent', { count: book.size });
  return 0;
}

/** Revokes everything; how many are not proved in time, which end by the leash. */
export async function endTasks(book: GrantBook, { telemetry }: Ports, limitMs: number): Left {
  for (const actor of book.actors()) {
    actor.send({ type: 'stopRequested', reason: 'revoked', detail: 'the agent was told to end' });
  }
  await book.empty(limitMs);
  const left = book.actors();
  for (const { grant } of left) {
    telemetry.log('error', 'not proved in time; it ends by the leash', {
      task: grant.task,
      event: eventText(grant.event),
      reason: grant.problem?.detail,
    });
  }
  if (left.length === 0) telemetry.log('info', 'every task is closed and proved; ending');
  return left.length;
}
