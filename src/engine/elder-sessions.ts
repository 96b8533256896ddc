// Owns the session tokens that outlive a process: the one in use, and those of agents before this one while
// tasks hang under them. Invariant: a session is kept before it is used, renewed while something hangs under it,
// and forgotten only once it is revoked or dead.

import type { Instant } from '../domain/instant.ts';
import { retryDelayMs } from '../domain/lease.ts';
import type { KeptSession } from '../ports/session-store.ts';
import { VaultFailure } from '../ports/vault.ts';
import type { Ports } from './ports.ts';

export type SessionPorts = Pick<Ports, 'clock' | 'vault' | 'journal' | 'sessionStore' | 'telemetry'>;

/** A session token, parent of task tokens. */
export interface Session extends KeptSession {
  endsAt: Instant;
}

/** With the session in use these make the four requests beside the gate (adapters/vault/transport.ts). */
const RENEWED_AT_ONCE = 2;
const ENDED_AT_ONCE = 1;
/** When the agent ends, nothing is renewed any more. */
const LAST_ENDED_AT_ONCE = 4;
const END_ATTEMPTS = 3;

export class ElderSessions {
  readonly #ports: SessionPorts;
  /** A session ended, an elder or the one in use: its children end with it. */
  readonly #onLost: (session: Session) => void;
  #current: Session | null = null;
  #cancel: (() => void) | null = null;
  readonly #closing = new Set<string>();
  /** Newest first. */
  #elders: readonly Session[] = [];

  constructor(ports: SessionPorts, onLost: (session: Session) => void) {
    this.#ports = ports;
    this.#onLost = onLost;
  }

  load(leashMs: number): void {
    const { clock, journal, sessionStore } = this.#ports;
    const now = clock.now();
    const found = sessionStore.load().map(({ accessor, token }) => {
      const endsAt = journal.sessionEndsAt(accessor, now) ?? Number.POSITIVE_INFINITY;
      // Whatever became of the wall clock since: none lives longer than the leash from now.
      return { accessor, token, endsAt: Math.min(endsAt, now.at + leashMs) };
    });
    // One whose time is over has taken everything under it along: nothing is to be taken over by it.
    this.#elders = found.filter(({ endsAt }) => endsAt > now.at);
    this.#watch();
  }

  /** The newest of them, if any: where no login can be had, it may be the way in. */
  newest(): Session | null {
    return this.#elders[0] ?? null;
  }

  holds(accessor: string): boolean {
    return this.#elders.some((elder) => elder.accessor === accessor);
  }

  /** The session in use from now on, or none; one taken over is no longer an elder. */
  use(session: Session | null): void {
    this.#current = session;
    this.#elders = this.#elders.filter((elder) => elder !== session);
    this.#save();
    this.#watch();
  }

