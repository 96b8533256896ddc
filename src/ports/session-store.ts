// The port to the place where session tokens outlive the process: a 0600 file on tmpfs.

import type { Secret } from '../domain/secret.ts';

export interface KeptSession {
  readonly accessor: string;
  readonly token: Secret;
}

export interface SessionStore {
  /** What was saved last, newest first; empty when nothing was. The caller owns the copies. */
  load(): readonly KeptSession[];
  /** Replaces what was saved. The session in use comes first, then older ones that are not ended yet. */
  save(sessions: readonly KeptSession[]): void;
}
