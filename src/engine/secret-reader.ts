// Owns the reading of a generation's secrets, all at once. Invariant: the task's token is spent here and dropped; what
// Vault issued is always told, whatever became of the others; nothing is asked for that could not be taken back as
// its profile says.

import { type TimedAsk, timed } from '../domain/ask.ts';
import { certificateMount } from '../domain/certificate.ts';
import type { IssuedLease } from '../domain/fact.ts';
import { current, type Grant, generationOf } from '../domain/grant.ts';
import type { GrantEvent } from '../domain/grant-event.ts';
import { rfc3339 } from '../domain/instant.ts';
import { goodUntil } from '../domain/lease.ts';
import { addTo, policyLine } from '../domain/policy-line.ts';
import { Problem } from '../domain/problem.ts';
import type { Delivery } from '../ports/files.ts';
import type { IssuedSecret } from '../ports/vault.ts';
import { type Denied, explainDenial } from './denial.ts';
import type { Luggage } from './effect-runner.ts';
import { isForbidden, understand } from './failures.ts';
import type { Ports } from './ports.ts';
import { sessionLost } from './session-problems.ts';
import type { VaultSession } from './vault-session.ts';

export class SecretReader {
  readonly #ports: Ports;
  readonly #session: VaultSession;

  constructor(ports: Ports, session: VaultSession) {
    this.#ports = ports;
    this.#session = session;
  }

  async read(n: number, grant: Grant, luggage: Luggage): Promise<GrantEvent> {
    const token = luggage.token!;
    luggage.token = null;
    const { clock, vault } = this.#ports;
    const unusable = this.#faultOf(n, grant, luggage) ?? (await this.#irrevocable(grant));
    const asked = clock.now();
    if (unusable !== null) {
      token[Symbol.dispose]();
      return { type: 'secretsRead', n, askedAt: asked.at, leases: [], lost: [], problem: unusable };
    }
    const fresh = current(grant) !== null;
    const asks = grant.plan.asks.map((ask) => ({ ...timed(ask, grant.deadline - asked.at), fresh }));
    const replies = await Promise.allSettled(asks.map((ask) => vault.readSecret(token, ask)));
    token[Symbol.dispose]();
    const leases: Omit<IssuedLease, 'ends_at'>[] = [];
    const deliveries: Delivery[] = [];
    const lost: { secret: string; path: string }[] = [];
    let problem: Problem | null = null;
    let denied: Denied | null = null;
    const accessor = generationOf(grant, n)?.accessor ?? '';
    for (const [i, reply] of replies.entries()) {
      const ask = asks[i]!;
      if (reply.status === 'rejected') {
        const failure = understand(reply.reason, this.#session);
        if (failure.kind === 'unknown') lost.push({ secret: ask.secret, path: ask.path });
        // A refusal tells more than an outage that happened at the same time.
        if (problem === null || failure.kind === 'refused') {
          problem = failure.problem;
          denied = isForbidden(reply.reason) ? { ask, plan: held(grant, luggage), accessor, problem } : null;
        }
        continue;
      }
      const lease = leaseOf(ask, reply.value);
      leases.push(lease);
      if (ask.require === 'revocable' && !lease.revocable) {
        problem = irrevocable(ask, reply.value);
        denied = null;
      }
      const end = goodUntil(asked.at, lease.ttl_ms, lease.renewable, grant.latestDeadline);
      deliveries.push({
        secret: ask.secret,
        data: reply.value.data,
        files: ask.files,
        ...(end === null ? {} : { endsAt: rfc3339(end, asked) }),
      });
    }
    luggage.deliveries = problem === null ? deliveries : [];
    if (denied !== null) problem = await explainDenial(denied, vault, () => this.#session.token());
    return { type: 'secretsRead', n, askedAt: asked.at, leases, lost, problem };
  }

  #faultOf(n: number, grant: Grant, luggage: Luggage): Problem | null {
    // Lost while the token was made or put on record: the grant was told before it knew that this one is under it.
    const above = generationOf(grant, n)?.session ?? null;
    const fault = luggage.fault ?? (above === null || this.#session.holds(above) ? null : sessionLost());
    luggage.fault = null;
    return fault;
  }

  /** Certificates that no lease ends are not asked for where the session may not revoke them: nothing else would. */
  async #irrevocable({ plan }: Grant): Promise<Problem | null> {
    const mounts = plan.asks.flatMap(({ revoke, path }) =>
      revoke === 'serial' ? [certificateMount(path) ?? path] : [],
    );
    try {
      for (const mount of new Set(mounts)) {
        const session = await this.#session.token();
        if (await this.#ports.vault.mayRevokeCertificates(session, mount)) continue;
        return new Problem('VAULT_DENIED', `the agent may not revoke certificates at ${mount}`, {
          hint: `the profile says revoke: serial; ${addTo("the session's policy (tasklease-session)", policyLine(`${mount}/revoke`, 'update'))}`,
        });
      }
      return null;
    } catch (error) {
      return understand(error, this.#session).problem;
    }
  }
}

/** The plan with the policies that the token has, where the profile leaves them to the role of the login. */
const held = ({ plan }: Grant, { policies }: Luggage): Denied['plan'] =>
  plan.policies.length > 0 ? plan : { ...plan, policies };

const leaseOf = (ask: TimedAsk, issued: IssuedSecret): Omit<IssuedLease, 'ends_at'> => ({
  secret: ask.secret,
  path: ask.path,
  id: issued.leaseId,
  ttl_ms: issued.ttlMs,
  // A renewal moves the end of the lease alone: where that ends nothing, the credential's own end stays as issued.
  renewable: issued.renewable && ask.revoke !== 'none',
  revocable: issued.leaseId !== null && ask.revoke !== 'none',
  ...(issued.follows === true ? { follows: true } : {}),
});

function irrevocable({ secret, path, revoke }: TimedAsk, { leaseId }: IssuedSecret): Problem {
  const why =
    leaseId !== null
      ? 'its profile says that its revocation ends nothing'
      : revoke === 'serial'
        ? 'its certificate is not stored at its mount (no_store)'
        : 'Vault gave it no lease';
  return new Problem('VAULT_CONTRACT', `secret ${secret} (${path}) cannot be revoked: ${why}`, {
    hint: 'the profile says require: revocable; change the engine or its role so that there is a lease, or take that out',
  });
}
