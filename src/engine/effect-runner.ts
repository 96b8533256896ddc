// Owns what effects do: a total table from effect to port call, each answered by one event. Invariant:
// secrets pass through here in memory only, from the reply to the file, and are dropped at the first
// chance; what Vault issued is always told, even when nobody wants it any more.

import { wholeSeconds } from '../domain/duration.ts';
import { type Grant, works } from '../domain/grant.ts';
import type { Effect, GrantEvent, LeaseRenewal } from '../domain/grant-event.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import { eventText, type PinnedCaller } from '../domain/task-spec.ts';
import type { Delivery } from '../ports/files.ts';
import { VaultFailure } from '../ports/vault.ts';
import type { Bindings } from './bindings.ts';
import { callerGone, isGone } from './caller-gone.ts';
import { understand } from './failures.ts';
import type { Ports } from './ports.ts';
import { probeUntilReady } from './readiness.ts';
import { Revoker } from './revoker.ts';
import { SecretReader } from './secret-reader.ts';
import { TokenOpener } from './token-opener.ts';
import type { VaultSession } from './vault-session.ts';

/** What a grant carries between two effects and never on record. */
export interface Luggage {
  token: Secret | null;
  /** What the task logs in with, for as long as it lives; lost with the agent. */
  assertion: Secret | null;
  /** What the role of a login gave the token. */
  policies: readonly string[];
  /** Why the token must not be used. */
  fault: Problem | null;
  deliveries: readonly Delivery[];
  /** Ends the probe that is under way. */
  probing: AbortController | null;
  /** Who asked, while the start is not answered. */
  caller: PinnedCaller | null;
}

export class EffectRunner {
  readonly #ports: Ports;
  readonly #session: VaultSession;
  readonly #bindings: Bindings;
  readonly #revoker: Revoker;
  readonly #opener: TokenOpener;
  readonly #reader: SecretReader;

  constructor(ports: Ports, session: VaultSession, bindings: Bindings, leashMs: number) {
    this.#ports = ports;
    this.#session = session;
    this.#bindings = bindings;
    this.#revoker = new Revoker(ports, session);
    this.#opener = new TokenOpener(ports, session, leashMs);
    this.#reader = new SecretReader(ports, session);
  }

  /**
   * Carries one effect out. Never throws: a failure is an event too.
   * @param now the grant as it is whenever asked: what waited may not be wanted any more
   */
  async perform(effect: Effect, now: () => Grant, luggage: Luggage): Promise<GrantEvent> {
    const grant = now();
    switch (effect.type) {
      case 'openToken':
        return this.#opener.open(effect.n, now, luggage);
      case 'readSecrets':
        return this.#reader.read(effect.n, grant, luggage);
      case 'probe':
        return probeUntilReady(this.#ports, effect.n, now, luggage);
      case 'publish':
        return this.#publish(effect.n, grant, luggage);
      case 'renewLeases':
        return this.#renewLeases(effect, now);
      case 'signal': {
        const delivered = this.#bindings.signal(grant.task, effect.signal);
        return { type: 'signalled', n: effect.n, signal: effect.signal, delivered };
      }
      case 'erase':
        luggage.probing?.abort();
        luggage.deliveries = [];
        return this.#remove(grant, 'erased', () => this.#ports.files.erase(grant.task));
      case 'withdraw':
        return this.#remove(grant, 'withdrawn', () => this.#ports.files.withdraw(grant.task));
      case 'eraseGeneration':
        return this.#eraseGeneration(effect.n, grant);
      case 'checkLeases':
        return this.#revoker.check(effect, grant);
      case 'revoke':
        return this.#revoker.revoke(effect);
      case 'releaseToken':
        return this.#revoker.release(effect.accessor);
      default:
        return effect satisfies never;
    }
  }

  async #publish(n: number, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    const { deliveries } = luggage;
    luggage.deliveries = [];
    if (isGone(luggage.caller)) return { type: 'publishFailed', n, problem: callerGone() };
    const { clock, telemetry } = this.#ports;
    const asked = clock.now().at;
    try {
      const published = await this.#ports.files.publish({
        task: grant.task,
        n,
        reader: grant.plan.reader,
        readerGroups: grant.groups,
        ...(grant.plan.mode === undefined ? {} : { mode: grant.plan.mode }),
        deliveries,
      });
      telemetry.phase?.(grant.id, 'publish', asked, clock.now().at);
      return { type: 'published', n, ...published };
    } catch (error) {
      return { type: 'publishFailed', n, problem: Problem.of(error) };
    }
  }

  async #renewLeases(
    { n, leases }: Extract<Effect, { type: 'renewLeases' }>,
    now: () => Grant,
  ): Promise<GrantEvent> {
    const { clock, telemetry } = this.#ports;
    const asked = clock.now().at;
    const results = await Promise.all(leases.map((lease) => this.#renew(lease, now)));
    telemetry.phase?.(now().id, 'renew', asked, clock.now().at);
    return { type: 'renewed', n, results: results.filter((result) => result !== null) };
  }

  /** Null when the task ended while the renewal waited for a session. */
  async #renew(
    { id, incrementSeconds }: { readonly id: string; readonly incrementSeconds: number },
    now: () => Grant,
  ): Promise<LeaseRenewal | null> {
    try {
      const session = await this.#session.token();
      const asked = this.#ports.clock.now().at;
      const leftMs = now().deadline - asked;
      if (!works(now()) || leftMs <= 0) return null;
      const seconds = Math.min(incrementSeconds, wholeSeconds(leftMs));
      const { vault } = this.#ports;
      const isToken = now().generations.some(({ accessor }) => accessor === id);
      const renewal = isToken ? vault.renewToken : vault.renewLease;
      const { ttlMs, renewable } = await renewal.call(vault, session, id, seconds);
      return { id, incrementSeconds: seconds, ttlMs, endsAt: asked + ttlMs, renewable };
    } catch (error) {
      const { problem } = understand(error, this.#session);
      if (!(error instanceof VaultFailure)) return { id, problem, what: 'failed' };
      return { id, problem, what: error.missing ? 'lost' : error.forbidden ? 'refused' : 'failed' };
    }
  }

  async #remove(
    { task, event }: Grant,
    done: 'erased' | 'withdrawn',
    remove: () => Promise<unknown>,
  ): Promise<GrantEvent> {
    try {
      await remove();
      return { type: done };
    } catch (error) {
      const problem = Problem.of(error);
      this.#ports.telemetry.log('error', 'files could not be removed; trying again', {
        task,
        event: eventText(event),
        detail: problem.message,
      });
      return { type: 'eraseFailed', problem };
    }
  }

  async #eraseGeneration(n: number, grant: Grant): Promise<GrantEvent> {
    try {
      await this.#ports.files.eraseGeneration(grant.task, n);
      return { type: 'generationErased', n };
    } catch (error) {
      return { type: 'revocationFailed', n, problem: Problem.of(error) };
    }
  }
}
