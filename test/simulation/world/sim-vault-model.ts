// Owns what a Vault server holds: tokens in their tree, leases under them, the credentials that its engines
// made. Invariant: as in Vault, a token takes its children and leases with it; while sealed nothing ends;
// what an engine cannot take back stays a known lease, tried six times and then left for good.

import { certificateId, certificateMount } from '../../../src/domain/certificate.ts';
import { unitHash } from '../../../src/domain/hash.ts';
import type { Clock } from '../../../src/ports/clock.ts';

/** What one path issues. */
export interface SimSecret {
  readonly engine: 'database' | 'pki' | 'kv' | 'static' | 'totp';
  /** A certificate of a role with generate_lease: false, and perhaps no_store: true. */
  readonly leaseless?: 'stored' | 'not stored';
  /** It has a lease, and lives on when that is revoked. */
  readonly lasting?: true;
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface SimToken {
  readonly accessor: string;
  readonly value: string;
  readonly parent: string | null;
  readonly policies: readonly string[];
  /** Name of the alias whose entity it belongs to. */
  readonly alias: string | null;
  /** Set for a periodic token: what each renewal gives. */
  readonly periodMs: number | null;
  readonly meta: Readonly<Record<string, string>>;
  /** When its request was made; it arrives later. */
  readonly askedAt: number;
  readonly createdAt: number;
  endsAt: number;
}

export interface SimLease {
  readonly id: string;
  readonly path: string;
  readonly accessor: string;
  readonly renewable: boolean;
  readonly maxEndsAt: number;
  endsAt: number;
  /** Why it is to end, once that is so. */
  cause: EndCause | null;
  /** Attempts of Vault itself to revoke it; after six it is irrevocable. */
  attempts: number;
  retryAt: number;
}

/** What lives in a database, or a certificate that is not revoked, whatever Vault thinks of it. */
export interface SimCredential {
  readonly path: string;
  readonly accessor: string;
  readonly task: string | null;
  readonly issuedAt: number;
  /** The engine's own end: PostgreSQL's VALID UNTIL, a certificate's notAfter. */
  validUntil: number;
  /** Nothing ends it before that, or nobody knows by what. */
  readonly lasting: boolean;
}

/** Why something ended: by its own time or a parent's, by a request or a parent's, by an administrator. */
export type EndCause = 'expired' | 'parent' | 'revoked' | 'token' | 'admin' | 'forgotten';

export interface Snapshot {
  readonly takenAt: number;
  readonly tokens: readonly SimToken[];
  readonly leases: readonly SimLease[];
  readonly certificates: readonly SimCertificate[];
}

/** On record at its mount. */
export interface SimCertificate {
  /** Mount and serial, as certificateId writes it. */
  readonly id: string;
  readonly endsAt: number;
  revoked: boolean;
  /** When a revocation that was taken is to be carried out; null while none is. */
  dueAt: number | null;
}

const beneath = (cause: EndCause): EndCause =>
  cause === 'revoked' ? 'token' : cause === 'expired' ? 'parent' : cause;

const MAX_ATTEMPTS = 6;
const RETRY_BASE_MS = 10_000;
/** PostgreSQL logins are made to last a little longer than their leases. */
const DATABASE_MARGIN_MS = 5000;

export class SimVaultModel {
  sealed = false;
  /** How long a revocation by serial that is answered waits until it is carried out (Vault's own queue). */
  queueMs = 0;
  /** Told of each that waits. */
  onQueued: (ms: number) => void = () => undefined;
  /** Engines that cannot reach what they manage. */
  readonly down = new Set<SimSecret['engine']>();
  readonly tokens = new Map<string, SimToken>();
  readonly leases = new Map<string, SimLease>();
  readonly certificates = new Map<string, SimCertificate>();
  /** Assertions that were presented, and for what. */
  readonly uses = new Map<string, string>();
  /** By lease id. Judges look here, not at the leases. */
  readonly credentials = new Map<string, SimCredential>();
  /** By which token each was issued, whatever became of it. */
  readonly issuers = new Map<string, string>();
  /** How leases (by id) and tokens (by accessor) ended. */
  readonly ended = new Map<string, { readonly cause: EndCause; readonly at: number }>();
  readonly secrets: Readonly<Record<string, SimSecret>>;
  readonly #clock: Clock;
  readonly #byValue = new Map<string, SimToken>();
  /** Of each static role its password, since when it is that, and when each one before was rotated away. */
  readonly #roles = new Map<string, { n: number; at: number; readonly turned: number[] }>();
  #count = 0;

  constructor(clock: Clock, secrets: Readonly<Record<string, SimSecret>>) {
    this.#clock = clock;
    this.secrets = secrets;
  }

  get now(): number {
    return this.#clock.now().at;
  }

