// Owns the Vault port on a simulated server: each verb with the answers and failures that a real Vault 1.21
// gives (the contract suite holds it to that), and faults on the way that a test or a seed asks for. Requests
// pass the gate of the real adapter, so that urgency and bounds are the shipped ones.

import { Gate, URGENCY, type Urgency } from '../../../src/adapters/vault/gate.ts';
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
/**
 * `unreachable`: never arrives. `lost`: carried out, but the answer does not come back. `broken`: 500, nothing
 * was done. `silent`: nobody answers until the time limit. `forbidden`: an odd 403. `busy`: 503. A number: 429
 * with that many milliseconds as its Retry-After.
 */
export type Fault = 'unreachable' | 'lost' | 'broken' | 'silent' | 'forbidden' | 'busy' | number;

export interface SimVaultOptions {
  readonly clock: Clock;
  readonly leashMs: number;
  readonly secrets: Readonly<Record<string, SimSecret>>;
  /** Policy → the paths it allows; a `*` at the end stands for anything. */
  readonly policies: Readonly<Record<string, readonly string[]>>;
  /** How long a request may take that issues nothing. Milliseconds. */
  readonly timeoutMs?: number;
}

/** Policies of the agent's own tokens, as in vault-policies/. */
export const SESSION_POLICY = 'tasklease-session';
const PLACES = 64;
/** What issues something is waited for until Vault itself has given up on it. */
export const LAST_WORD_MS = 120_000;
export const TIMEOUT_MS = 10_000;

const URGENCIES: Readonly<Record<Verb, Urgency>> = {
  openSession: URGENCY.session,
  renewSession: URGENCY.session,
  closeSession: URGENCY.session,
  createToken: URGENCY.start,
  readSecret: URGENCY.start,
  renewLease: URGENCY.renew,
  lookupLease: URGENCY.revoke,
  revokeLease: URGENCY.revoke,
  revokeToken: URGENCY.revoke,
  lookupToken: URGENCY.revoke,
};

export class SimVault implements Vault {
  readonly model: SimVaultModel;
  /** Asked once for every request; null lets it through. `about` is the lease, accessor, path or task. */
  fault: (verb: Verb, about: string) => Fault | null = () => null;
  /** Milliseconds to Vault and back; none by default. */
  latency: (verb: Verb) => readonly [number, number] = () => [0, 0];
  /** False once this client's process is gone: what it has not sent yet is never sent. */
  alive: () => boolean = () => true;
  /** Told when a request is answered 429. */
  onTooMany: (verb: Verb, about: string, retryAfterMs: number) => void = () => undefined;
  /** Requests that were sent and not answered yet. */
  inFlight = 0;
  readonly #options: SimVaultOptions;
  readonly #gate: Gate;

