// Owns the shape of a grant, one task's life: a list of generations, each one Vault token (known by its
// accessor), the leases under it and the files published from them. Invariant: the durable part changes
// only by folding facts; `pending` is what this process is doing about it and dies with the process.

import type { Outcome } from './fact.ts';
import type { GrantId, ProfileName, TaskId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { Lease } from './lease.ts';
import type { ProblemBody } from './problem.ts';
import type { Owner } from './profile.ts';
import type { Bind, BusinessEvent, Plan } from './task-spec.ts';

export type State = 'starting' | 'active' | 'degraded' | 'stopping' | 'closed';

export interface Generation {
  readonly n: number;
  readonly accessor: string | null;
  readonly tokenEndsAt: Instant | null;
  readonly leases: readonly Lease[];
  readonly files: readonly string[];
  readonly published: boolean;
  /** The leases were looked up after the stop began. */
  readonly checked: boolean;
  readonly proved: boolean;
}

export interface Pending {
  /** Requests in flight that issue a token or secrets, or change a lease: never abandoned, always awaited. */
  readonly inFlight: 'token' | 'secrets' | 'renewal' | 'revocation' | null;
  readonly publishing: boolean;
  readonly erasing: boolean;
  /** The files are gone since this moment; after a restart the sweep makes it so before anything else. */
  readonly erasedAt: Instant | null;
  readonly eraseRetryAt: Instant | null;
  /** Failed attempts in a row of whatever is being retried. */
  readonly attempts: number;
  readonly retryAt: Instant | null;
  /** Leases longer than the task are to be cut at this moment. */
  readonly cutAt: Instant | null;
  /** A start that Vault has not answered by then is refused; what comes late is revoked. */
  readonly answerBy: Instant | null;
}

export interface Grant {
  readonly id: GrantId;
  readonly task: TaskId;
  readonly profile: ProfileName;
  readonly params: Readonly<Record<string, string>>;
  readonly event: BusinessEvent | null;
  readonly bind: Bind | null;
  readonly owner: Owner;
  readonly digest: string;
  readonly plan: Plan;
  readonly state: State;
  readonly acceptedAt: Instant;
  readonly expiresAt: Instant;
  readonly deadline: Instant;
  readonly generations: readonly Generation[];
  /** Once active, the task id is spent. */
  readonly wasActive: boolean;
  readonly outcome: Outcome | null;
  /** What a failed start is answered with. */
  readonly refusal: ProblemBody | null;
  /** Why it is degraded, or why its revocation failed last. */
  readonly problem: ProblemBody | null;
  readonly pending: Pending;
}

export const IDLE: Pending = {
  inFlight: null,
  publishing: false,
  erasing: false,
  erasedAt: null,
  eraseRetryAt: null,
  attempts: 0,
  retryAt: null,
  cutAt: null,
  answerBy: null,
};

/** The newest generation; a grant always has one. */
export const latest = (grant: Grant): Generation => grant.generations.at(-1)!;
