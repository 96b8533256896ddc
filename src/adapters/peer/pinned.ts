// Owns what every pinned subject has in common, and how binding one is refused. Invariant: a descriptor is
// pinned before anything is read by name, so what was read belongs to what is watched.

import { Problem } from '../../domain/problem.ts';
import { isExhaustion } from '../native/linux.ts';

export interface Pinned {
  /** To be watched by epoll for `events`, and closed by whom it was given to. */
  readonly fd: number;
  readonly events: number;
  readonly identity: string;
  /** Asked when the descriptor has news. */
  ended(): boolean;
  /** False when nothing could be told. */
  signal(name: string): boolean;
}

export const invalid = (detail: string, hint: string): Problem =>
  new Problem('SIGNAL_INVALID', detail, { hint });

const DESCRIPTORS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC']);

/** The agent's own lack, which passes, as CAPACITY; null for any other error. */
export function exhaustion(error: unknown): Problem | null {
  if (!isExhaustion(error) && !DESCRIPTORS.has((error as NodeJS.ErrnoException).code)) return null;
  return new Problem('CAPACITY', 'the agent has no file descriptor left to watch what the task is bound to', {
    cause: error,
    hint: 'raise the limit of open files of the agent (LimitNOFILE=, ulimit -n), or run fewer tasks',
  });
}
