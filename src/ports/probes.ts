// The port to the servers that a task's credentials are for.

import type { Credential, Probe } from '../domain/probe.ts';

/**
 * Why the credential does not work yet, as the end of "db.internal:5432 …". Invariant: our own words, never those of a
 * server or a library, which may repeat what they were given.
 */
export class NotYet extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'NotYet';
  }
}

export interface Probes {
  /**
   * One attempt to use the credential as its task will: resolves when the server took it.
   * @param signal ends the attempt at once
   * @throws NotYet, and anything else for what nobody foresaw
   */
  attempt(probe: Probe, credential: Credential, signal: AbortSignal): Promise<void>;
}
