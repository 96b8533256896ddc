// Owns what effects do: a total table from effect to port call, each answered by one event. Invariant:
// secrets pass through here in memory only, from the reply to the file, and are dropped at the first
// chance; what Vault issued is always told, even when nobody wants it any more.

import { tokenTtlSeconds } from '../domain/decide.ts';
import type { IssuedLease } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import type { Effect, GrantEvent, LeaseRenewal } from '../domain/grant-event.ts';
import type { Instant } from '../domain/instant.ts';
import { rfc3339 } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import type { Ask } from '../domain/task-spec.ts';
import type { Delivery } from '../ports/files.ts';
import { VaultFailure } from '../ports/vault.ts';
import type { Ports } from './ports.ts';
import type { VaultSession } from './vault-session.ts';

/** What a grant carries between two effects and never on record. */
export interface Luggage {
  token: Secret | null;
  deliveries: readonly Delivery[];
  /** When the parent of the grant's token ended, once it is known to have. */
  parentEndedAt: Instant | null;
  /** Supplementary groups of the caller. */
  readonly readerGroups: readonly number[];
}

export class EffectRunner {
  readonly #ports: Ports;
  readonly #session: VaultSession;

  constructor(ports: Ports, session: VaultSession) {
    this.#ports = ports;
    this.#session = session;
  }

  /** Carries one effect out. Never throws: a failure is an event too. */
  async perform(effect: Effect, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    switch (effect.type) {
      case 'openToken':
        return this.#openToken(effect.n, grant, luggage);
      case 'readSecrets':
        return this.#readSecrets(effect.n, grant, luggage);
      case 'publish':
        return this.#publish(effect.n, grant, luggage);
      case 'renewLeases':
        return {
          type: 'renewed',
          n: effect.n,
          results: await Promise.all(effect.leases.map((l) => this.#renew(l))),
        };
      case 'erase':
        return this.#erase(grant, luggage);
      case 'checkLeases':
        return this.#checkLeases(effect, luggage);
      case 'revoke':
        return this.#revoke(effect);
      default:
        return effect satisfies never;
    }
  }

  async #openToken(n: number, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    const asked = this.#ports.clock.now().at;
    try {
      const { token, accessor, ttlMs } = await this.#ports.vault.createToken(
        await this.#session.tokenForStart(),
        {
          policies: grant.plan.policies,
          ttlSeconds: tokenTtlSeconds(grant, asked),
          displayName: `tasklease-${grant.profile}`,
          meta: {
            task: grant.task,
            profile: grant.profile,
            ...(grant.event === null ? {} : { event: `${grant.event.type}:${grant.event.id}` }),
          },
        },
      );
      luggage.token = token;
      return { type: 'tokenOpened', n, accessor, endsAt: asked + ttlMs };
    } catch (error) {
      const { problem, kind } = this.#understand(error);
      return { type: 'tokenFailed', n, problem, unknown: kind === 'unknown' };
    }
  }

