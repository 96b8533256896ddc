// Owns the agent's session token: the parent of every task token, whose period is the leash. Invariant:
// it is renewed five times a leash while Vault answers; when it is lost, all that hung under it is told so.

import type { Instant } from '../domain/instant.ts';
import { retryDelayMs } from '../domain/lease.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import { VaultFailure } from '../ports/vault.ts';
import { KeptSessions } from './kept-sessions.ts';
import type { Ports } from './ports.ts';
import { noAnswer, notLoggedIn, renewedShort, sessionLost } from './session-problems.ts';

const RENEWALS_PER_LEASH = 5;
/** Vault counts whole seconds, and a renewal takes a moment. */
const SHORT_MS = 1500;
/** A session role with a max TTL shows only when a session is renewed; so the first renewal comes early. */
const FIRST_RENEWAL_MS = 3000;

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
  readonly #kept: KeptSessions;
  /** Why the session will end whatever we do. */
  #ending: Problem | null = null;
  #problem = notLoggedIn();
  #failures = 0;
  #fresh = false;
  #lookedAt: Instant = 0;
  #cancel: (() => void) | null = null;
  #busy = false;
  #look: Promise<void> = Promise.resolve();
  readonly #firstLook = Promise.withResolvers<void>();
  readonly #firstLogin = Promise.withResolvers<void>();
  /** Resolves at the first login that succeeds. */
  readonly opened = this.#firstLogin.promise;
  #closed = false;

  constructor(
    ports: Pick<Ports, 'clock' | 'vault' | 'journal' | 'sessionStore' | 'telemetry'>,
    options: { leashMs: number; onLost: (endsAt: Instant) => void },
  ) {
    this.#ports = ports;
    this.#kept = new KeptSessions(ports);
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

  /** The token, for starting something that is to last. @throws Problem why nothing can be started */
  async tokenForStart(): Promise<Secret> {
    const token = await this.token();
    if (this.#ending !== null) throw this.#ending;
    return token;
  }

  /** Null when ready, else why not. */
  problem(): Problem | null {
    if (this.#ending !== null) return this.#ending;
    if (this.#session === null || this.#failures > 0) return this.#problem;
    return this.#overdue(this.#session) ? noAnswer() : null;
  }

  /** When the token ends unless it is renewed; null without a session. */
  endsAt(): Instant | null {
    return this.#session?.endsAt ?? null;
  }

  /**
   * Logs in. Goes on trying in the background; resolves after the first attempt. The session of the agent
   * before this one is kept until closeOld, or taken over where no new login can be had.
   */
  async open(): Promise<void> {
    this.#kept.load();
    await this.#tend();
    this.#firstLook.resolve();
  }

  /** Ends the sessions of agents before this one, once nothing hangs under them any more. */
  closeOld(): Promise<void> {
    return this.#kept.closeOld();
  }

  /** A request failed: look now whether Vault answers and the session still lives. */
  suspect(): void {
    if (this.#failures === 0) void this.freshen(0);
  }

  /** A look has been under way for too long: until it ends, Vault counts as not answering. */
  unanswered(): void {
    if (!this.#busy) return;
    this.#failures = Math.max(1, this.#failures);
    this.#problem = noAnswer();
  }

  /** Looks unless the last look is younger than `maxAgeMs`. Resolves when the look is done. */
  async freshen(maxAgeMs: number): Promise<void> {
    const age = this.#ports.clock.now().at - this.#lookedAt;
    if (this.#closed || (age <= maxAgeMs && !this.#busy)) return;
    await this.#tend();
  }

  /** Ends the session. With `revoke`, what hangs under it ends too. */
  async close(revoke: boolean): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    if (!revoke || this.#session === null) return;
    try {
      await this.#ports.vault.closeSession(this.#session.token);
      this.#kept.use(null);
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
  #tend(): Promise<void> {
    if (!this.#busy && !this.#closed) this.#look = this.#lookNow();
    return this.#look;
  }

  async #lookNow(): Promise<void> {
    this.#busy = true;
    this.#lookedAt = this.#ports.clock.now().at;
    const { telemetry } = this.#ports;
    try {
      if (this.#session !== null) await this.#renew(this.#session);
      if (this.#session === null) await this.#login();
      if (this.#failures > 0) telemetry.log('info', 'Vault session is well again');
      this.#failures = 0;
    } catch (error) {
      this.#problem = reason(error);
      if (this.#session !== null && this.#overdue(this.#session)) this.#lose(this.#session);
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
    const pace = this.#leashMs / RENEWALS_PER_LEASH;
    const calm = this.#fresh ? Math.min(pace, FIRST_RENEWAL_MS) : pace;
    this.#fresh = false;
    const retry = Math.min(calm, retryDelayMs('session', this.#failures));
    this.#arm(this.#failures === 0 ? calm : retry);
  }

  async #renew(session: Session): Promise<void> {
    const asked = this.#ports.clock.now().at;
    try {
      const ttlMs = await this.#ports.vault.renewSession(session.token);
      this.#note(session, asked + ttlMs);
      this.#ports.telemetry.count('tasklease_session_renewals_total');
      this.#judge(ttlMs);
    } catch (error) {
      if (!(await this.#refuses(session, error))) throw error;
      this.#problem = sessionLost(error);
      this.#lose(session);
    }
  }

  /** Twice the same 403: one odd answer of something in between must not end every task. */
  async #refuses(session: Session, error: unknown): Promise<boolean> {
    if (!(error instanceof VaultFailure) || !error.forbidden) return false;
    return this.#ports.vault.renewSession(session.token).then(
      () => false,
      (again: unknown) => again instanceof VaultFailure && again.forbidden,
    );
  }

  /** Nobody renewed it in time: by now Vault has ended it, or will as soon as it can. */
  #overdue(session: Session): boolean {
    return session.endsAt <= this.#ports.clock.now().at;
  }

  #lose(session: Session): void {
    this.#ports.telemetry.log('error', 'the Vault session is lost; every task under it ends', {
      detail: this.#problem.message,
    });
    this.#session = null;
    this.#kept.use(null);
    this.#onLost(session.endsAt);
  }

  #judge(ttlMs: number): void {
    if (ttlMs >= this.#leashMs - SHORT_MS) {
      this.#ending = null;
      return;
    }
    this.#ending = renewedShort(ttlMs);
    this.#ports.telemetry.log('error', 'the Vault session reaches a max TTL', {
      detail: this.#ending.message,
    });
  }

  async #login(): Promise<void> {
    const asked = this.#ports.clock.now().at;
    try {
      const { token, accessor, ttlMs } = await this.#ports.vault.openSession();
      this.#session = { token, accessor, endsAt: asked + ttlMs };
    } catch (error) {
      // A wrapped secret id works once: after a restart the old session may be the only way in.
      const token = this.#kept.newestOld();
      if (token === null || !(error instanceof VaultFailure) || error.kind !== 'refused') throw error;
      const ttlMs = await this.#ports.vault.renewSession(token).catch(() => {
        throw error;
      });
      this.#session = { token, accessor: 'taken-over', endsAt: asked + ttlMs };
    }
    this.#fresh = true;
    this.#ending = null;
    this.#kept.use(this.#session.token);
    this.#note(this.#session, this.#session.endsAt);
    this.#ports.telemetry.log('info', 'logged in to Vault', { leash_ms: this.#leashMs });
    this.#firstLogin.resolve();
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

const reason = (error: unknown) => (error instanceof VaultFailure ? error.problem : Problem.of(error));
