// Owns the Vault port on a simulated server: each verb with the answers and failures that a real Vault 1.21
// gives. The contract suite holds it to that.

import type { TimedAsk } from '../../../src/domain/ask.ts';
import { type Certificate, certificateId } from '../../../src/domain/certificate.ts';
import { Secret } from '../../../src/domain/secret.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type {
  IssuedSecret,
  LoggedIn,
  Renewal,
  SessionToken,
  TaskLoginRequest,
  TaskToken,
  TokenRequest,
  UseRecord,
  Vault,
} from '../../../src/ports/vault.ts';
import { SimRoad } from './sim-road.ts';
import { type SimSecret, type SimToken, SimVaultModel } from './sim-vault-model.ts';
import { failure, refused, unknown } from './vault-failures.ts';

export { type Fault, LAST_WORD_MS, TIMEOUT_MS, type Verb } from './sim-road.ts';

export interface SimVaultOptions {
  readonly clock: Clock;
  readonly leashMs: number;
  readonly secrets: Readonly<Record<string, SimSecret>>;
  /**
   * Policy → the paths it allows; a `*` at the end stands for anything, the template below for the name of the
   * token's entity alias.
   */
  readonly policies: Readonly<Record<string, readonly string[]>>;
  /** What the token role allows as entity alias (allowed_entity_aliases); nothing by default. */
  readonly entityAliases?: readonly string[];
  /** PKI mounts at which the session's policy does not allow revocations by serial. */
  readonly irrevocableMounts?: readonly string[];
  /** How long a request may take that issues nothing. Milliseconds. */
  readonly timeoutMs?: number;
}

/** As a policy writes it; the accessor of the token mount is any. */
const ALIAS_NAME = /\{\{identity\.entity\.aliases\.[A-Za-z0-9_]+\.name\}\}/;

/** Policies of the agent's own tokens, as in vault-policies/. */
export const SESSION_POLICY = 'tasklease-session';

export class SimVault extends SimRoad implements Vault {
  readonly #options: SimVaultOptions;

  constructor(options: SimVaultOptions, model = new SimVaultModel(options.clock, options.secrets)) {
    super(options.clock, model, options.timeoutMs);
    this.#options = options;
  }

