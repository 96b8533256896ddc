// Owns everything that may be recorded of a grant. Invariant: a fact holds no secret, is durable before
// what depends on it happens, and the facts of a grant, folded, are the grant (see grant-fold.ts).
// Times inside facts are RFC 3339, because people and other programs read them.

import type { Asserted } from './assertion.ts';
import type { Evidence } from './evidence.ts';
import type { GrantId, ProfileName, TaskId } from './ids.ts';
import type { Proof } from './lease.ts';
import type { ProblemBody } from './problem.ts';
import type { Owner } from './profile.ts';
import type { Hmac, RecordedCaller } from './record.ts';
import type { Scope } from './scope.ts';
import type { Bind, BusinessEvent, Plan } from './task-spec.ts';
import type { TraceContext } from './trace.ts';

/** Why a task is stopped; also its outcome (README, API). */
export type Outcome = 'completed' | 'expired' | 'lost' | 'refused' | 'revoked' | 'failed';

export interface IssuedLease {
  readonly secret: string;
  readonly path: string;
  /** Of its lease; of a certificate without one, mount and serial (certificate.ts). */
  readonly id: string | null;
  readonly ttl_ms: number | null;
  readonly ends_at: string | null;
  readonly renewable: boolean;
  readonly revocable: boolean;
  /** Vault rotates it by itself: its end is that rotation. */
  readonly follows?: true;
}

export interface ReceiptLease {
  readonly secret: string;
  readonly path: string;
  readonly issued_at: string;
  readonly ended_at: string | null;
  readonly proof: Proof;
  readonly ends_at: string | null;
  /** On record only: where the engine is mounted, and the lease's id as the ledger has it. */
  readonly engine?: string;
  readonly lease?: Hmac | null;
}

/** What became of the request for approval. */
export interface ReceiptApproval {
  readonly digest: string;
  readonly given: readonly {
    /** Null for a signed one. */
    readonly uid: number | null;
    readonly signer?: string;
    readonly at: string;
    readonly reason: string | null;
  }[];
  /** Uid null: nobody's word, but the time limit's or a changed profile's. */
  readonly denied: {
    readonly uid: number | null;
    readonly at: string;
    readonly reason: string | null;
  } | null;
}

export interface Receipt {
  readonly task: TaskId;
  readonly profile: ProfileName;
  readonly state: 'closed';
  readonly outcome: Outcome;
  readonly event: BusinessEvent | null;
  readonly started_at: string;
  readonly closed_at: string;
  /** Seconds from the first secret issued to the last one's end. */
  readonly exposure_seconds: number;
  /** Where the profile needed one. */
  readonly approval?: ReceiptApproval;
  readonly leases: readonly ReceiptLease[];
  /** From here on: what is there once it is on record (SealedReceipt). */
  readonly grant?: string;
  readonly profile_version?: string | null;
  readonly caller?: RecordedCaller;
  readonly parent?: string | null;
  readonly files?: { readonly written: readonly string[]; readonly erased_at: string | null };
  readonly ledger?: { readonly id: string; readonly seq: number; readonly prev: string };
  /** All of it, signed: a JWS that anyone can verify with the agent's public key. */
  readonly jws?: string;
}

