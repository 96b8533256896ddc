// Owns the place where a session token outlives its process, in memory. Invariant: it holds a copy, so that
// disposing of the Secret that was saved does not wipe it.

import { Secret } from '../../../src/domain/secret.ts';
import type { SessionStore } from '../../../src/ports/session-store.ts';

export class SimSessionStore implements SessionStore {
  #saved: readonly Uint8Array[] = [];

  load(): readonly Secret[] {
    return this.#saved.map((bytes) => new Secret(Uint8Array.from(bytes)));
  }

  save(tokens: readonly Secret[]): void {
    // Buffer.slice() would share the memory.
    this.#saved = tokens.map((token) => Uint8Array.from(token.reveal()));
  }
}
