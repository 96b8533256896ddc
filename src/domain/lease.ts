// Owns the arithmetic of leases: when to renew, when one is over, what a renewal means. Invariant: only
// what Vault granted is believed, and no renewal asks for time past the deadline.

import { wholeSeconds } from './duration.ts';
import { unitHash } from './hash.ts';
import type { Instant } from './instant.ts';
import type { Problem } from './problem.ts';

/** What became of a lease at the end (README, API, Receipt). */
export type Proof = 'revoked' | 'unproved' | 'expires';

export interface Lease {
  readonly secret: string;
  readonly path: string;
  /** Null for a secret without a lease (KV, PKI without generate_lease) or one whose id was never seen. */
  readonly id: string | null;
  readonly issuedAt: Instant;
  /** The TTL that Vault granted last, in milliseconds; null when the secret has none. */
  readonly ttlMs: number | null;
  /** The TTL at issue: what a renewal asks for again. */
  readonly issuedTtlMs: number | null;
  /** When it ends if nobody renews it; null when nothing is known of an end. */
  readonly endsAt: Instant | null;
  /**
   * When it has ended for sure if nobody renewed it: its end is counted from before the request, which may have been
   * long under way before Vault granted anything, and a cut may not have happened; this is neither.
   */
  readonly endsBy: Instant | null;
  readonly renewedAt: Instant;
  /** A request that asked for no more than this may have its effect until then, after later ones. */
  readonly late: { readonly ttlMs: number; readonly until: Instant } | null;
  readonly renewable: boolean;
  readonly revocable: boolean;
  /** Its end is Vault's rotation of it: the same path gives the next one then, and nothing before. */
  readonly follows: boolean;
  /** The last renewal was granted less than asked: the engine's max TTL is reached. */
  readonly capped: boolean;
  /** When Vault was first seen not to know it, before its time. */
  readonly lostAt: Instant | null;
  /** Vault knew it when its revocation began: from then on its absence is our doing. */
  readonly known: boolean;
  readonly proof: Proof | null;
  readonly endedAt: Instant | null;
}

/** A lease counts as over this long before Vault says so: nobody shall read a file whose credential is gone. */
const END_MARGIN_MS = 500;
/** Vault counts whole seconds and expires in its own time: an absence this close to the end is natural. */
export const NATURAL_END_TOLERANCE_MS = 2000;
/** A lease that ends this close to the deadline is not worth another generation. */
const LAST_MS = 1500;
/** What raising another generation may take, beside the overlap. */
const RAISING_MS = 1000;
/** Vault tells whole seconds: right after that end there may still be the old one. */
const FOLLOW_AFTER_MS = 1000;

export const outlives = (lease: Lease, deadline: Instant): boolean =>
  lease.endsAt === null || lease.endsAt >= deadline;

/**
 * Until when the credential of a lease that was asked for just now can be good, renewals and extensions included; null
 * where it has no end of its own. What renewals cannot prolong is replaced before that by another one.
 */
export function goodUntil(
  askedAt: Instant,
  ttlMs: number | null,
  renewable: boolean,
  latestDeadline: Instant,
): Instant | null {
  if (ttlMs === null) return null;
  return renewable ? latestDeadline : Math.min(askedAt + ttlMs, latestDeadline);
}

const reaches = (lease: Lease, deadline: Instant): boolean => outlives(lease, deadline - LAST_MS);

/** When to renew: 55 to 65 % of the TTL, spread by the lease's own id; null when no renewal is due. */
export function renewAt(lease: Lease, deadline: Instant): Instant | null {
  if (!lease.renewable || lease.capped || lease.ttlMs === null || lease.id === null) return null;
  if (lease.lostAt !== null) return null;
  if (outlives(lease, deadline)) return null;
  return lease.renewedAt + Math.floor(lease.ttlMs * (0.55 + 0.1 * unitHash(lease.id)));
}

/**
 * When another generation must be raised because this lease comes to its end; null when it reaches the
 * deadline. One that renewals cannot prolong is replaced early enough for the overlap and for failures; one
 * that they can, shortly before its end, when they have failed until then.
 */
