// Owns the place where a session token outlives its process, in memory. Invariant: it holds a copy, so that
// disposing of the Secret that was saved does not wipe it.

import { Secret } from '../../../src/domain/secret.ts';
import type { SessionStore } from '../../../src/ports/session-store.ts';

export class SimSessionStore implements SessionStore {
  #bytes: Uint8Array | null = null;

  load(): Secret | null {
    return this.#bytes === null ? null : new Secret(Uint8Array.from(this.#bytes));
  }

  save(token: Secret): void {
    // Buffer.slice() would share the memory.
    this.#bytes = Uint8Array.from(token.reveal());
  }

  clear(): void {
    this.#bytes = null;
  }
}
