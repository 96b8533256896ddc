// Owns the agent's session token: the parent of every new task token, whose period is the leash. Invariant:
// it is renewed five times a leash while Vault answers, and the elders with it; when one is lost, all that hung
// under it is told so.

import type { Instant } from '../domain/instant.ts';
import { retryDelayMs } from '../domain/lease.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import type { KeptSession } from '../ports/session-store.ts';
import { VaultFailure } from '../ports/vault.ts';
import { ElderSessions, isOver, isRefused, type Session, type SessionPorts } from './elder-sessions.ts';
import { noAnswer, notLoggedIn, renewedShort, sessionLost } from './session-problems.ts';

const RENEWALS_PER_LEASH = 5;
/** Vault counts whole seconds, and a renewal takes a moment. */
const SHORT_MS = 1500;
/** A session role with a max TTL shows only when a session is renewed; so the first renewal comes early. */
const FIRST_RENEWAL_MS = 3000;
/** While Vault is away it is asked at least this often; all that waits goes on when it answers. */
const RETRY_MS = 3000;

export interface SessionOptions {
  readonly leashMs: number;
  /** A session ended; its children end with it. */
  readonly onLost: (accessor: string) => void;
  /** Vault answers again after it did not. */
  readonly onWell: () => void;
}

export class VaultSession {
  readonly #ports: SessionPorts;
  readonly #options: SessionOptions;
  #session: Session | null = null;
  readonly #elders: ElderSessions;
  /** When sessions that are lost ended, at the latest. */
  readonly #ends = new Map<string, Instant>();
  /** Why the session will end whatever we do. */
  #ending: Problem | null = null;
  #problem = notLoggedIn();
  #failures = 0;
  #alarmed: VaultFailure | null = null;
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

  constructor(ports: SessionPorts, options: SessionOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#elders = new ElderSessions(ports, (session) => this.#lose(session));
  }

  /**
   * A token for keeping up and ending what there is; while the agent logs in for the first time, when that is
   * done. @throws Problem why there is no session now
   */
  async token(): Promise<Secret> {
    await this.#firstLook.promise;
    const session = this.#session ?? this.#elders.newest();
    if (session === null) throw this.#problem;
    return session.token;
  }

  /** The session for starting something that is to last. @throws Problem why nothing can be started */
  async sessionForStart(): Promise<KeptSession> {
    await this.#firstLook.promise;
    // A session that was just lost is followed by a login in the same look.
    if (this.#session === null && this.#busy) await this.#look;
    if (this.#session === null) throw this.#problem;
    if (this.#ending !== null) throw this.#ending;
    return this.#session;
  }

  /** True while this session is renewed. */
  holds(accessor: string): boolean {
    return this.#session?.accessor === accessor || this.#elders.holds(accessor);
  }

  /** When a session that is not renewed any more ended or will end; null while it is, or when nobody knows. */
  endOf(accessor: string): Instant | null {
    if (this.holds(accessor)) return null;
    const { clock, journal } = this.#ports;
    return this.#ends.get(accessor) ?? journal.sessionEndsAt(accessor, clock.now());
  }

  /** Null when ready, else why not. */
  problem(): Problem | null {
    if (this.#ending !== null) return this.#ending;
    if (this.#session === null || this.#failures > 0) return this.#problem;
    return isOver(this.#session, this.#ports.clock) ? noAnswer() : null;
  }

  /** When the token ends unless it is renewed; null without a session. */
  endsAt(): Instant | null {
    return this.#session?.endsAt ?? null;
  }

  /** Finds the sessions of agents before this one; they are kept while something hangs under them. */
  load(): void {
    this.#elders.load(this.#options.leashMs);
  }

  /** Logs in. Goes on trying in the background; resolves after the first attempt. */
  async open(): Promise<void> {
    await this.#tend();
    this.#firstLook.resolve();
  }

  /** Ends the sessions of agents before this one that nothing hangs under any more. */
  closeUnused(inUse: (accessor: string) => boolean): Promise<void> {
    return this.#elders.closeUnused(inUse);
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
    if (revoke) await this.#elders.endAll();
    this.#elders.close();
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
      const elders = this.#elders.renewAll();
      if (this.#session !== null) await this.#renew(this.#session);
      if (this.#session === null) await this.#login();
      await elders;
      if (this.#failures > 0) telemetry.log('info', 'Vault session is well again');
      if (this.#failures > 0) this.#options.onWell();
      this.#failures = 0;
    } catch (error) {
      this.#problem = reason(error);
      this.#failures += 1;
      telemetry.count('tasklease_session_failures_total', { code: this.#problem.code });
      this.#alarm(error);
      if (this.#failures === 1 || this.#failures % 20 === 0) {
        const { code, message: detail, hint } = this.#problem;
        telemetry.log('error', 'Vault session failed', { code, detail, hint });
      }
    }
    this.#busy = false;
    const pace = this.#options.leashMs / RENEWALS_PER_LEASH;
    const calm = Math.min(pace, this.#fresh ? FIRST_RENEWAL_MS : pace);
    this.#fresh = false;
    const retry = Math.min(calm, RETRY_MS, retryDelayMs('session', this.#failures));
    this.#arm(this.#failures === 0 ? calm : retry);
  }

  /** What somebody else may have a hand in is told once, and counted for an alarm. */
  #alarm(error: unknown): void {
    if (!(error instanceof VaultFailure) || error.security === null || error === this.#alarmed) return;
    this.#alarmed = error;
    const { message: detail, hint } = error.problem;
    this.#ports.telemetry.count('tasklease_security_events_total', { event: error.security });
    this.#ports.telemetry.log('error', 'security event', { event: error.security, detail, hint });
  }

  async #renew(session: Session): Promise<void> {
    const asked = this.#ports.clock.now().at;
    try {
      const ttlMs = await this.#ports.vault.renewSession(session.token);
      if (this.#session !== session) return;
      this.#elders.note(session, asked + ttlMs);
      this.#ports.telemetry.count('tasklease_session_renewals_total');
      this.#judge(ttlMs);
    } catch (error) {
      if (!(await isRefused(this.#ports, session, error))) throw error;
      this.#problem = sessionLost(error);
      this.#lose(session);
    }
  }

  #lose(session: Session): void {
    if (this.#session === session) {
      this.#session = null;
      this.#elders.use(null);
    }
    const { accessor, endsAt } = session;
    if (this.#ends.has(accessor)) return;
    this.#ports.telemetry.log('error', 'a Vault session is lost, and with it the credentials under it', {
      detail: this.#problem.message,
    });
    this.#ends.set(accessor, endsAt);
    this.#options.onLost(accessor);
  }

  #judge(ttlMs: number): void {
    this.#ending = ttlMs >= this.#options.leashMs - SHORT_MS ? null : renewedShort(ttlMs);
    if (this.#ending === null) return;
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
      const elder = this.#elders.newest();
      if (elder === null || !(error instanceof VaultFailure) || error.kind !== 'refused') throw error;
      const ttlMs = await this.#ports.vault.renewSession(elder.token).catch(() => {
        throw error;
      });
      this.#session = Object.assign(elder, { endsAt: asked + ttlMs });
    }
    this.#fresh = true;
    this.#ending = null;
    this.#elders.use(this.#session);
    this.#elders.note(this.#session, this.#session.endsAt);
    this.#ports.telemetry.log('info', 'logged in to Vault', { leash_ms: this.#options.leashMs });
    this.#firstLogin.resolve();
  }
}

const reason = (error: unknown) => (error instanceof VaultFailure ? error.problem : Problem.of(error));
