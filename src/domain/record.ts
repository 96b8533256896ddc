// Owns the shape of the ledger's records, version 1: what an auditor reads long after the journal has forgotten.
// Invariant: no secret, and no accessor or lease id in clear: they are an Hmac, which whoever holds the ledger's key can
// match and nobody else can use. schema/ledger-record.ts says the same to a reader of files.

import type { Outcome, ReceiptApproval, ReceiptLease } from './fact.ts';
import type { Proof } from './lease.ts';
import type { ProblemCode } from './problem.ts';
import type { Bind, BusinessEvent } from './task-spec.ts';

/** `hmac-sha256:` and 64 hexadecimal digits, as Vault's own audit log writes them. */
export type Hmac = string;

/** Who asked: uid and gid as the kernel said, and what could be seen of the process. */
export interface RecordedCaller {
  readonly uid: number;
  readonly gid: number;
  /** It came by the admin socket. */
  readonly admin: boolean;
  readonly pid: number | null;
  readonly exe: string | null;
  readonly cgroup: string | null;
  readonly container: string | null;
}

export interface RecordedProblem {
  readonly code: ProblemCode;
  readonly detail: string;
}

export interface RecordedAsk {
  readonly secret: string;
  readonly method: 'read' | 'write';
  readonly path: string;
  readonly files: readonly string[];
}

/** Ends as RFC 3339. */
export interface RecordedTerm {
  readonly expires_at: string;
  readonly deadline: string;
  readonly latest_deadline: string;
}

/** A public Ed25519 key (RFC 8037). */
export interface PublicKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  /** Its thumbprint (RFC 7638). */
  readonly kid: string;
}

/** What a signed receipt says beside what the API's receipt always said. */
export interface SealedReceipt {
  readonly task: string;
  readonly profile: string;
  readonly state: 'closed';
  readonly outcome: Outcome;
  readonly event: BusinessEvent | null;
  readonly started_at: string;
  readonly closed_at: string;
  readonly exposure_seconds: number;
  readonly approval?: ReceiptApproval;
  readonly leases: readonly (Omit<ReceiptLease, 'engine' | 'lease'> & {
    /** The first segment of the path: where the engine is mounted. */
    readonly engine: string;
    readonly lease: Hmac | null;
  })[];
  readonly grant: string;
  readonly profile_version: string | null;
  readonly caller: RecordedCaller;
  readonly parent: string | null;
  readonly files: { readonly written: readonly string[]; readonly erased_at: string | null };
  /** Where its record stands: number, and the hash of the record before it. */
  readonly ledger: { readonly id: string; readonly seq: number; readonly prev: string };
}

type Body<Type extends string, Said> = { readonly type: Type; readonly fact: Readonly<Said> };
type Empty = Readonly<Record<string, never>>;

