// Owns what Vault is asked at the end of a generation. Invariant: leases first and synchronously, the token second,
// the look-up last; nothing but Vault's own "unknown" counts as gone.

import { certificateOf } from '../domain/certificate.ts';
import { type Grant, generationOf } from '../domain/grant.ts';
import type { Effect, GrantEvent } from '../domain/grant-event.ts';
import { retryDelay } from '../domain/lease.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import { VaultFailure } from '../ports/vault.ts';
import { throwSlowest, understand } from './failures.ts';
import type { Ports } from './ports.ts';
import type { VaultSession } from './vault-session.ts';

const RELEASE_ATTEMPTS = 20;

export class Revoker {
  readonly #ports: Ports;
  readonly #session: VaultSession;

  constructor(ports: Ports, session: VaultSession) {
    this.#ports = ports;
    this.#session = session;
  }

  async check(effect: Extract<Effect, { type: 'checkLeases' }>, grant: Grant): Promise<GrantEvent> {
    try {
      const session = await this.#session.token();
      const looks = await Promise.allSettled(effect.ids.map((id) => this.#isKnown(session, id)));
      const known = throwSlowest(looks);
      return {
        type: 'leasesChecked',
        n: effect.n,
        known: effect.ids.filter((_, i) => known[i]),
        gone: effect.ids.filter((_, i) => !known[i]),
        parentEndsAt: this.#session.endOf(generationOf(grant, effect.n)?.session ?? ''),
      };
    } catch (error) {
      return { type: 'revocationFailed', n: effect.n, problem: understand(error, this.#session).problem };
    }
  }

  /** Leases first and synchronously, the token second (its own revocation is lazy), the look-up last. */
  async revoke(effect: Extract<Effect, { type: 'revoke' }>): Promise<GrantEvent> {
    const { n, ids, accessor } = effect;
    const { vault } = this.#ports;
    try {
      const session = await this.#session.token();
      // All are tried, even when one fails: no lease waits for another's database.
      const revoked = await Promise.allSettled(ids.map((id) => this.#end(session, id)));
      const there = throwSlowest(revoked);
      await vault.revokeToken(session, accessor);
      const missing = ids.filter((_, i) => !there[i]);
      const looks = [...ids.map((id) => this.#lives(session, id)), this.#tokenLives(session, accessor)];
      const left = throwSlowest(await Promise.allSettled(looks));
      if (!left.includes(true)) return { type: 'revoked', n, missing };
      const problem = new Problem(
        'VAULT_CONTRACT',
        'Vault still knows a lease or token that it said it revoked',
        {
          hint: 'the agent asks again; look at the log of Vault',
        },
      );
      return { type: 'revocationFailed', n, problem };
    } catch (error) {
      return { type: 'revocationFailed', n, problem: understand(error, this.#session).problem };
    }
  }

  /** Nobody waits for the outcome: the proof was given up. Tried for some minutes all the same. */
  async release(accessor: string): Promise<GrantEvent> {
    const { clock, telemetry, vault } = this.#ports;
    for (let attempt = 1; attempt <= RELEASE_ATTEMPTS; attempt += 1) {
      try {
        await vault.revokeToken(await this.#session.token(), accessor);
        return { type: 'alarm' };
      } catch (error) {
        const delay = retryDelay(accessor, understand(error, this.#session).problem, attempt);
        await new Promise<void>((resolve) => clock.after(delay, resolve));
      }
    }
    telemetry.log('warn', 'the token of an abandoned revocation ends by its TTL or the leash');
    return { type: 'alarm' };
  }

  /** Before its end: a certificate counts as known once it is on record, revoked by somebody else or not. */
  async #isKnown(session: Secret, id: string): Promise<boolean> {
    const certificate = certificateOf(id);
    if (certificate === null) return this.#ports.vault.lookupLease(session, id);
    return (await this.#ports.vault.lookupCertificate(certificate)) !== 'unknown';
  }

  /** False where there is nothing to revoke: a certificate that was there, and that its mount does not know any more. */
  async #end(session: Secret, id: string): Promise<boolean> {
    const certificate = certificateOf(id);
    const { vault } = this.#ports;
    if (certificate === null) {
      await vault.revokeLease(session, id);
      return true;
    }
    try {
      await vault.revokeCertificate(session, certificate);
      return true;
    } catch (error) {
      if (!(error instanceof VaultFailure) || error.kind !== 'refused') throw error;
      if ((await vault.lookupCertificate(certificate)) !== 'unknown') throw error;
      return false;
    }
  }

  /** After its end. */
  async #lives(session: Secret, id: string): Promise<boolean> {
    const certificate = certificateOf(id);
    if (certificate === null) return this.#ports.vault.lookupLease(session, id);
    return (await this.#ports.vault.lookupCertificate(certificate)) === 'valid';
  }

  /** A session that may not look tokens up has to believe the answer to the revocation. */
  async #tokenLives(session: Secret, accessor: string): Promise<boolean> {
    try {
      return await this.#ports.vault.lookupToken(session, accessor);
    } catch (error) {
      if (error instanceof VaultFailure && error.forbidden) return false;
      throw error;
    }
  }
}
