// The port to Vault: what the engine asks of it and the few answers it relies on. Invariant: createToken
// and readSecret are not cut off while Vault can still answer (120 s, beyond its own 90 s), and repeated
// only after a plain refusal: a reply that nobody waits for would be a credential that nobody ends.

import type { TimedAsk } from '../domain/ask.ts';
import type { Certificate } from '../domain/certificate.ts';
import type { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import type { TaskLogin } from '../domain/task-login.ts';

/**
 * What a failed request means: `refused` Vault said no and will again; `later` not now;
 * `notDone` it never left; `unknown` it may have been carried out.
 */
export type FailureKind = 'refused' | 'later' | 'notDone' | 'unknown';

export class VaultFailure extends Error {
  readonly kind: FailureKind;
  readonly problem: Problem;
  /** Vault answered that there is no such lease or token. */
  readonly missing: boolean;
  /** Vault answered 403: the token is not good, or not good for this. */
  readonly forbidden: boolean;
  /** Set where somebody else may have had a hand in it: the name of the security event. */
  readonly security: string | null;

  constructor(
    kind: FailureKind,
    problem: Problem,
    missing = false,
    forbidden = false,
    security: string | null = null,
  ) {
    super(problem.message, { cause: problem });
    this.name = 'VaultFailure';
    this.kind = kind;
    this.problem = problem;
    this.missing = missing;
    this.forbidden = forbidden;
    this.security = security;
  }
}

/** A token of the agent itself: the parent of every task token. */
export interface SessionToken {
  readonly token: Secret;
  readonly accessor: string;
  readonly ttlMs: number;
}

export interface TokenRequest {
  readonly policies: readonly string[];
  /** The token belongs to the entity that has this alias at the token mount; Vault makes it where there is none. */
  readonly entityAlias?: string;
  readonly ttlSeconds: number;
  readonly displayName: string;
  /** Shown in Vault's audit log beside every request of the token. */
  readonly meta: Readonly<Record<string, string>>;
}

export interface TaskToken {
  readonly token: Secret;
  readonly accessor: string;
  readonly ttlMs: number;
}

/** A login with a task's own assertion, at an auth mount of type jwt. */
export interface TaskLoginRequest extends TaskLogin {
  readonly assertion: Secret;
  /** What the token may have at most; empty where the role alone decides. */
  readonly policies: readonly string[];
  /** What its TTL may be at most: without the agent it ends by then. Milliseconds. */
  readonly longestMs: number;
}

/** The token of such a login, whether it may be used or not: it has to be revoked all the same. */
export interface LoggedIn extends TaskToken {
  /** Claims that the role maps, and the role. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the role gave it, for whoever explains a refusal. */
  readonly policies?: readonly string[];
  /** Why it must not be used. */
  readonly fault: Problem | null;
}

export interface IssuedSecret {
  /** Of a certificate without a lease that its ask wants revoked by its serial: mount and serial (certificate.ts). */
  readonly leaseId: string | null;
  /** Null when the secret has no TTL of its own. */
  readonly ttlMs: number | null;
  readonly renewable: boolean;
  /** Vault rotates it by itself, and its TTL is the time until then. */
  readonly follows?: boolean;
  /** The fields of the secret. Drop it as soon as the files are rendered. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** For what an assertion is presented, by whom. */
export interface UseRecord {
  readonly task: string;
  readonly digest: string;
  /** The agent's own id: what another agent has presented is not ours, whatever it says. */
  readonly agent: string;
}

export interface Renewal {
  readonly ttlMs: number;
  readonly renewable: boolean;
}

export interface Vault {
  /** Logs in with the configured method and makes a session token through the session role. */
  openSession(): Promise<SessionToken>;
  /** Renews the session token; the TTL left, in milliseconds. */
  renewSession(session: Secret): Promise<number>;
  /** Revokes the session token and with it, lazily, whatever hangs under it. */
  closeSession(session: Secret): Promise<void>;
  createToken(session: Secret, request: TokenRequest): Promise<TaskToken>;
  /** Makes a token that is nobody's child and has to be renewed. Never cut off, as createToken. */
  login(request: TaskLoginRequest): Promise<LoggedIn>;
  /** Renews a token by its accessor; what Vault granted. One it does not know fails with `missing`. */
  renewToken(session: Secret, accessor: string, incrementSeconds: number): Promise<Renewal>;
  /**
   * Notes in Vault that this assertion (Asserted.use) is presented; true when it was not before, or for the very same.
   * May be repeated.
   */
  claimUse(session: Secret, use: string, record: UseRecord): Promise<boolean>;
  /** Spends the task's token on one secret. */
  readSecret(token: Secret, ask: TimedAsk): Promise<IssuedSecret>;
  /** True when Vault knows the lease. */
  lookupLease(session: Secret, leaseId: string): Promise<boolean>;
  /** What Vault granted. A lease it does not know fails with `missing`. */
  renewLease(session: Secret, leaseId: string, incrementSeconds: number): Promise<Renewal>;
  /** Revokes with `sync: true`: resolves when the engine has done it (sys/leases/revoke). */
  revokeLease(session: Secret, leaseId: string): Promise<void>;
  /** What the mount says of a certificate: revoked or expired, or neither; `unknown` where it does not store it. */
  lookupCertificate(certificate: Certificate): Promise<'valid' | 'ended' | 'unknown'>;
  /** Puts the serial on the mount's list of revoked ones; one that is there already is a success. */
  revokeCertificate(session: Secret, certificate: Certificate): Promise<void>;
  /** Whether the session may revoke certificates at that mount. */
  mayRevokeCertificates(session: Secret, mount: string): Promise<boolean>;
  /** Revokes a token by accessor; a token that is gone already is a success. */
  revokeToken(session: Secret, accessor: string): Promise<void>;
  /** True when Vault knows the token. */
  lookupToken(session: Secret, accessor: string): Promise<boolean>;
  /**
   * What the policies of a token permit at a path, in Vault's words (`deny` for nothing); parameters do not count here.
   * Null where the session may not ask. A token that Vault does not know fails with `missing`.
   */
  rightsOf(session: Secret, accessor: string, path: string): Promise<readonly string[] | null>;
}
