// Owns how a task gets more time: as far as its profile and its parent allow. Invariant: only what works is extended.

import { works } from '../domain/grant.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';
import { spent, unknownTask } from './admission.ts';
import type { GrantActor } from './grant-actor.ts';
import type { GrantBook } from './grant-book.ts';

/** @throws Problem */
export async function extend(
  book: GrantBook,
  task: TaskId,
  byMs: number,
  caller: Caller,
): Promise<GrantActor> {
  const actor = book.find(task, caller);
  if (actor?.grant.state === 'pending_approval') {
    throw new Problem('SIGNAL_INVALID', `task ${task} waits for approval and has no deadline yet`, {
      hint: 'its duration counts from the approval; extend it then',
    });
  }
  if (actor === null || !works(actor.grant)) {
    if (actor === null && book.receipt(task, caller) === null) throw unknownTask(task);
    throw spent(task, `it is ${actor?.grant.state ?? 'closed'}`);
  }
  const { plan, profile, parent } = actor.grant;
  if (!plan.extend) {
    throw new Problem('PROFILE_DENIED', `tasks of profile ${profile} may not be extended`, {
      hint: `set ttl.extend: true in ${profile}.yaml`,
    });
  }
  const above = parent === null ? undefined : book.get(parent);
  const notAfter = above?.grant.deadline ?? Number.MAX_SAFE_INTEGER;
  const problem = await actor.tell({ type: 'extendRequested', byMs, notAfter });
  if (problem !== null) throw problem;
  return actor;
}