export function replaceAt(lease: Lease, deadline: Instant, overlapMs: number): Instant | null {
  if (lease.endsAt === null || reaches(lease, deadline)) return null;
  if (lease.follows) return lease.endsAt + FOLLOW_AFTER_MS;
  if (renewAt(lease, deadline) !== null) return lease.endsAt - Math.floor(lease.ttlMs! * 0.15);
  const lifeMs = lease.endsAt - lease.issuedAt;
  const spread = 1 + 0.2 * unitHash(lease.id ?? lease.path);
  const leadMs = Math.min(Math.max(overlapMs + RAISING_MS, lifeMs * 0.1) * spread, lifeMs * 0.3);
  return lease.endsAt - Math.floor(leadMs);
}

/** When the credential counts as dead; null when it does not before the task ends. */
export function deadAt(lease: Lease, deadline: Instant): Instant | null {
  if (lease.lostAt !== null) return lease.lostAt;
  // Nobody but Vault knows whether it rotated it on time: it is left in its file until there is another.
  if (lease.follows) return null;
  return lease.endsAt === null || reaches(lease, deadline) ? null : lease.endsAt - END_MARGIN_MS;
}

/** When the task is over because this lease ends just before the deadline; null when it does not. */
export function lastsUntil(lease: Lease, deadline: Instant): Instant | null {
  const { lostAt, endsAt } = lease;
  if (lease.follows || lostAt !== null || endsAt === null) return null;
  if (endsAt >= deadline || !reaches(lease, deadline)) return null;
  return endsAt - END_MARGIN_MS;
}

/** Seconds to ask for: what the lease had at its issue, never past the deadline. */
export const incrementSeconds = (lease: Lease, deadline: Instant, now: Instant): number =>
  wholeSeconds(Math.min(lease.issuedTtlMs ?? Number.POSITIVE_INFINITY, deadline - now));

/** A lease whose engine set it longer than the task: to be cut by a renewal with a smaller increment. */
export const needsCut = (lease: Lease, deadline: Instant): boolean =>
  lease.renewable && lease.id !== null && lease.endsAt !== null && lease.endsAt > deadline + 1000;

/** Vault ends a request after 90 s (default_max_request_duration); what nobody heard of may have its effect until then. */
const LATE_MS = 120_000;
/** Not even for that is Vault asked all the time. */
const LEAST_LATE_MS = 10_000;

/**
 * What is known of a lease once its deadline is moved later: one that was to be cut may have been, by a request
 * whose answer nobody heard. Until a renewal says otherwise it ends where it was to be cut. And what was asked for with
 * the old deadline in mind may be late, and cut it after that renewal.
 */
export function perhapsCut(lease: Lease, deadline: Instant, now: Instant): Lease {
  if (lease.proof !== null || lease.issuedTtlMs === null) return lease;
  const cut = needsCut(lease, deadline);
  if (!cut && (renewAt(lease, deadline) ?? Number.POSITIVE_INFINITY) > now) return lease;
  const ttlMs = Math.max(deadline - now, LEAST_LATE_MS);
  const late = ttlMs < lease.issuedTtlMs ? { ttlMs, until: now + LATE_MS } : lease.late;
  return cut ? { ...lease, late, ttlMs: deadline - lease.renewedAt, endsAt: deadline } : { ...lease, late };
}

/** Full jitter (0 to the cap), the cap doubling from 250 ms to 15 s. `attempt` counts from 1. */
export function retryDelayMs(seed: string, attempt: number): number {
  const cap = Math.min(15_000, 250 * 2 ** Math.min(attempt - 1, 10));
  return Math.max(50, Math.floor(cap * unitHash(`${seed}/${attempt}`)));
}

const MAX_RETRY_AFTER_MS = 60_000;

/** When to try again: as Vault asks (Retry-After), within reason; else full jitter. */
export const retryDelay = (seed: string, problem: Problem, attempt: number): number =>
  problem.retryAfterMs === undefined
    ? retryDelayMs(seed, attempt)
    : Math.min(problem.retryAfterMs, MAX_RETRY_AFTER_MS);

/** Of several failures the one that asks for the most patience (Retry-After): no other must override it. */
export const mostPatient = <Failure>(
  failures: readonly Failure[],
  problemOf: (failure: Failure) => Problem,
): Failure | undefined => {
  const patience = (failure: Failure): number => problemOf(failure).retryAfterMs ?? 0;
  return failures.toSorted((a, b) => patience(b) - patience(a))[0];
};
