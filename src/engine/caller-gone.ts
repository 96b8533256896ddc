// Owns what it means that the process that asked for a task has ended before the start was answered.

import { Problem } from '../domain/problem.ts';
import type { PinnedCaller } from '../domain/task-spec.ts';

export const isGone = (caller: PinnedCaller | null): boolean => caller !== null && !caller.alive();

export const callerGone = (): Problem =>
  new Problem('IDENTITY_REJECTED', 'the process that asked for it has ended before the start was answered', {
    retryable: true,
    hint: 'start the task from a process that lives until it is answered',
  });
