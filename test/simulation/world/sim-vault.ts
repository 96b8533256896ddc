// Owns the Vault port on a simulated server: each verb with the answers and failures that a real Vault 1.21
// gives (the contract suite holds it to that), and faults on the way that a test or a seed asks for.

import { Problem, type ProblemCode } from '../../../src/domain/problem.ts';
import { Secret } from '../../../src/domain/secret.ts';
import type { Ask } from '../../../src/domain/task-spec.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import {
  type FailureKind,
  type IssuedSecret,
  type SessionToken,
  type TaskToken,
  type TokenRequest,
  type Vault,
  VaultFailure,
} from '../../../src/ports/vault.ts';
import { type SimSecret, type SimToken, SimVaultModel } from './sim-vault-model.ts';

export type Verb = keyof Vault;
/** `unreachable`: never arrives. `lost`: carried out, but the answer does not come back. `busy`: 503 or 429. */
export type Fault = 'unreachable' | 'lost' | 'busy';

export interface SimVaultOptions {
  readonly clock: Clock;
  readonly leashMs: number;
  readonly secrets: Readonly<Record<string, SimSecret>>;
  /** Policy → the paths it allows; a `*` at the end stands for anything. */
  readonly policies: Readonly<Record<string, readonly string[]>>;
}

/** Policies of the agent's own tokens, as in vault-policies/. */
const SESSION_POLICY = 'tasklease-session';

export class SimVault implements Vault {
  readonly model: SimVaultModel;
  /** Asked once for every request; null lets it through. */
  fault: (verb: Verb) => Fault | null = () => null;
  /** Milliseconds that a request takes on the way; 0 by default. */
  latency: (verb: Verb) => number = () => 0;
  readonly #options: SimVaultOptions;

  constructor(options: SimVaultOptions, model = new SimVaultModel(options.clock, options.secrets)) {
    this.#options = options;
    this.model = model;
  }

  /** Another client of the same server, with another session role. */
  withLeash(leashMs: number): SimVault {
    return new SimVault({ ...this.#options, leashMs }, this.model);
  }

  openSession(): Promise<SessionToken> {
    return this.#request('openSession', () => this.#sessionReply(this.#newSession()));
  }

  renewSession(session: Secret): Promise<number> {
    return this.#request('renewSession', () => {
      const token = this.#mayAsAgent(session);
      token.endsAt = this.model.now + token.periodMs!;
      return token.periodMs!;
    });
  }

  closeSession(session: Secret): Promise<void> {
    return this.#request('closeSession', () => this.model.endToken(this.#mayAsAgent(session).accessor));
  }