  /** Another client of the same server, with another session role. */
  withLeash(leashMs: number): SimVault {
    return new SimVault({ ...this.#options, leashMs }, this.model);
  }

  openSession(): Promise<SessionToken> {
    return this.request('openSession', '', () => {
      const { value, accessor, periodMs } = this.#newSession();
      return { token: secretOf(value), accessor, ttlMs: periodMs! };
    });
  }

  renewSession(session: Secret): Promise<number> {
    const as = textOf(session);
    return this.request('renewSession', '', () => {
      const token = this.#mayAsAgent(as);
      token.endsAt = this.model.now + token.periodMs!;
      return token.periodMs!;
    });
  }

  closeSession(session: Secret): Promise<void> {
    const as = textOf(session);
    return this.request('closeSession', '', () => this.model.endToken(this.#mayAsAgent(as).accessor));
  }

  createToken(session: Secret, request: TokenRequest): Promise<TaskToken> {
    const as = textOf(session);
    const askedAt = this.model.now;
    return this.request('createToken', request.meta.task ?? '', () => {
      const parent = this.#mayAsAgent(as);
      const foreign = request.policies.find((name) => this.#options.policies[name] === undefined);
      if (foreign !== undefined || request.policies.length === 0) {
        throw refused(400, `token policies (${request.policies.join(', ')}) must be subset of the role's`);
      }
      const { entityAlias = null } = request;
      const { entityAliases = [] } = this.#options;
      if (entityAlias !== null && !entityAliases.some((allowed) => fits(entityAlias, allowed))) {
        throw refused(400, "invalid 'entity_alias' value");
      }
      const ttlMs = request.ttlSeconds * 1000;
      const token = this.model.addToken({
        parent: parent.accessor,
        policies: request.policies,
        alias: entityAlias,
        periodMs: null,
        meta: request.meta,
        askedAt,
        endsAt: this.model.now + ttlMs,
      });
      return { token: secretOf(token.value), accessor: token.accessor, ttlMs };
    });
  }

  claimUse(session: Secret, use: string, record: UseRecord): Promise<boolean> {
    const as = textOf(session);
    return this.request('claimUse', record.task, () => {
      this.#mayAsAgent(as);
      const said = JSON.stringify([record.task, record.digest, record.agent]);
      const there = this.model.uses.get(use) ?? said;
      this.model.uses.set(use, there);
      return there === said;
    });
  }

  /** Takes whatever assertion says who it is; the role is the policy. */
  login({ role, assertion, longestMs }: TaskLoginRequest): Promise<LoggedIn> {
    const said = textOf(assertion);
    const askedAt = this.model.now;
    return this.request('login', role, () => {
      const policies = [role];
      if (this.#options.policies[role] === undefined) throw refused(400, `role "${role}" could not be found`);
      if (!said.startsWith('signed:')) throw refused(400, 'error validating token');
      const endsAt = this.model.now + longestMs;
      const token = this.model.addToken({
        parent: null,
        policies,
        alias: null,
        periodMs: null,
        meta: {},
        askedAt,
        endsAt,
      });
      const { accessor } = token;
      return { token: secretOf(token.value), accessor, ttlMs: longestMs, metadata: { role }, fault: null };
    });
  }

  renewToken(session: Secret, accessor: string, incrementSeconds: number): Promise<Renewal> {
    const as = textOf(session);
    return this.request('renewToken', accessor, () => {
      this.#mayAsAgent(as);
      const token = this.model.tokens.get(accessor);
      if (token === undefined) throw refused(403, 'invalid accessor', true);
      token.endsAt = this.model.now + incrementSeconds * 1000;
      return { ttlMs: incrementSeconds * 1000, renewable: true };
    });
  }

  readSecret(token: Secret, ask: TimedAsk): Promise<IssuedSecret> {
    const as = textOf(token);
    return this.request('readSecret', ask.path, () => {
      const holder = this.#holder(as);
      const secret = this.model.secrets[ask.path];
      if (!this.#allows(holder, ask.path)) throw refused(403, 'permission denied');
      if (secret === undefined) throw refused(400, `unknown role: ${ask.path}`);
      if (secret.engine === 'static') return this.#static(ask, secret);
      if (secret.engine === 'totp') return follows(secret, this.model.code(secret));
      if (this.model.down.has(secret.engine)) throw unknown('the engine cannot reach its database');
      if (secret.engine === 'kv') {
        return { leaseId: null, ttlMs: null, renewable: false, data: { ...secret.fields } };
      }
      const ttlMs = ttlOf(ask, secret);
      if (secret.leaseless !== undefined) {
        const told = ask.revoke === 'serial';
        const id = this.model.certify(ask.path, secret, holder, ttlMs, told);
        const leaseId = told && secret.leaseless === 'stored' ? id : null;
        return { leaseId, ttlMs, renewable: false, data: { ...secret.fields, serial_number: id } };
      }
      const { id, renewable, endsAt } = this.model.issue(ask.path, secret, holder, ttlMs);
      const named = secret.engine === 'pki' ? { serial_number: id } : { username: `v-${id}` };
      return { leaseId: id, ttlMs: endsAt - this.model.now, renewable, data: { ...secret.fields, ...named } };
    });
  }

  lookupCertificate(certificate: Certificate): Promise<'valid' | 'ended' | 'unknown'> {
    return this.request('lookupCertificate', certificateId(certificate), () => {
      const found = this.model.certificates.get(certificateId(certificate));
      if (found === undefined) return 'unknown';
      return found.revoked || found.endsAt <= this.model.now ? 'ended' : 'valid';
    });
  }

  revokeCertificate(session: Secret, certificate: Certificate): Promise<void> {
    const as = textOf(session);
    const id = certificateId(certificate);
    return this.request('revokeCertificate', id, () => {
      this.#mayAsAgent(as);
      if (this.model.down.has('pki')) throw unknown('the engine cannot write');
      if (!this.model.revokeCertificate(id)) throw refused(400, `certificate with serial ${id} not found`);
    });
  }

  mayRevokeCertificates(session: Secret, mount: string): Promise<boolean> {
    const as = textOf(session);
    return this.request('mayRevokeCertificates', mount, () => {
      this.#mayAsAgent(as);
      return !(this.#options.irrevocableMounts ?? []).includes(mount);
    });
  }

  lookupLease(session: Secret, leaseId: string): Promise<boolean> {
    const as = textOf(session);
    return this.request('lookupLease', leaseId, () => {
      this.#mayAsAgent(as);
      return this.model.leases.has(leaseId);
    });
  }

  renewLease(session: Secret, leaseId: string, incrementSeconds: number): Promise<Renewal> {
    const as = textOf(session);
    return this.request('renewLease', leaseId, () => {
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
    return this.request('revokeLease', leaseId, () => {
      this.#mayAsAgent(as);
      if (!this.model.endLease(leaseId)) throw refused(400, 'failed to revoke entry');
    });
  }

  revokeToken(session: Secret, accessor: string): Promise<void> {
    const as = textOf(session);
    return this.request('revokeToken', accessor, () => {
      this.#mayAsAgent(as);
      this.model.endToken(accessor);
    });
  }

  lookupToken(session: Secret, accessor: string): Promise<boolean> {
    const as = textOf(session);
    return this.request('lookupToken', accessor, () => {
      this.#mayAsAgent(as);
      return this.model.tokens.has(accessor);
    });
  }

  rightsOf(session: Secret, accessor: string, path: string): Promise<readonly string[] | null> {
    const as = textOf(session);
    return this.request('rightsOf', accessor, () => {
      this.#mayAsAgent(as);
      const token = this.model.tokens.get(accessor);
      if (token === undefined) throw refused(400, 'invalid accessor', true);
      return this.#allows(token, path) ? ['read', 'update'] : ['deny'];
    });
  }

  #static(ask: TimedAsk, secret: SimSecret): IssuedSecret {
    const { n, ttlMs } = this.model.rotating(ask.path, secret);
    if (ask.fresh === true && ttlMs === 0)
      throw failure('later', 'VAULT_UNREACHABLE', 'it is due, and not rotated');
    return follows(secret, { n, ttlMs }, { username: 'app', password: `CANARY-password-${n}` });
  }

  #newSession(): SimToken {
    const { leashMs } = this.#options;
    return this.model.addToken({
      parent: null,
      policies: [SESSION_POLICY],
      alias: null,
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
      (this.#options.policies[name] ?? []).some((allowed) => {
        if (!ALIAS_NAME.test(allowed)) return fits(path, allowed);
        // Without an alias Vault leaves the rule out.
        return holder.alias !== null && fits(path, allowed.replace(ALIAS_NAME, holder.alias));
      }),
    );
  }
}

/** What a request may ask for, below the role's own. */
function ttlOf({ body, query }: TimedAsk, { ttlMs }: SimSecret): number {
  const seconds = /^(\d+)s$/.exec(String(body?.ttl ?? query?.ttl ?? ''))?.[1];
  return seconds === undefined ? ttlMs : Math.min(ttlMs, Number(seconds) * 1000);
}

/** A value that is good until the next one comes, and which one it is. */
const follows = (
  { fields }: SimSecret,
  { n, ttlMs }: { readonly n: number; readonly ttlMs: number },
  more: Readonly<Record<string, unknown>> = {},
): IssuedSecret => ({
  leaseId: null,
  ttlMs,
  renewable: false,
  follows: true,
  data: { ...fields, ...more, number: n, ttl: ttlMs / 1000 },
});

const fits = (text: string, allowed: string): boolean =>
  allowed.endsWith('*') ? text.startsWith(allowed.slice(0, -1)) : text === allowed;

/** Read when the request is made: its owner may wipe it before it arrives. */
const textOf = (secret: Secret): string => Buffer.from(secret.reveal()).toString();
const secretOf = (value: string): Secret => new Secret(Buffer.from(value));
