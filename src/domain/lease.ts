// Owns the arithmetic of leases: when to renew, when one is over, what a renewal means. Invariant: only
// what Vault granted is believed, and no renewal asks for time past the deadline.

import { wholeSeconds } from './duration.ts';
import { unitHash } from './hash.ts';
import type { Instant } from './instant.ts';

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
  readonly renewedAt: Instant;
  readonly renewable: boolean;
  readonly revocable: boolean;
  /** The last renewal was granted less than asked: the engine's max TTL is reached. */
  readonly capped: boolean;
  /** Vault knew it when the stop began; without this its absence proves nothing. */
  readonly known: boolean;
  readonly proof: Proof | null;
  readonly endedAt: Instant | null;
}

/** A lease ends this long before Vault says so, so that nobody reads a file whose credential is gone. */
const END_MARGIN_MS = 500;
/** Vault counts whole seconds and expires in its own time: an absence this close to the end is natural. */
export const NATURAL_END_TOLERANCE_MS = 2000;

export const outlives = (lease: Lease, deadline: Instant): boolean =>
  lease.endsAt === null || lease.endsAt >= deadline;

/** When to renew: 55 to 65 % of the TTL, spread by the lease's own id; null when no renewal is due. */
export function renewAt(lease: Lease, deadline: Instant): Instant | null {
  if (!lease.renewable || lease.capped || lease.ttlMs === null || lease.id === null) return null;
  if (outlives(lease, deadline)) return null;
  return lease.renewedAt + Math.floor(lease.ttlMs * (0.55 + 0.1 * unitHash(lease.id)));
}

/** When the task must end because this lease does; null when it reaches the deadline or has no end. */
export const failsAt = (lease: Lease, deadline: Instant): Instant | null =>
  lease.endsAt === null || lease.endsAt >= deadline ? null : lease.endsAt - END_MARGIN_MS;

/** Seconds to ask for: what the lease had at its issue, never past the deadline. */
export const incrementSeconds = (lease: Lease, deadline: Instant, now: Instant): number =>
  wholeSeconds(Math.min(lease.issuedTtlMs ?? Number.POSITIVE_INFINITY, deadline - now));

/** A lease whose engine set it longer than the task: to be cut by a renewal with a smaller increment. */
export const needsCut = (lease: Lease, deadline: Instant): boolean =>
  lease.renewable && lease.id !== null && lease.endsAt !== null && lease.endsAt > deadline + 1000;

/** Full jitter (0 to the cap), the cap doubling from 250 ms to 15 s. `attempt` counts from 1. */
export function retryDelayMs(seed: string, attempt: number): number {
  const cap = Math.min(15_000, 250 * 2 ** Math.min(attempt - 1, 10));
  return Math.max(50, Math.floor(cap * unitHash(`${seed}/${attempt}`)));
}
