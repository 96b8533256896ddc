// Owns the agent's session token: the parent of every task token, whose period is the leash. Invariant:
// it is renewed five times a leash while Vault answers; when it is lost, all that hung under it is told so.

import type { Instant } from '../domain/instant.ts';
import { retryDelayMs } from '../domain/lease.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import { VaultFailure } from '../ports/vault.ts';
import type { Ports } from './ports.ts';

const RENEWALS_PER_LEASH = 5;

interface Session {
  readonly token: Secret;
  readonly accessor: string;
  endsAt: Instant;
}

export class VaultSession {
  readonly #ports: Pick<Ports, 'clock' | 'vault' | 'journal' | 'sessionStore' | 'telemetry'>;
  readonly #leashMs: number;
  /** A session ended; its children end with it, at the latest at this instant. */
  readonly #onLost: (endsAt: Instant) => void;
  #session: Session | null = null;
  #problem = new Problem('VAULT_UNREACHABLE', 'the agent has not logged in to Vault yet', {
    hint: 'look at /v1/health?ready for the reason',
  });
  #failures = 0;
  #cancel: (() => void) | null = null;
  #busy = false;
  readonly #firstLook = Promise.withResolvers<void>();
  #closed = false;

  constructor(
    ports: Pick<Ports, 'clock' | 'vault' | 'journal' | 'sessionStore' | 'telemetry'>,
    options: { leashMs: number; onLost: (endsAt: Instant) => void },
  ) {
    this.#ports = ports;
    this.#leashMs = options.leashMs;
    this.#onLost = options.onLost;
  }

  /**
   * The token; while the agent logs in for the first time, when that is done.
   * @throws Problem why there is no session now
   */
  async token(): Promise<Secret> {
    await this.#firstLook.promise;
    if (this.#session === null) throw this.#problem;
    return this.#session.token;
  }

  /** Null when ready, else why not. */
  problem(): Problem | null {
    return this.#session !== null && this.#failures === 0 ? null : this.#problem;
  }

  /** When the token ends unless it is renewed; null without a session. */
  endsAt(): Instant | null {
    return this.#session?.endsAt ?? null;
  }

  /**
   * Takes over the session of the agent before this one, if it still lives; else logs in. Goes on trying
   * in the background. Resolves after the first attempt: true when the old session was taken over.
   */
  async open(): Promise<boolean> {
    const token = this.#ports.sessionStore.load();
    if (token !== null) {
      this.#session = { token, accessor: 'taken-over', endsAt: this.#ports.clock.now().at + this.#leashMs };
    }
    await this.#tend();
    this.#firstLook.resolve();
    return token !== null && this.#session?.token === token;
  }

  /** Vault refused something: look now whether the session still lives. */
  suspect(): void {
    if (this.#busy || this.#closed) return;
    this.#arm(0);
  }

  /** Ends the session. With `revoke`, what hangs under it ends too. */
  async close(revoke: boolean): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    if (!revoke || this.#session === null) return;
    try {
      await this.#ports.vault.closeSession(this.#session.token);
      this.#ports.sessionStore.clear();
    } catch (error) {
      this.#ports.telemetry.log('warn', 'the session token could not be revoked; it ends by its leash', {
        reason: reason(error).message,
      });
    }
  }

  #arm(delayMs: number): void {
    this.#cancel?.();
    if (this.#closed) return;
    this.#cancel = this.#ports.clock.after(delayMs, () => void this.#tend());
  }

  /** One look: renew what there is, else log in; then arms the next. Never throws. */
  async #tend(): Promise<void> {
    if (this.#busy || this.#closed) return;
    this.#busy = true;
    const { telemetry } = this.#ports;
    try {
      if (this.#session !== null) await this.#renew(this.#session);
      if (this.#session === null) await this.#login();
      if (this.#failures > 0) telemetry.log('info', 'Vault session is well again');
      this.#failures = 0;
    } catch (error) {
      this.#problem = reason(error);
      this.#failures += 1;
      telemetry.count('tasklease_session_failures_total', { code: this.#problem.code });
      if (this.#failures === 1 || this.#failures % 20 === 0) {
        telemetry.log('error', 'Vault session failed', {
          code: this.#problem.code,
          detail: this.#problem.message,
          hint: this.#problem.hint,
        });
      }
    }
    this.#busy = false;
    const calm = this.#leashMs / RENEWALS_PER_LEASH;
    this.#arm(this.#failures === 0 ? calm : Math.min(calm, retryDelayMs('session', this.#failures)));
  }

  async #renew(session: Session): Promise<void> {
    const asked = this.#ports.clock.now().at;
    try {
      const ttlMs = await this.#ports.vault.renewSession(session.token);
      this.#note(session, asked + ttlMs);
      this.#ports.telemetry.count('tasklease_session_renewals_total');
    } catch (error) {
      if (!(error instanceof VaultFailure) || error.kind !== 'refused') throw error;
      this.#ports.telemetry.log('error', 'Vault no longer knows the session; every task under it ends', {
        detail: error.problem.message,
      });
      this.#session = null;
      this.#problem = error.problem;
      this.#ports.sessionStore.clear();
      this.#onLost(session.endsAt);
    }
  }

  async #login(): Promise<void> {
    const asked = this.#ports.clock.now().at;
    const { token, accessor, ttlMs } = await this.#ports.vault.openSession();
    const session = { token, accessor, endsAt: asked + ttlMs };
    this.#session = session;
    this.#ports.sessionStore.save(token);
    this.#note(session, session.endsAt);
    this.#ports.telemetry.log('info', 'logged in to Vault', { leash_ms: this.#leashMs });
  }

  /** On record, so that a later agent knows until when this one's tokens can have lived. */
  #note(session: Session, endsAt: Instant): void {
    session.endsAt = endsAt;
    const now = this.#ports.clock.now();
    try {
      this.#ports.journal.noteSession(session.accessor, now.wallMs + (endsAt - now.at));
    } catch (error) {
      this.#ports.telemetry.log('warn', 'the session could not be noted', { reason: reason(error).message });
    }
  }
}

const reason = (error: unknown): Problem =>
  error instanceof VaultFailure ? error.problem : Problem.of(error);