  constructor(options: SimVaultOptions, model = new SimVaultModel(options.clock, options.secrets)) {
    this.#options = options;
    this.model = model;
    const { clock } = options;
    this.#gate = new Gate(PLACES, {
      now: () => clock.now().at,
      after: (delayMs, run) => void clock.after(delayMs, run),
    });
  }

  /** Another client of the same server, with another session role. */
  withLeash(leashMs: number): SimVault {
    return new SimVault({ ...this.#options, leashMs }, this.model);
  }

  openSession(): Promise<SessionToken> {
    return this.#request('openSession', '', () => {
      const { value, accessor, periodMs } = this.#newSession();
      return { token: secretOf(value), accessor, ttlMs: periodMs! };
    });
  }

  renewSession(session: Secret): Promise<number> {
    const as = textOf(session);
    return this.#request('renewSession', '', () => {
      const token = this.#mayAsAgent(as);
      token.endsAt = this.model.now + token.periodMs!;
      return token.periodMs!;
    });
  }

  closeSession(session: Secret): Promise<void> {
    const as = textOf(session);
    return this.#request('closeSession', '', () => this.model.endToken(this.#mayAsAgent(as).accessor));
  }

  createToken(session: Secret, request: TokenRequest): Promise<TaskToken> {
    const as = textOf(session);
    const askedAt = this.model.now;
    return this.#request('createToken', request.meta.task ?? '', () => {
      const parent = this.#mayAsAgent(as);
      const foreign = request.policies.find((name) => this.#options.policies[name] === undefined);
      if (foreign !== undefined || request.policies.length === 0) {
        throw refused(400, `token policies (${request.policies.join(', ')}) must be subset of the role's`);
      }
      const ttlMs = request.ttlSeconds * 1000;
      const token = this.model.addToken({
        parent: parent.accessor,
        policies: request.policies,
        periodMs: null,
        meta: request.meta,
        askedAt,
        endsAt: this.model.now + ttlMs,
      });
      return { token: secretOf(token.value), accessor: token.accessor, ttlMs };
    });
  }

  readSecret(token: Secret, ask: Ask): Promise<IssuedSecret> {
    const as = textOf(token);
    return this.#request('readSecret', ask.path, () => {
      const holder = this.#holder(as);
      const secret = this.model.secrets[ask.path];
      if (!this.#allows(holder, ask.path)) throw refused(403, 'permission denied');
      if (secret === undefined) throw refused(400, `unknown role: ${ask.path}`);
      if (this.model.down.has(secret.engine)) throw unknown('the engine cannot reach its database');
      if (secret.engine === 'kv') {
        return { leaseId: null, ttlMs: null, renewable: false, data: { ...secret.fields } };
      }
      const { id, renewable, endsAt } = this.model.issue(ask.path, secret, holder);
      const ttlMs = endsAt - this.model.now;
      return { leaseId: id, ttlMs, renewable, data: { ...secret.fields, username: `v-${id}` } };
    });
  }

  lookupLease(session: Secret, leaseId: string): Promise<boolean> {
    const as = textOf(session);
    return this.#request('lookupLease', leaseId, () => {
      this.#mayAsAgent(as);
      return this.model.leases.has(leaseId);
    });
  }

  renewLease(
    session: Secret,
    leaseId: string,
    incrementSeconds: number,
  ): Promise<{ ttlMs: number; renewable: boolean }> {
    const as = textOf(session);
    return this.#request('renewLease', leaseId, () => {
      this.#mayAsAgent(as);
      const lease = this.model.leases.get(leaseId);
      if (lease === undefined) throw refused(400, 'lease not found', true);
      // One that its engine could not end yet is not brought back to life.
      if (lease.endsAt <= this.model.now) throw refused(400, 'lease expired');
      if (!lease.renewable) throw refused(400, 'lease is not renewable');
      if (this.model.down.has(this.model.secrets[lease.path]!.engine)) {
        throw refused(400, 'failed to renew entry');
      }
      return { ttlMs: this.model.renew(lease, incrementSeconds * 1000), renewable: true };
    });
  }

  revokeLease(session: Secret, leaseId: string): Promise<void> {
    const as = textOf(session);
    return this.#request('revokeLease', leaseId, () => {
      this.#mayAsAgent(as);
      if (!this.model.endLease(leaseId)) throw refused(400, 'failed to revoke entry');
    });
  }

  revokeToken(session: Secret, accessor: string): Promise<void> {
    const as = textOf(session);
    return this.#request('revokeToken', accessor, () => {
      this.#mayAsAgent(as);
      this.model.endToken(accessor);
    });
  }

  lookupToken(session: Secret, accessor: string): Promise<boolean> {
    const as = textOf(session);
    return this.#request('lookupToken', accessor, () => {
      this.#mayAsAgent(as);
      return this.model.tokens.has(accessor);
    });
  }

  #request<T>(verb: Verb, about: string, answer: () => T): Promise<T> {
    return this.#gate.through(URGENCIES[verb], about.split('/', 1)[0]!, async () => {
      if (!this.alive()) return new Promise<never>(() => undefined);
      this.inFlight += 1;
      try {
        return await this.#travel(verb, about, answer);
      } finally {
        this.inFlight -= 1;
      }
    });
  }

  /** One request: on its way it may be held up, get lost, or come to a sealed server. */
  async #travel<T>(verb: Verb, about: string, answer: () => T): Promise<T> {
    const [out, back] = this.latency(verb);
    const issuing = verb === 'createToken' || verb === 'readSecret';
    const limit = issuing ? LAST_WORD_MS : (this.#options.timeoutMs ?? TIMEOUT_MS);
    const fault = this.fault(verb, about);
    if (fault === 'silent' || out >= limit) {
      if (fault !== 'silent') this.#late(out, answer);
      await this.#pass(limit);
      throw unknown('vault gave no answer in time');
    }
    await this.#pass(out);
    if (fault === 'unreachable') throw failure('notDone', 'VAULT_UNREACHABLE', 'vault cannot be reached');
    if (this.model.sealed) throw failure('later', 'VAULT_SEALED', '503: Vault is sealed');
    if (fault === 'busy') throw failure('later', 'VAULT_UNREACHABLE', '503: overloaded');
    if (typeof fault === 'number') {
      this.onTooMany(verb, about, fault);
      throw tooMany(fault);
    }
    if (fault === 'broken') throw unknown('500: internal error');
    if (fault === 'forbidden') throw refused(403, 'permission denied');
    this.model.expire();
    let result: T;
    try {
      result = answer();
    } catch (error) {
      await this.#pass(Math.min(back, limit - out));
      throw fault === 'lost' ? unknown('vault gave no answer') : error;
    }
    await this.#pass(Math.min(back, limit - out));
    if (fault === 'lost' || out + back > limit) throw unknown('vault gave no answer');
    return result;
  }

  /** Carried out after its sender has given up on it. */
  #late(delayMs: number, answer: () => unknown): void {
    this.#options.clock.after(delayMs, () => {
      if (this.model.sealed) return;
      this.model.expire();
      try {
        answer();
      } catch {
        // Nobody hears of a refusal.
      }
    });
  }

  #pass(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => this.#options.clock.after(ms, resolve));
  }

  #newSession(): SimToken {
    const { leashMs } = this.#options;
    return this.model.addToken({
      parent: null,
      policies: [SESSION_POLICY],
      periodMs: leashMs,
      meta: {},
      askedAt: this.model.now,
      endsAt: this.model.now + leashMs,
    });
  }

  #holder(value: string): SimToken {
    const holder = this.model.tokenOf(value);
    if (holder === undefined) throw refused(403, 'permission denied');
    return holder;
  }

  /** Only a session may do what the agent does; a task's token may not (vault-policies/session.hcl). */
  #mayAsAgent(value: string): SimToken {
    const holder = this.#holder(value);
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

/** Read when the request is made: its owner may wipe it before it arrives. */
const textOf = (secret: Secret): string => Buffer.from(secret.reveal()).toString();
const secretOf = (value: string): Secret => new Secret(Buffer.from(value));

const failure = (kind: FailureKind, code: ProblemCode, detail: string, missing = false): VaultFailure =>
  new VaultFailure(kind, new Problem(code, detail, { hint: 'simulated' }), missing, /\b403\b/.test(detail));
const refused = (status: number, said: string, missing = false): VaultFailure =>
  failure('refused', 'VAULT_DENIED', `${status}: ${said}`, missing);
const unknown = (detail: string): VaultFailure => failure('unknown', 'VAULT_UNREACHABLE', detail);
const tooMany = (retryAfterMs: number): VaultFailure =>
  new VaultFailure(
    'later',
    new Problem('VAULT_UNREACHABLE', '429: request path has exceeded its quota', {
      hint: 'simulated',
      retryAfterMs,
    }),
  );