export type Fact =
  | {
      readonly type: 'grant.accepted';
      readonly task: TaskId;
      readonly profile: ProfileName;
      /** Of the profile's file as it was then; absent where it came from no file. */
      readonly profile_version?: string;
      readonly params: Readonly<Record<string, string>>;
      readonly event: BusinessEvent | null;
      readonly bind: Bind | null;
      /** Who started it: this uid and the admin socket see it. */
      readonly owner: Owner;
      /** Supplementary groups of the caller, and whether it came by the admin socket: what a reload is judged by. */
      readonly groups: readonly number[];
      readonly admin: boolean;
      /** What was seen of the calling process; null where there was none to see. */
      readonly evidence: Evidence | null;
      /** Null when the profile asks for no assertion. */
      readonly asserted: Asserted | null;
      /** What tells the bound process or cgroup from a later one of the same name; null when none is bound. */
      readonly bound: string | null;
      readonly parent: TaskId | null;
      /** The trace that the start was part of, where it said so. */
      readonly trace?: TraceContext;
      /** SHA-256 of the canonical start body. */
      readonly digest: string;
      readonly plan: Plan;
      readonly expires_at: string;
      readonly deadline: string;
      /** How far the deadline may be moved: the end of the task's tokens. */
      readonly latest_deadline: string;
    }
  /** The start waits: nothing is leased before it is approved. */
  | {
      readonly type: 'approval.requested';
      /** SHA-256 of the canonical scope. */
      readonly digest: string;
      readonly scope: Scope;
      readonly approve_by: string;
    }
  | {
      readonly type: 'approval.given';
      /** Null for a signed one, then with who signed it. */
      readonly uid: number | null;
      readonly signer?: string;
      readonly reason: string | null;
    }
  | { readonly type: 'approval.denied'; readonly uid: number | null; readonly reason: string | null }
  /** By as many as it takes: from now on it is a start like any other. */
  | {
      readonly type: 'grant.approved';
      readonly expires_at: string;
      readonly deadline: string;
      readonly latest_deadline: string;
    }
  | {
      readonly type: 'generation.opened';
      readonly n: number;
      /** Why there is another one; null for the first. */
      readonly why: string | null;
      /** Set where the profile has changed since the generation before. */
      readonly plan: Plan | null;
      /** Of the profile's file that this plan is of. */
      readonly profile_version?: string;
    }
  | {
      readonly type: 'token.opened';
      readonly n: number;
      readonly accessor: string;
      /** Accessor of the session token above it; null for one that the task logged in for itself. */
      readonly session: string | null;
      readonly ends_at: string;
      /** Of a token that has to be renewed, by its accessor: the TTL that Vault gave it. */
      readonly ttl_ms?: number;
    }
  | { readonly type: 'token.lost'; readonly n: number }
  | {
      readonly type: 'leases.issued';
      readonly n: number;
      readonly leases: readonly IssuedLease[];
      /** Secrets whose reply was lost: a lease may exist whose id nobody saw. */
      readonly lost: readonly { readonly secret: string; readonly path: string }[];
    }
  | {
      readonly type: 'delivery.published';
      readonly n: number;
      readonly files: readonly string[];
      /** They are what the generation before showed, byte for byte. */
      readonly unchanged?: true;
    }
  | {
      readonly type: 'leases.renewed';
      readonly n: number;
      readonly leases: readonly {
        readonly id: string;
        readonly ttl_ms: number;
        readonly ends_at: string;
        readonly capped: boolean;
      }[];
    }
  | { readonly type: 'renewal.failed'; readonly n: number; readonly problem: ProblemBody }
  /** Vault does not know these leases any more, before their time. */
  | { readonly type: 'leases.lost'; readonly n: number; readonly ids: readonly string[] }
  /** To be revoked at `due`: superseded, or given up half-made because of `problem`. */
  | {
      readonly type: 'generation.retiring';
      readonly n: number;
      readonly due: string;
      readonly problem: ProblemBody | null;
    }
  /** The files of a living task were taken away: their credential is dead and there is no other yet. */
  | { readonly type: 'files.withdrawn'; readonly n: number; readonly detail: string }
  | {
      readonly type: 'deadline.moved';
      readonly expires_at: string;
      readonly deadline: string;
      readonly latest_deadline: string;
    }
  /** A connection holds the task from now on: when it closes, the task stops. */
  | { readonly type: 'grant.held' }
  /** Another agent than the one that started it keeps the task alive from now on. */
  | { readonly type: 'grant.adopted' }
  | {
      readonly type: 'workload.signalled';
      readonly n: number;
      readonly signal: string;
      readonly delivered: boolean;
    }
  | { readonly type: 'grant.refused'; readonly problem: ProblemBody }
  | { readonly type: 'grant.stopping'; readonly reason: Outcome; readonly detail: string | null }
  | { readonly type: 'files.erased'; readonly erased_at: string }
  | { readonly type: 'erasure.failed'; readonly problem: ProblemBody }
  | {
      readonly type: 'leases.known';
      readonly n: number;
      readonly known: readonly string[];
      /** Not known to Vault any more, with what that means. */
      readonly gone: readonly { readonly id: string; readonly proof: Proof }[];
    }
  | { readonly type: 'revocation.failed'; readonly n: number; readonly problem: ProblemBody }
  | {
      readonly type: 'generation.proved';
      readonly n: number;
      readonly leases: readonly { readonly id: string; readonly proof: Proof }[];
    }
  /** An administrator gave the proof up. */
  | { readonly type: 'revocation.abandoned'; readonly reason: string; readonly uid: number }
  | { readonly type: 'grant.closed'; readonly outcome: Outcome; readonly receipt: Receipt };

/** One journal line. */
export interface Entry {
  readonly grant: GrantId;
  readonly at: number;
  readonly wallMs: number;
  readonly fact: Fact;
}