  createToken(session: Secret, request: TokenRequest): Promise<TaskToken> {
    return this.#request('createToken', () => {
      const parent = this.#mayAsAgent(session);
      const foreign = request.policies.find((name) => this.#options.policies[name] === undefined);
      if (foreign !== undefined || request.policies.length === 0) {
        throw refused(400, `token policies (${request.policies.join(', ')}) must be subset of the role's`);
      }
      const ttlMs = request.ttlSeconds * 1000;
      const token = this.model.addToken({
        parent: parent.accessor,
        policies: request.policies,
        periodMs: null,
        endsAt: this.model.now + ttlMs,
      });
      return { token: secretOf(token.value), accessor: token.accessor, ttlMs };
    });
  }

  readSecret(token: Secret, ask: Ask): Promise<IssuedSecret> {
    return this.#request('readSecret', () => {
      const holder = this.#holder(token);
      const secret = this.model.secrets[ask.path];
      if (!this.#allows(holder, ask.path)) throw refused(403, 'permission denied');
      if (secret === undefined) throw refused(400, `unknown role: ${ask.path}`);
      if (this.model.down.has(secret.engine)) throw unknown('the engine cannot reach its database');
      if (secret.engine === 'kv') {
        return { leaseId: null, ttlMs: null, renewable: false, data: { ...secret.fields } };
      }
      const { id, renewable } = this.model.issue(ask.path, secret, holder);
      return { leaseId: id, ttlMs: secret.ttlMs, renewable, data: { ...secret.fields, username: `v-${id}` } };
    });
  }

  lookupLease(session: Secret, leaseId: string): Promise<boolean> {
    return this.#request('lookupLease', () => {
      this.#mayAsAgent(session);
      return this.model.leases.has(leaseId);
    });
  }

  renewLease(
    session: Secret,
    leaseId: string,
    incrementSeconds: number,
  ): Promise<{ ttlMs: number; renewable: boolean }> {
    return this.#request('renewLease', () => {
      this.#mayAsAgent(session);
      const lease = this.model.leases.get(leaseId);
      if (lease === undefined) throw refused(400, 'lease not found', true);
      if (!lease.renewable) throw refused(400, 'lease is not renewable');
      if (this.model.down.has(this.model.secrets[lease.path]!.engine)) {
        throw refused(400, 'failed to renew entry');
      }
      const ttlMs = Math.min(incrementSeconds * 1000, lease.maxEndsAt - this.model.now);
      lease.endsAt = this.model.now + ttlMs;
      return { ttlMs, renewable: true };
    });
  }

  revokeLease(session: Secret, leaseId: string): Promise<void> {
    return this.#request('revokeLease', () => {
      this.#mayAsAgent(session);
      if (!this.model.endLease(leaseId)) throw refused(400, 'failed to revoke entry');
    });
  }

  revokeToken(session: Secret, accessor: string): Promise<void> {
    return this.#request('revokeToken', () => {
      this.#mayAsAgent(session);
      this.model.endToken(accessor);
    });
  }

  lookupToken(session: Secret, accessor: string): Promise<boolean> {
    return this.#request('lookupToken', () => {
      this.#mayAsAgent(session);
      return this.model.tokens.has(accessor);
    });
  }

  /** One request: on its way it may be held up, get lost, or come to a sealed server. */
  async #request<T>(verb: Verb, answer: () => T): Promise<T> {
    const latencyMs = this.latency(verb);
    if (latencyMs > 0) await new Promise<void>((resolve) => this.#options.clock.after(latencyMs, resolve));
    else await Promise.resolve();
    const fault = this.fault(verb);
    if (fault === 'unreachable') throw failure('notDone', 'VAULT_UNREACHABLE', 'vault cannot be reached');
    if (this.model.sealed) throw failure('later', 'VAULT_SEALED', '503: Vault is sealed');
    if (fault === 'busy') throw failure('later', 'VAULT_UNREACHABLE', '429: too many requests');
    this.model.expire();
    const result = answer();
    if (fault === 'lost') throw unknown('vault gave no answer');
    return result;
  }

  #newSession(): SimToken {
    const { leashMs } = this.#options;
    return this.model.addToken({
      parent: null,
      policies: [SESSION_POLICY],
      periodMs: leashMs,
      endsAt: this.model.now + leashMs,
    });
  }

  #sessionReply({ value, accessor, periodMs }: SimToken): SessionToken {
    return { token: secretOf(value), accessor, ttlMs: periodMs! };
  }

  #holder(token: Secret): SimToken {
    const holder = this.model.tokenOf(Buffer.from(token.reveal()).toString());
    if (holder === undefined) throw refused(403, 'permission denied');
    return holder;
  }

  /** Only a session may do what the agent does; a task's token may not (vault-policies/session.hcl). */
  #mayAsAgent(session: Secret): SimToken {
    const holder = this.#holder(session);
    if (!holder.policies.includes(SESSION_POLICY)) throw refused(403, 'permission denied');
    return holder;
  }

  #allows(holder: SimToken, path: string): boolean {
    return holder.policies.some((name) =>
      (this.#options.policies[name] ?? []).some((allowed) =>
        allowed.endsWith('*') ? path.startsWith(allowed.slice(0, -1)) : path === allowed,
      ),
    );
  }
}

const secretOf = (value: string): Secret => new Secret(Buffer.from(value));

const failure = (kind: FailureKind, code: ProblemCode, detail: string, missing = false): VaultFailure =>
  new VaultFailure(kind, new Problem(code, detail, { hint: 'simulated' }), missing, /\b403\b/.test(detail));
const refused = (status: number, said: string, missing = false): VaultFailure =>
  failure('refused', 'VAULT_DENIED', `${status}: ${said}`, missing);
const unknown = (detail: string): VaultFailure => failure('unknown', 'VAULT_UNREACHABLE', detail);
