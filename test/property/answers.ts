// Owns what Vault, the files and the processes may answer to an effect in a random life: well, or in any way
// they can fail. Invariant: an answer is one that the engine could send.

import type { IssuedLease } from '../../src/domain/fact.ts';
import type { Grant } from '../../src/domain/grant.ts';
import type { Effect, GrantEvent, LeaseRenewal } from '../../src/domain/grant-event.ts';
import type { Moment } from '../../src/domain/instant.ts';
import { rfc3339 } from '../../src/domain/instant.ts';
import { Problem } from '../../src/domain/problem.ts';
import { DENIED, UNREACHABLE } from '../unit/domain/samples.ts';
import { type Draw, pick } from './draw.ts';

const UNREADY = new Problem('NOT_READY', 'postgres db.internal/app refuses the credential for 10s');
const BUSY = new Problem('VAULT_UNREACHABLE', 'Vault is overloaded', { retryAfterMs: 3000 });

export class Answers {
  readonly #draw: Draw;
  #leases = 0;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** @param session the session that the agent uses when the effect is asked for */
  to(effect: Effect, grant: Grant, session: string, now: Moment, well: boolean): GrantEvent {
    const fails = !well && this.#draw() < 0.2;
    const problem = pick(this.#draw, [UNREACHABLE, DENIED, BUSY]);
    switch (effect.type) {
      case 'openToken':
        return fails
          ? { type: 'tokenFailed', n: effect.n, problem, unknown: this.#draw() < 0.5 }
          : {
              type: 'tokenOpened',
              n: effect.n,
              accessor: `acc-${effect.n}-${Math.floor(this.#draw() * 1e6)}`,
              session,
              endsAt: grant.latestDeadline,
            };
      case 'readSecrets': {
        const lost = fails && this.#draw() < 0.5 ? [{ secret: 'lost', path: 'database/creds/lost' }] : [];
        const leases = Array.from({ length: Math.floor(this.#draw() * 4) }, () => this.#lease(now, well));
        return {
          type: 'secretsRead',
          n: effect.n,
          askedAt: now.at,
          leases,
          lost,
          problem: fails ? problem : null,
        };
      }
      case 'probe':
        return fails
          ? { type: 'probeFailed', n: effect.n, problem: UNREADY }
          : { type: 'probed', n: effect.n };
      case 'publish':
        return fails
          ? { type: 'publishFailed', n: effect.n, problem }
          : { type: 'published', n: effect.n, files: ['db.json'], changed: this.#draw() < 0.8 };
      case 'renewLeases':
        return {
          type: 'renewed',
          n: effect.n,
          results: effect.leases.map(({ id, incrementSeconds }): LeaseRenewal => {
            if (!well && this.#draw() < 0.2) {
              const drawn = this.#draw();
              return { id, problem, what: drawn < 0.3 ? 'lost' : drawn < 0.4 ? 'refused' : 'failed' };
            }
            const share = this.#draw() < 0.8 ? 1 : this.#draw();
            const ttlMs = Math.ceil(incrementSeconds * share) * 1000;
            const lateMs = well ? 0 : Math.floor(this.#draw() ** 4 * 5000);
            const endsAt = now.at - lateMs + ttlMs;
            return { id, incrementSeconds, ttlMs, endsAt, renewable: this.#draw() < 0.9 };
          }),
        };
      case 'signal':
        return { type: 'signalled', n: effect.n, signal: effect.signal, delivered: this.#draw() < 0.5 };
      case 'erase':
        return fails ? { type: 'eraseFailed', problem } : { type: 'erased' };
      case 'withdraw':
        return fails ? { type: 'eraseFailed', problem } : { type: 'withdrawn' };
      case 'eraseGeneration':
        return fails
          ? { type: 'revocationFailed', n: effect.n, problem }
          : { type: 'generationErased', n: effect.n };
      case 'checkLeases': {
        if (fails) return { type: 'revocationFailed', n: effect.n, problem };
        const known = effect.ids.filter(() => well || this.#draw() < 0.8);
        const gone = effect.ids.filter((id) => !known.includes(id));
        const parentEndsAt = this.#draw() < 0.5 ? null : now.at + Math.floor(this.#draw() * 60_000);
        return { type: 'leasesChecked', n: effect.n, known, gone, parentEndsAt };
      }
      case 'revoke':
        return fails ? { type: 'revocationFailed', n: effect.n, problem } : { type: 'revoked', n: effect.n };
      case 'releaseToken':
        return { type: 'alarm' };
    }
  }

  #lease(now: Moment, well: boolean): IssuedLease {
    this.#leases += 1;
    const hasId = this.#draw() < 0.8;
    const endless = !hasId && this.#draw() < 0.5;
    // Where nothing fails, leases last long enough to be used; else down to a second.
    const leastMs = well ? 20_000 : 1000;
    const ttl_ms = endless ? null : Math.ceil(this.#draw() ** 2 * 2000) * 1000 + leastMs;
    return {
      secret: `s${this.#leases}`,
      path: `database/creds/r${this.#leases}`,
      id: hasId ? `database/creds/r${this.#leases}/x` : null,
      ttl_ms,
      ends_at: ttl_ms === null ? null : rfc3339(now.at + ttl_ms, now),
      renewable: hasId && this.#draw() < 0.85,
      revocable: hasId || this.#draw() < 0.3,
    };
  }
}
