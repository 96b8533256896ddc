// Owns what can happen to a grant (events, past tense) and what it can ask for (effects, imperative).

import type { IssuedLease, Outcome } from './fact.ts';
import type { Instant } from './instant.ts';
import type { Problem } from './problem.ts';

export type LeaseRenewal =
  | { readonly id: string; readonly ttlMs: number; readonly renewable: boolean }
  | { readonly id: string; readonly problem: Problem; readonly lost: boolean };

export type GrantEvent =
  | { readonly type: 'tokenOpened'; readonly n: number; readonly accessor: string; readonly endsAt: Instant }
  /** `unknown`: the request may have been carried out; such a token is held by nobody and ends at its TTL. */
  | { readonly type: 'tokenFailed'; readonly n: number; readonly problem: Problem; readonly unknown: boolean }
  | {
      readonly type: 'secretsRead';
      readonly n: number;
      readonly leases: readonly IssuedLease[];
      readonly lost: readonly { readonly secret: string; readonly path: string }[];
      /** The first failure; leases that came all the same are in `leases`. */
      readonly problem: Problem | null;
    }
  | { readonly type: 'published'; readonly n: number; readonly files: readonly string[] }
  | { readonly type: 'publishFailed'; readonly n: number; readonly problem: Problem }
  | { readonly type: 'renewed'; readonly n: number; readonly results: readonly LeaseRenewal[] }
  | { readonly type: 'alarm' }
  | { readonly type: 'stopRequested'; readonly reason: Outcome; readonly detail?: string }
  /** What the start would do next could not be put on record, so it must not happen. */
  | { readonly type: 'unrecorded'; readonly problem: Problem }
  | { readonly type: 'erased' }
  | { readonly type: 'eraseFailed'; readonly problem: Problem }
  | {
      readonly type: 'leasesChecked';
      readonly n: number;
      readonly known: readonly string[];
      readonly gone: readonly string[];
      /** When the parent (session) token ended or will end: leases under it that are gone by then went naturally. */
      readonly parentEndsAt: Instant | null;
    }
  | { readonly type: 'revoked'; readonly n: number }
  | {
      readonly type: 'revocationFailed';
      readonly n: number;
      readonly problem: Problem;
    };

export type Effect =
  | { readonly type: 'openToken'; readonly n: number }
  | { readonly type: 'readSecrets'; readonly n: number }
  | { readonly type: 'publish'; readonly n: number }
  | {
      readonly type: 'renewLeases';
      readonly n: number;
      readonly leases: readonly { readonly id: string; readonly incrementSeconds: number }[];
    }
  | { readonly type: 'erase' }
  | { readonly type: 'checkLeases'; readonly n: number; readonly ids: readonly string[] }
  /** Revoke these leases synchronously, then the token, then look all of them up. */
  | {
      readonly type: 'revoke';
      readonly n: number;
      readonly ids: readonly string[];
      readonly accessor: string;
    };