  async #readSecrets(n: number, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    const token = luggage.token!;
    const asked = this.#ports.clock.now();
    const replies = await Promise.allSettled(
      grant.plan.asks.map(async (ask) => ({ ask, issued: await this.#ports.vault.readSecret(token, ask) })),
    );
    luggage.token = null;
    token[Symbol.dispose]();
    const leases: IssuedLease[] = [];
    const deliveries: Delivery[] = [];
    const lost: { secret: string; path: string }[] = [];
    let problem: Problem | null = null;
    for (const [i, reply] of replies.entries()) {
      const ask: Ask = grant.plan.asks[i]!;
      if (reply.status === 'rejected') {
        const failure = this.#understand(reply.reason);
        if (failure.kind === 'unknown') lost.push({ secret: ask.secret, path: ask.path });
        // A refusal tells more than an outage that happened at the same time.
        if (problem === null || failure.kind === 'refused') problem = failure.problem;
        continue;
      }
      const { leaseId, ttlMs, renewable, data } = reply.value.issued;
      leases.push({
        secret: ask.secret,
        path: ask.path,
        id: leaseId,
        ttl_ms: ttlMs,
        ends_at: ttlMs === null ? null : rfc3339(asked.at + ttlMs, asked),
        renewable,
        revocable: leaseId !== null,
      });
      deliveries.push({ secret: ask.secret, data, files: ask.files });
    }
    luggage.deliveries = problem === null ? deliveries : [];
    return { type: 'secretsRead', n, leases, lost, problem };
  }

  async #publish(n: number, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    const { deliveries, readerGroups } = luggage;
    luggage.deliveries = [];
    try {
      const files = await this.#ports.files.publish({
        task: grant.task,
        n,
        reader: grant.plan.reader,
        readerGroups,
        ...(grant.plan.mode === undefined ? {} : { mode: grant.plan.mode }),
        deliveries,
      });
      return { type: 'published', n, files };
    } catch (error) {
      return { type: 'publishFailed', n, problem: Problem.of(error) };
    }
  }

  async #renew(lease: { readonly id: string; readonly incrementSeconds: number }): Promise<LeaseRenewal> {
    try {
      const { id, incrementSeconds } = lease;
      return {
        id,
        ...(await this.#ports.vault.renewLease(await this.#session.token(), id, incrementSeconds)),
      };
    } catch (error) {
      const { problem } = this.#understand(error);
      return { id: lease.id, problem, lost: error instanceof VaultFailure && error.missing };
    }
  }

  async #erase(grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    luggage.deliveries = [];
    try {
      await this.#ports.files.erase(grant.task);
      return { type: 'erased' };
    } catch (error) {
      const problem = Problem.of(error);
      this.#ports.telemetry.log('error', 'files of a stopped task could not be removed; trying again', {
        task: grant.task,
        detail: problem.message,
      });
      return { type: 'eraseFailed', problem };
    }
  }

  async #checkLeases(
    effect: Extract<Effect, { type: 'checkLeases' }>,
    luggage: Luggage,
  ): Promise<GrantEvent> {
    try {
      const session = await this.#session.token();
      const known = await Promise.all(effect.ids.map((id) => this.#ports.vault.lookupLease(session, id)));
      return {
        type: 'leasesChecked',
        n: effect.n,
        known: effect.ids.filter((_, i) => known[i]),
        gone: effect.ids.filter((_, i) => !known[i]),
        parentEndsAt: luggage.parentEndedAt,
      };
    } catch (error) {
      return { type: 'revocationFailed', n: effect.n, problem: this.#understand(error).problem };
    }
  }

  /** Leases first and synchronously, the token second (its own revocation is lazy), the look-up last. */
  async #revoke(effect: Extract<Effect, { type: 'revoke' }>): Promise<GrantEvent> {
    const { n, ids, accessor } = effect;
    const { vault } = this.#ports;
    try {
      const session = await this.#session.token();
      // All are tried, even when one fails: no lease waits for another's database.
      const revoked = await Promise.allSettled(ids.map((id) => vault.revokeLease(session, id)));
      const failed = revoked.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await vault.revokeToken(session, accessor);
      const left = await Promise.all([
        ...ids.map((id) => vault.lookupLease(session, id)),
        this.#tokenLives(session, accessor),
      ]);
      if (!left.includes(true)) return { type: 'revoked', n };
      const problem = new Problem(
        'VAULT_CONTRACT',
        'Vault still knows a lease or token that it said it revoked',
        {
          hint: 'the agent asks again; look at the log of Vault',
        },
      );
      return { type: 'revocationFailed', n, problem };
    } catch (error) {
      return { type: 'revocationFailed', n, problem: this.#understand(error).problem };
    }
  }

  /** A session that may not look tokens up has to believe the answer to the revocation. */
  async #tokenLives(session: Secret, accessor: string): Promise<boolean> {
    try {
      return await this.#ports.vault.lookupToken(session, accessor);
    } catch (error) {
      if (error instanceof VaultFailure && error.kind === 'refused') return false;
      throw error;
    }
  }

  #understand(error: unknown): { problem: Problem; kind: VaultFailure['kind'] } {
    if (!(error instanceof VaultFailure)) return { problem: Problem.of(error), kind: 'notDone' };
    // A plain refusal is about the request; anything else may be about Vault or our session.
    if (error.forbidden || error.kind !== 'refused') this.#session.suspect();
    return { problem: error.problem, kind: error.kind };
  }
}