  /** Ends whatever is overdue; called before every look. */
  expire(): void {
    if (this.sealed) return;
    const { now } = this;
    for (const path of this.#roles.keys()) this.#rotate(path);
    for (const token of this.tokens.values()) {
      if (token.endsAt <= now) this.endToken(token.accessor, 'expired');
    }
    for (const lease of this.leases.values()) {
      if (lease.endsAt <= now && lease.retryAt <= now) this.#endByItself(lease);
    }
    for (const { id, dueAt } of this.certificates.values()) {
      if (dueAt !== null && dueAt <= now) this.#endCertificate(id, 'revoked');
    }
    for (const { id, endsAt, revoked } of this.certificates.values()) {
      if (endsAt <= now && !revoked && this.credentials.delete(id))
        this.ended.set(id, { cause: 'expired', at: now });
    }
  }

  addToken(token: Omit<SimToken, 'accessor' | 'value' | 'createdAt'>): SimToken {
    this.#count += 1;
    // The value says that it is a secret: judges look for it where it must not be.
    const made = {
      ...token,
      accessor: `accessor-${this.#count}`,
      value: `hvs.CANARY-${this.#count}`,
      createdAt: this.now,
    };
    this.#keep(made);
    return made;
  }

  tokenOf(value: string): SimToken | undefined {
    return this.#byValue.get(value);
  }

  /** Revokes a token: at once, its children with it; its leases are due at once, whenever the engine can. */
  endToken(accessor: string, cause: EndCause = 'revoked'): void {
    const ending = this.tokens.get(accessor);
    if (ending === undefined) return;
    this.tokens.delete(accessor);
    this.#byValue.delete(ending.value);
    this.ended.set(accessor, { cause, at: this.now });
    for (const token of this.tokens.values()) {
      if (token.parent === accessor) this.endToken(token.accessor, beneath(cause));
    }
    for (const lease of this.leases.values()) {
      if (lease.accessor !== accessor) continue;
      lease.endsAt = Math.min(lease.endsAt, this.now);
      this.#endByItself(lease, beneath(cause));
    }
  }

  issue(path: string, secret: SimSecret, token: SimToken, ttlMs = secret.ttlMs): SimLease {
    this.#count += 1;
    const lease = {
      id: `${path}/lease-${this.#count}`,
      path,
      accessor: token.accessor,
      renewable: secret.engine === 'database',
      endsAt: this.now + Math.min(ttlMs, secret.maxTtlMs),
      maxEndsAt: this.now + secret.maxTtlMs,
      cause: null,
      attempts: 0,
      retryAt: 0,
    };
    this.leases.set(lease.id, lease);
    this.issuers.set(lease.id, token.accessor);
    this.credentials.set(lease.id, {
      path,
      accessor: token.accessor,
      task: token.meta.task ?? null,
      issuedAt: this.now,
      validUntil: lease.endsAt + DATABASE_MARGIN_MS,
      lasting: secret.lasting === true,
    });
    return lease;
  }

  /**
   * A certificate that hangs under no token: its id, by which it is revoked where its role stores it.
   * @param told its holder wants to know by what it is revoked
   */
  certify(path: string, { leaseless }: SimSecret, token: SimToken, ttlMs: number, told: boolean): string {
    this.#count += 1;
    const id = certificateId({ mount: certificateMount(path)!, serial: `0${this.#count}` });
    const endsAt = this.now + ttlMs;
    const { accessor, meta } = token;
    this.issuers.set(id, accessor);
    this.credentials.set(id, {
      path,
      accessor,
      task: meta.task ?? null,
      issuedAt: this.now,
      validUntil: endsAt,
      lasting: leaseless === 'not stored' || !told,
    });
    if (leaseless === 'stored') this.certificates.set(id, { id, endsAt, revoked: false, dueAt: null });
    return id;
  }

  /** False when the mount has no such certificate. */
  revokeCertificate(id: string, cause: EndCause = 'revoked'): boolean {
    const certificate = this.certificates.get(id);
    if (certificate === undefined) return false;
    if (certificate.revoked || certificate.endsAt <= this.now) return true;
    if (this.queueMs === 0 || cause === 'admin') this.#endCertificate(id, cause);
    else if (certificate.dueAt === null) {
      certificate.dueAt = this.now + this.queueMs;
      this.onQueued(this.queueMs);
    }
    return true;
  }

  #endCertificate(id: string, cause: EndCause): void {
    const certificate = this.certificates.get(id)!;
    if (certificate.revoked) return;
    certificate.revoked = true;
    this.credentials.delete(id);
    this.ended.set(id, { cause, at: this.now });
  }

  /** A lease that Vault knows, or a certificate that it has on record and that is valid. */
  lives(id: string): boolean {
    const certificate = this.certificates.get(id);
    if (certificate === undefined) return this.leases.has(id);
    return !certificate.revoked && certificate.endsAt > this.now;
  }

