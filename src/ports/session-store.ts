// The port to the place where the session token outlives the process: a 0600 file on tmpfs.

import type { Secret } from '../domain/secret.ts';

export interface SessionStore {
  load(): Secret | null;
  save(token: Secret): void;
  clear(): void;
}
