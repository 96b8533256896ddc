// Owns what can happen to a grant (events, past tense) and what it can ask for (effects, imperative).

import type { IssuedLease, Outcome } from './fact.ts';
import type { Instant } from './instant.ts';
import type { Problem } from './problem.ts';
import type { Plan } from './task-spec.ts';

export type LeaseRenewal =
  | {
      readonly id: string;
      /** What was asked for. */
      readonly incrementSeconds: number;
      readonly ttlMs: number;
      /** Counts from when the renewal was asked for: a reply that comes late tells of an earlier end. */
      readonly endsAt: Instant;
      readonly renewable: boolean;
    }
  /** Lost: Vault knows no such lease. Refused: by a policy, which asking again does not change. */
  | { readonly id: string; readonly problem: Problem; readonly what: 'lost' | 'refused' | 'failed' };

/** Whether a task that an earlier agent left is taken over: its process, deadline, profile and files in order. */
export type Verdict =
  | {
      readonly adopted: true;
      /** What its profile says by now. */
      readonly plan: Plan;
      readonly latestDeadline: Instant;
      /** Of its file, where that says so. */
      readonly version?: string | null;
      /** The session above its token is renewed by this agent. */
      readonly held: boolean;
    }
  | { readonly adopted: false; readonly why: string };

export type GrantEvent =
  | {
      readonly type: 'tokenOpened';
      readonly n: number;
      readonly accessor: string;
      /** Null for a token that the task logged in for itself. */
      readonly session: string | null;
      readonly endsAt: Instant;
      /** Set for a token that has to be renewed. */
      readonly ttlMs?: number;
    }
  /** `unknown`: the request may have been carried out; such a token is held by nobody and ends at its TTL. */
  | { readonly type: 'tokenFailed'; readonly n: number; readonly problem: Problem; readonly unknown: boolean }
  | {
      readonly type: 'secretsRead';
      readonly n: number;
      /** When the reads were sent: what they issued ends by that, however late the replies came. */
      readonly askedAt: Instant;
      readonly leases: readonly Omit<IssuedLease, 'ends_at'>[];
      readonly lost: readonly { readonly secret: string; readonly path: string }[];
      /** The first failure; leases that came all the same are in `leases`. */
      readonly problem: Problem | null;
    }
  /** The server that the credential is for took it. */
  | { readonly type: 'probed'; readonly n: number }
  | { readonly type: 'probeFailed'; readonly n: number; readonly problem: Problem }
  | {
      readonly type: 'published';
      readonly n: number;
      readonly files: readonly string[];
      /** Readers find something else than before, or may. */
      readonly changed: boolean;
    }
  | { readonly type: 'publishFailed'; readonly n: number; readonly problem: Problem }
  | { readonly type: 'renewed'; readonly n: number; readonly results: readonly LeaseRenewal[] }
  | { readonly type: 'alarm' }
  | { readonly type: 'stopRequested'; readonly reason: Outcome; readonly detail?: string }
  /** What the start would do next could not be put on record, so it must not happen. */
  | { readonly type: 'unrecorded'; readonly problem: Problem }
  /** The profile was changed: what the task would get by now. */
  | {
      readonly type: 'planChanged';
      readonly plan: Plan;
      readonly latestDeadline: Instant;
      readonly version?: string | null;
    }
  /** This session token is not renewed any more; `dead` when it and all under it are gone by now. */
  | { readonly type: 'sessionEnded'; readonly session: string; readonly dead: boolean }
  /** Vault answers again after it did not. */
  | { readonly type: 'vaultReturned' }
  | { readonly type: 'extendRequested'; readonly byMs: number; readonly notAfter: Instant }
  /** Somebody approves what waits for it: by the admin socket, or with a signature. */
  | {
      readonly type: 'approvalGiven';
      /** Null for a signed approval, then with who signed it. */
      readonly uid: number | null;
      readonly signer?: string;
      readonly reason: string | null;
      /** Where the profile's window and the parent end. */
      readonly notAfter: Instant;
      readonly latestNotAfter: Instant;
      readonly answerWithinMs: number;
    }
  | { readonly type: 'approvalDenied'; readonly uid: number; readonly reason: string | null }
  /** The profile asks for something else by now than was shown. */
  | { readonly type: 'approvalVoided'; readonly problem: Problem }
  | { readonly type: 'abandonRequested'; readonly reason: string; readonly uid: number }
  /** A connection holds the task, for the first time or again. */
  | { readonly type: 'held' }
  /** Found in the journal of an earlier agent. */
  | { readonly type: 'recovered'; readonly verdict: Verdict }
  | { readonly type: 'signalled'; readonly n: number; readonly signal: string; readonly delivered: boolean }
  | { readonly type: 'generationErased'; readonly n: number }
  | { readonly type: 'erased' }
  | { readonly type: 'withdrawn' }
  | { readonly type: 'eraseFailed'; readonly problem: Problem }
  | {
      readonly type: 'leasesChecked';
      readonly n: number;
      readonly known: readonly string[];
      readonly gone: readonly string[];
      /** When the parent (session) token ended or will end: leases under it that are gone by then went naturally. */
      readonly parentEndsAt: Instant | null;
    }
  /** `missing`: certificates that their mounts know no more, so that there was nothing to revoke. */
  | { readonly type: 'revoked'; readonly n: number; readonly missing?: readonly string[] }
  | {
      readonly type: 'revocationFailed';
      readonly n: number;
      readonly problem: Problem;
    };

export type Effect =
  | { readonly type: 'openToken'; readonly n: number }
  | { readonly type: 'readSecrets'; readonly n: number }
  /** Try the credential where it is for, until it works or the time is over. */
  | { readonly type: 'probe'; readonly n: number }
  | { readonly type: 'publish'; readonly n: number }
  | {
      readonly type: 'renewLeases';
      readonly n: number;
      readonly leases: readonly { readonly id: string; readonly incrementSeconds: number }[];
    }
  /** Tells the bound process that the files have changed. */
  | { readonly type: 'signal'; readonly n: number; readonly signal: string }
  | { readonly type: 'erase' }
  | { readonly type: 'withdraw' }
  | { readonly type: 'eraseGeneration'; readonly n: number }
  | { readonly type: 'checkLeases'; readonly n: number; readonly ids: readonly string[] }
  /** Revoke these leases synchronously, then the token, then look all of them up. */
  | {
      readonly type: 'revoke';
      readonly n: number;
      readonly ids: readonly string[];
      readonly accessor: string;
    }
  /** Revoke the token of a generation that was given up, without asking what became of it. */
  | { readonly type: 'releaseToken'; readonly n: number; readonly accessor: string };