  /** Renews each; one that Vault refuses twice, or whose time is over, is lost. Never throws. */
  async renewAll(): Promise<void> {
    await few(this.#elders, RENEWED_AT_ONCE, (elder) => this.#renew(elder));
  }

  async #renew(elder: Session): Promise<void> {
    const { clock, vault } = this.#ports;
    try {
      const asked = clock.now().at;
      const ttlMs = await vault.renewSession(elder.token);
      if (this.#elders.includes(elder)) this.note(elder, asked + ttlMs);
    } catch (error) {
      if (this.#elders.includes(elder) && (await isRefused(this.#ports, elder, error))) this.#drop(elder);
    }
  }

  #drop(elder: Session): void {
    if (!this.#elders.includes(elder)) return;
    this.#elders = this.#elders.filter((other) => other !== elder);
    this.#save();
    this.#onLost(elder);
    elder.token[Symbol.dispose]();
  }

  /** However long a renewal hangs: a session whose time is over is lost, and what hung under it is told. */
  #watch(): void {
    const { clock } = this.#ports;
    this.#cancel?.();
    const held = this.#held();
    if (held.length === 0) return;
    const first = Math.min(...held.map(({ endsAt }) => endsAt));
    this.#cancel = clock.after(first - clock.now().at, () => {
      for (const elder of this.#elders) if (isOver(elder, clock)) this.#drop(elder);
      if (this.#current !== null && isOver(this.#current, clock)) this.#onLost(this.#current);
      this.#watch();
    });
  }

  /** Watches no longer; what is kept stays. */
  close(): void {
    this.#cancel?.();
    this.#elders = [];
    this.#current = null;
  }

  /** Ends those that nothing hangs under, and with them tokens whose making nobody saw end. Tried again until done. */
  async closeUnused(inUse: (accessor: string) => boolean, attempt = 1): Promise<void> {
    const unused = this.#elders.filter(({ accessor }) => !inUse(accessor) && !this.#closing.has(accessor));
    for (const { accessor } of unused) this.#closing.add(accessor);
    const ended = await few(unused, ENDED_AT_ONCE, (elder) => this.#end(elder));
    for (const { accessor } of unused) this.#closing.delete(accessor);
    if (!ended.includes(false) || this.#elders.length === 0) return;
    const { clock } = this.#ports;
    clock.after(retryDelayMs('elders', attempt), () => void this.closeUnused(inUse, attempt + 1));
  }

  /** Ends every session, with what hangs under them; tried three times. */
  async endAll(): Promise<void> {
    const { clock, telemetry } = this.#ports;
    for (let attempt = 1; attempt <= END_ATTEMPTS; attempt += 1) {
      const held = this.#held();
      const ended = await few(held, LAST_ENDED_AT_ONCE, (session) => this.#end(session));
      if (!ended.includes(false)) return;
      await new Promise<void>((resolve) => clock.after(retryDelayMs('end', attempt), resolve));
    }
    telemetry.log('warn', 'a session token could not be revoked; it ends by its leash');
  }

  /** False when Vault did not say that it is gone. */
  async #end(session: Session): Promise<boolean> {
    try {
      await this.#ports.vault.closeSession(session.token);
    } catch (error) {
      if (!(error instanceof VaultFailure) || !error.forbidden) return false;
    }
    if (session === this.#current) this.use(null);
    if (!this.#elders.includes(session)) return true;
    this.#elders = this.#elders.filter((other) => other !== session);
    this.#save();
    session.token[Symbol.dispose]();
    return true;
  }

  #held(): Session[] {
    return [...(this.#current === null ? [] : [this.#current]), ...this.#elders];
  }

  /** On record, so that a later agent knows until when tokens under it can have lived. */
  note(session: Session, endsAt: Instant): void {
    session.endsAt = endsAt;
    this.#watch();
    try {
      this.#ports.journal.noteSession(session.accessor, endsAt, this.#ports.clock.now());
    } catch (error) {
      this.#ports.telemetry.log('warn', 'the session could not be noted', {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Without it a later agent logs in anew, and this session ends by its leash. */
  #save(): void {
    try {
      this.#ports.sessionStore.save(this.#held());
    } catch (error) {
      this.#ports.telemetry.log('warn', 'the session token could not be kept for a restart', {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** Does the work for each, at most `width` at once. */
async function few<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += width) {
    results.push(...(await Promise.all(items.slice(i, i + width).map(work))));
  }
  return results;
}

/** Twice the same 403: one odd answer of something in between must not end every task. */
export async function isRefused(
  { vault }: Pick<Ports, 'vault'>,
  { token }: KeptSession,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof VaultFailure) || !error.forbidden) return false;
  return vault.renewSession(token).then(
    () => false,
    (again: unknown) => again instanceof VaultFailure && again.forbidden,
  );
}

/** Nobody renewed it in time: by now Vault has ended it, or will as soon as it can. */
export const isOver = ({ endsAt }: Session, clock: Ports['clock']): boolean => endsAt <= clock.now().at;
