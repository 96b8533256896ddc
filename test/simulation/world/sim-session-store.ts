// Owns the place where session tokens outlive their process, in memory. Invariant: it holds a copy, so that
// disposing of the Secret that was saved does not wipe it.

import { Secret } from '../../../src/domain/secret.ts';
import type { KeptSession, SessionStore } from '../../../src/ports/session-store.ts';

export class SimSessionStore implements SessionStore {
  #saved: readonly { readonly accessor: string; readonly bytes: Uint8Array }[] = [];

  load(): readonly KeptSession[] {
    return this.#saved.map(({ accessor, bytes }) => ({
      accessor,
      token: new Secret(Uint8Array.from(bytes)),
    }));
  }

  save(sessions: readonly KeptSession[]): void {
    // Buffer.slice() would share the memory.
    this.#saved = sessions.map(({ accessor, token }) => ({
      accessor,
      bytes: Uint8Array.from(token.reveal()),
    }));
  }
}