/** Facts of a grant. */
export type GrantBody =
  | Body<
      'grant.accepted',
      RecordedTerm & {
        params: Readonly<Record<string, string>>;
        bind: Bind | null;
        assertion: {
          readonly issuer: string;
          readonly subject: string | null;
          readonly expires_at: string;
          readonly claims: Readonly<Record<string, unknown>>;
        } | null;
        /** SHA-256 of the canonical start body. */
        digest: string;
        policies: readonly string[];
        login: { readonly mount: string; readonly role: string } | null;
        entity_alias: string | null;
        secrets: readonly RecordedAsk[];
        reader: { readonly uid: number; readonly gid: number };
      }
    >
  | Body<
      'approval.requested',
      { digest: string; approve_by: string; approvers: readonly number[]; count: number }
    >
  | Body<'approval.given', { uid: number | null; signer: string | null; reason: string | null }>
  | Body<'approval.denied', { uid: number | null; reason: string | null }>
  | Body<'grant.approved', RecordedTerm>
  | Body<
      'generation.opened',
      {
        n: number;
        why: string | null;
        /** The version that it goes by from here on, where that is not the one before. */
        profile_version: string | null;
        /** Set where the profile has changed since the generation before. */
        policies: readonly string[] | null;
        secrets: readonly RecordedAsk[] | null;
      }
    >
  | Body<'token.opened', { n: number; token: Hmac; session: Hmac | null; ends_at: string }>
  | Body<'token.lost', { n: number }>
  | Body<
      'leases.issued',
      {
        n: number;
        leases: readonly {
          readonly secret: string;
          readonly path: string;
          readonly lease: Hmac | null;
          readonly ends_at: string | null;
          readonly renewable: boolean;
          readonly revocable: boolean;
        }[];
        lost: readonly { readonly secret: string; readonly path: string }[];
      }
    >
  | Body<'delivery.published', { n: number; files: readonly string[] }>
  | Body<
      'leases.renewed',
      {
        n: number;
        leases: readonly { readonly lease: Hmac; readonly ends_at: string; readonly capped: boolean }[];
      }
    >
  | Body<'renewal.failed' | 'revocation.failed', { n: number; problem: RecordedProblem }>
  | Body<'leases.lost', { n: number; leases: readonly Hmac[] }>
  | Body<'generation.retiring', { n: number; due: string; problem: RecordedProblem | null }>
  | Body<'files.withdrawn', { n: number; detail: string }>
  | Body<'deadline.moved', RecordedTerm>
  | Body<'grant.held' | 'grant.adopted', Empty>
  | Body<'workload.signalled', { n: number; signal: string; delivered: boolean }>
  | Body<'grant.refused' | 'erasure.failed', { problem: RecordedProblem }>
  | Body<'grant.stopping', { reason: Outcome; detail: string | null }>
  | Body<'files.erased', { erased_at: string }>
  | Body<
      'leases.known',
      {
        n: number;
        known: readonly Hmac[];
        gone: readonly { readonly lease: Hmac; readonly proof: Proof }[];
      }
    >
  | Body<
      'generation.proved',
      { n: number; leases: readonly { readonly lease: Hmac; readonly proof: Proof }[] }
    >
  | Body<'revocation.abandoned', { reason: string; uid: number }>
  | Body<'grant.closed', { outcome: Outcome; receipt: SealedReceipt; jws: string }>;

/** What the ledger says of the agent and of itself. */
export type LedgerBody =
  /** A start that was refused before there was a grant; `left_out` others before it are not on record one by one. */
  | Body<'start.refused', { problem: RecordedProblem; left_out: number }>
  | Body<'refusals.left_out', { count: number }>
  /** An agent begins: what Vault answered the one before it, and nobody heard, is not on record. */
  | Body<'agent.started', { version: string }>
  | Body<'ledger.opened', { ledger: string; key: PublicKey }>
  /** `signed` is by the key before it; null where that was lost. */
  | Body<'key.rotated', { key: PublicKey; signed: string | null }>
  /** A JWS over the number and the hash of the record before this one. */
  | Body<'head', { jws: string }>
  /** Records that were archived or deleted by age or size; the next one's `prev` is `hash`. */
  | Body<
      'segment.retired',
      { from: number; to: number; hash: string; why: 'age' | 'size'; archived: boolean }
    >
  /** What is on disk is not what was written there. */
  | Body<'ledger.mismatch', { detail: string }>;

export interface Envelope {
  readonly v: 1;
  /** From 1, without a gap. */
  readonly seq: number;
  /** The hash of the record before; 64 zeros in the first. */
  readonly prev: string;
  /** By the wall clock. RFC 3339. */
  readonly time: string;
  /** /proc/sys/kernel/random/boot_id, and milliseconds of CLOCK_BOOTTIME in it. */
  readonly boot: string;
  readonly boot_ms: number;
  /** One life of a task id: `<task>#<n>`; null where the record is of no grant. */
  readonly grant: string | null;
  readonly task: string | null;
  readonly profile: string | null;
  /** `sha256:` of the profile's file as it was at the start; null where it is not known. */
  readonly profile_version: string | null;
  readonly event: BusinessEvent | null;
  readonly caller: RecordedCaller | null;
  readonly parent: string | null;
  /** SHA-256 of the line up to `,"hash":`. */
  readonly hash: string;
}

/** Something that belongs to no grant, on its way to the record. */
export interface Notice {
  readonly at: number;
  readonly wallMs: number;
  readonly about?: {
    readonly task: string;
    readonly profile: string;
    readonly event: BusinessEvent | null;
    readonly caller: RecordedCaller;
    readonly parent: string | null;
  };
  readonly body: LedgerBody;
}

export type LedgerRecord = Envelope & (GrantBody | LedgerBody);
