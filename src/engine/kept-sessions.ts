// Owns the session tokens that outlive a process: the one in use, and those of agents before this one that
// are not ended yet. Invariant: a session is kept before it is used, and forgotten only once it is revoked.

import type { Secret } from '../domain/secret.ts';
import type { Ports } from './ports.ts';

export class KeptSessions {
  readonly #ports: Pick<Ports, 'vault' | 'sessionStore' | 'telemetry'>;
  #current: Secret | null = null;
  /** Newest first. */
  #old: readonly Secret[] = [];

  constructor(ports: Pick<Ports, 'vault' | 'sessionStore' | 'telemetry'>) {
    this.#ports = ports;
  }

  load(): void {
    this.#old = this.#ports.sessionStore.load();
  }

  /** The newest old one, if any: where no login can be had, it may be the way in. */
  newestOld(): Secret | null {
    return this.#old[0] ?? null;
  }

  /** The session in use from now on, or none; one taken over is no longer an old one. */
  use(token: Secret | null): void {
    this.#current = token;
    this.#old = this.#old.filter((old) => old !== token);
    this.#save();
  }

  /** Ends the old ones, and with them tokens whose making nobody saw end. */
  async closeOld(): Promise<void> {
    const old = this.#old;
    this.#old = [];
    for (const token of old) {
      try {
        await this.#ports.vault.closeSession(token);
      } catch {
        this.#ports.telemetry.log('debug', 'an old session ends by its leash');
      }
    }
    this.#save();
    for (const token of old) token[Symbol.dispose]();
  }

  /** Without it a later agent logs in anew, and this session ends by its leash. */
  #save(): void {
    try {
      this.#ports.sessionStore.save([...(this.#current === null ? [] : [this.#current]), ...this.#old]);
    } catch (error) {
      this.#ports.telemetry.log('warn', 'the session token could not be kept for a restart', {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
