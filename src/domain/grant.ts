// Owns the shape of a grant, one task's life: a list of generations, each one Vault token (known by its
// accessor), the leases under it and the files published from them. Invariant: the durable part changes
// only by folding facts; `pending` is what this process is doing about it and dies with the process.

import type { Approval } from './approval.ts';
import type { Asserted } from './assertion.ts';
import type { Evidence } from './evidence.ts';
import type { Outcome } from './fact.ts';
import type { GrantId, ProfileName, TaskId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { Lease } from './lease.ts';
import type { ProblemBody } from './problem.ts';
import type { Owner } from './profile.ts';
import type { Bind, BusinessEvent, Plan } from './task-spec.ts';
import type { TraceContext } from './trace.ts';

export type State = 'pending_approval' | 'starting' | 'active' | 'degraded' | 'stopping' | 'closed';

export interface Generation {
  readonly n: number;
  /** What it was raised for. */
  readonly plan: Plan;
  readonly accessor: string | null;
  /** Accessor of the session token above it. */
  readonly session: string | null;
  readonly tokenEndsAt: Instant | null;
  /** The token as what has to be renewed like a lease, by its accessor; null for one that lasts as long as its task. */
  readonly token: Lease | null;
  /** Its reads were answered, well or not. */
  readonly read: boolean;
  readonly leases: readonly Lease[];
  readonly files: readonly string[];
  readonly published: boolean;
  /** Vault may still be busy with a read whose reply was lost until then; see LOST_READ_REST_MS. */
  readonly restAt: Instant | null;
  /** When it is to be revoked while the task lives on; null for the one in use and the one being raised. */
  readonly retireAt: Instant | null;
  /** The leases were looked up after the stop began. */
  readonly checked: boolean;
  readonly proved: boolean;
}

/** How far this process has come with the revocation of one generation. */
export interface Retirement {
  readonly n: number;
  /** A request of it is in flight. */
  readonly busy: boolean;
  /** Its files are gone. */
  readonly erased: boolean;
  /** Failed attempts in a row. */
  readonly attempts: number;
  readonly retryAt: Instant | null;
  /** Vault itself named that moment (Retry-After). */
  readonly told: boolean;
  /** Leases that Vault does not know and that may have ended by themselves, which only time can tell. */
  readonly doubtful: readonly string[];
  /** What the last failure said: told once per reason, not once per attempt. */
  readonly said: string | null;
}

export interface Pending {
  /** What the newest generation waits for. Requests that issue something are never abandoned, always awaited. */
  readonly raising: 'token' | 'secrets' | 'probe' | 'files' | null;
  /** Why it is raised; null for the first. */
  readonly raisingFor: string | null;
  /** The session above its token ended meanwhile: what it was issued is dead. */
  readonly orphaned: boolean;
  /** The generation whose leases are being renewed. */
  readonly renewing: number | null;
  /** Failed renewals in a row, and when to try again. */
  readonly attempts: number;
  readonly retryAt: Instant | null;
  /** Failed rotations in a row, and when to try again. */
  readonly rotations: number;
  readonly rotateAt: Instant | null;
  /** Why another generation is wanted now, whatever its leases say. */
  readonly wanted: string | null;
  /** What the profile says by now, when that is not what the grant goes by. */
  readonly plan: Plan | null;
  /** Of the profile's file that says so. */
  readonly version: string | null;
  /** Since when the credential in use is known to be dead. */
  readonly staleAt: Instant | null;
  readonly erasing: boolean;
  /** The files are gone since this moment. */
  readonly erasedAt: Instant | null;
  readonly eraseAttempts: number;
  readonly eraseRetryAt: Instant | null;
  /** Leases longer than the task are to be cut at this moment. */
  readonly cutAt: Instant | null;
  /** A start that Vault has not answered by then is refused; what comes late is revoked. */
  readonly answerBy: Instant | null;
  /** Until then a connection that was lost with the agent may come back. */
  readonly reconnectBy: Instant | null;
  readonly retirements: readonly Retirement[];
}

export interface Grant {
  readonly id: GrantId;
  readonly task: TaskId;
  readonly profile: ProfileName;
  readonly params: Readonly<Record<string, string>>;
  readonly event: BusinessEvent | null;
  readonly bind: Bind | null;
  readonly owner: Owner;
  readonly groups: readonly number[];
  readonly evidence: Evidence | null;
  readonly asserted: Asserted | null;
  /** When its assertion expires: once understood, no setting of the wall clock moves it. */
  readonly assertedUntil: Instant | null;
  readonly admin: boolean;
  readonly bound: string | null;
  readonly parent: TaskId | null;
  readonly trace: TraceContext | null;
  readonly digest: string;
  readonly plan: Plan;
  readonly state: State;
  /** Null where its profile needed none when it was asked for. */
  readonly approval: Approval | null;
  /** Where it needed approval: since it was given. */
  readonly acceptedAt: Instant;
  readonly expiresAt: Instant;
  readonly deadline: Instant;
  /** How far the deadline may be moved. */
  readonly latestDeadline: Instant;
  /** Oldest first. One that was proved and never had a lease is forgotten. */
  readonly generations: readonly Generation[];
  /** The number of the newest generation ever opened. */
  readonly opened: number;
  /** A connection holds it. */
  readonly held: boolean;
  /** The generation that brought what the files show now; 0 while there are none. */
  readonly filesSince: number;
  /** The same, while its bound process may not know: whoever dies in between leaves it to the next agent. */
  readonly untold: number | null;
  /** The files were taken away although the task lives. */
  readonly withdrawn: boolean;
  /** What is failing while the task is degraded. */
  readonly failing: 'renewal' | 'rotation' | null;
  /** Once active, the task id is spent. */
  readonly wasActive: boolean;
  readonly outcome: Outcome | null;
  /** Since when it is to be gone. */
  readonly stoppedAt: Instant | null;
  /** What a failed start is answered with. */
  readonly refusal: ProblemBody | null;
  /** Why it is degraded, or why its revocation failed last. */
  readonly problem: ProblemBody | null;
  readonly pending: Pending;
}

export const IDLE: Pending = {
  raising: null,
  raisingFor: null,
  orphaned: false,
  renewing: null,
  attempts: 0,
  retryAt: null,
  rotations: 0,
  rotateAt: null,
  wanted: null,
  plan: null,
  version: null,
  staleAt: null,
  erasing: false,
  erasedAt: null,
  eraseAttempts: 0,
  eraseRetryAt: null,
  cutAt: null,
  answerBy: null,
  reconnectBy: null,
  retirements: [],
};

/** The generation whose files a reader sees: the last one published. Null while the task starts. */
export const current = (grant: Grant): Generation | null =>
  grant.generations.findLast(({ published }) => published) ?? null;

/** Everything of a generation that ends unless it is renewed. */
export const mortals = ({ leases, token }: Generation): readonly Lease[] =>
  token === null ? leases : [...leases, token];

export const generationOf = ({ generations }: Grant, n: number): Generation | undefined =>
  generations.find((generation) => generation.n === n);

/** Generations of which something may still live at Vault: at most two at any time. */
export const living = (grant: Grant): readonly Generation[] =>
  grant.generations.filter(({ proved }) => !proved);

/** The task works, well or with something failing. */
export const works = ({ state }: Grant): boolean => state === 'active' || state === 'degraded';

/** Bound to the connection of its start. */
export const holdsItself = ({ bind }: Grant): boolean => bind !== null && 'connection' in bind;