  /** The credential of a static role: which one it is, and how long until Vault rotates it. It does so when it can. */
  rotating(path: string, { ttlMs: periodMs }: SimSecret): { readonly n: number; readonly ttlMs: number } {
    const role = this.#roles.get(path) ?? { n: 1, at: this.now, turned: [] };
    this.#roles.set(path, role);
    this.#rotate(path);
    return { n: role.n, ttlMs: Math.max(0, role.at + periodMs - this.now) };
  }

  /** The code of this moment: another one each time that the period has passed. */
  code({ ttlMs: periodMs }: SimSecret): { readonly n: number; readonly ttlMs: number } {
    const n = Math.floor(this.now / periodMs);
    return { n, ttlMs: (n + 1) * periodMs - this.now };
  }

  /** Since when the `n`th value of this path is no longer the one that counts; null while it is. */
  outdatedAt(path: string, n: number): number | null {
    const { engine, ttlMs: periodMs } = this.secrets[path]!;
    if (engine === 'static') return this.#roles.get(path)?.turned[n - 1] ?? null;
    return (n + 1) * periodMs <= this.now ? (n + 1) * periodMs : null;
  }

  #rotate(path: string): void {
    const role = this.#roles.get(path)!;
    const { ttlMs: periodMs } = this.secrets[path]!;
    while (!this.down.has('static') && role.at + periodMs <= this.now) {
      role.n += 1;
      role.at += periodMs;
      // Late, where its database was away.
      role.turned.push(this.now);
    }
  }

  /** What a renewal gives: never more than the engine's max TTL leaves. Milliseconds. */
  renew(lease: SimLease, askedMs: number): number {
    const ttlMs = Math.max(0, Math.min(askedMs, lease.maxEndsAt - this.now));
    lease.endsAt = this.now + ttlMs;
    const credential = this.credentials.get(lease.id);
    if (credential !== undefined) credential.validUntil = lease.endsAt + DATABASE_MARGIN_MS;
    return ttlMs;
  }

  /** False when the engine could not: the lease stays. */
  endLease(id: string, cause: EndCause = 'revoked'): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined) return true;
    const { engine, lasting } = this.secrets[lease.path]!;
    if (this.down.has(engine)) return false;
    this.leases.delete(id);
    if (lasting !== true) this.credentials.delete(id);
    this.ended.set(id, { cause, at: this.now });
    return true;
  }

  /** What a backup of the storage would hold. */
  snapshot(): Snapshot {
    return {
      takenAt: this.now,
      tokens: [...this.tokens.values()].map((token) => ({ ...token })),
      leases: [...this.leases.values()].map((lease) => ({ ...lease })),
      certificates: [...this.certificates.values()].map((certificate) => ({ ...certificate })),
    };
  }

  /** Restored from a snapshot: what is younger is forgotten, what was ended since is back; databases stay. */
  restore({ tokens, leases, certificates }: Snapshot): void {
    const ids = [...leases, ...certificates].map(({ id }) => id);
    const kept = new Set([...tokens.map(({ accessor }) => accessor), ...ids]);
    for (const name of [...this.tokens.keys(), ...this.leases.keys(), ...this.certificates.keys()]) {
      if (!kept.has(name)) this.ended.set(name, { cause: 'forgotten', at: this.now });
    }
    this.tokens.clear();
    this.#byValue.clear();
    this.leases.clear();
    this.certificates.clear();
    for (const token of tokens) this.#keep({ ...token });
    for (const certificate of certificates) this.certificates.set(certificate.id, { ...certificate });
    for (const lease of leases) this.leases.set(lease.id, { ...lease, retryAt: 0 });
  }

  /** Restored from a snapshot that is older than these leases: Vault forgets, the database does not. */
  forgetLeases(): void {
    const certificates = [...this.certificates.values()];
    this.restore({ takenAt: 0, tokens: [...this.tokens.values()], leases: [], certificates });
  }

  /** Restarted or unsealed: what was waiting for its next attempt is tried at once; irrevocable stays. */
  restarted(): void {
    for (const lease of this.leases.values()) if (lease.attempts < MAX_ATTEMPTS) lease.retryAt = 0;
  }

  #keep(token: SimToken): void {
    this.tokens.set(token.accessor, token);
    this.#byValue.set(token.value, token);
  }

  /** Vault's own attempt, with its own patience (vault/expiration.go: six tries, doubling from 10 s). */
  #endByItself(lease: SimLease, cause: EndCause = 'expired'): void {
    lease.cause ??= cause;
    if (this.endLease(lease.id, lease.cause)) return;
    lease.attempts += 1;
    const spread = 0.5 + unitHash(`${lease.id}/${lease.attempts}`);
    lease.retryAt =
      lease.attempts >= MAX_ATTEMPTS
        ? Number.POSITIVE_INFINITY
        : this.now + 2 ** lease.attempts * RETRY_BASE_MS * spread;
  }
}
