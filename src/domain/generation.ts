// Owns what facts say of one generation: its beginning, what it was issued, what was proved of it. Invariant: each
// lease keeps the first proof it got.

import type { Fact, IssuedLease } from './fact.ts';
import type { Generation } from './grant.ts';
import type { Instant, Moment } from './instant.ts';
import { instantOf } from './instant.ts';
import type { Lease, Proof } from './lease.ts';
import type { Plan } from './task-spec.ts';

/**
 * A read that still runs inside Vault when its token is revoked leaves a lease under a dead token, which nothing
 * ends before its own time (measured on Vault 1.21). Nobody holds what it issues, so its token is left alone
 * for this long: Vault has ended the read by then, unless its engine hangs.
 */
const LOST_READ_REST_MS = 5000;

/** What a generation holds once its reads came to an end. */
export const issue = (
  { leases, lost }: Extract<Fact, { type: 'leases.issued' }>,
  at: Moment,
): Pick<Generation, 'read' | 'leases' | 'restAt'> => ({
  read: true,
  restAt: lost.length === 0 ? null : at.at + LOST_READ_REST_MS,
  leases: [
    ...leases.map((lease) => issued(lease, at)),
    ...lost.map(({ secret, path }) => issued({ ...LOST, secret, path }, at)),
  ],
});

export const newGeneration = (n: number, plan: Plan): Generation => ({
  n,
  plan,
  accessor: null,
  session: null,
  tokenEndsAt: null,
  token: null,
  read: false,
  leases: [],
  files: [],
  published: false,
  restAt: null,
  retireAt: null,
  checked: false,
  proved: false,
});

const issued = (lease: IssuedLease, at: Moment): Lease => ({
  secret: lease.secret,
  path: lease.path,
  id: lease.id,
  issuedAt: at.at,
  ttlMs: lease.ttl_ms,
  issuedTtlMs: lease.ttl_ms,
  endsAt: lease.ends_at === null ? null : instantOf(lease.ends_at, at),
  endsBy: lease.ttl_ms === null ? null : at.at + lease.ttl_ms,
  renewedAt: at.at,
  late: null,
  renewable: lease.renewable,
  revocable: lease.revocable,
  // Journals of earlier agents do not say.
  follows: lease.follows ?? false,
  capped: false,
  lostAt: null,
  known: false,
  proof: null,
  endedAt: null,
});

/** A token of a TTL of its own, which is renewed as leases are. */
export const tokenLease = (accessor: string, ttlMs: number, endsAt: Instant, at: Moment): Lease => ({
  ...issued(
    { ...LOST, secret: 'its Vault token', path: 'auth/token', id: accessor, ttl_ms: ttlMs, renewable: true },
    at,
  ),
  endsAt,
});

/** What a renewal has changed. Where a late one may undo it, no more is believed than that would leave. */
export function prolonged(
  lease: Lease,
  news: { readonly ttl_ms: number; readonly ends_at: string; readonly capped: boolean },
  at: Moment,
): Lease {
  const late = lease.late === null || lease.late.until <= at.at ? null : lease.late;
  const leftMs = late?.ttlMs ?? Number.POSITIVE_INFINITY;
  return {
    ...lease,
    late,
    ttlMs: Math.min(news.ttl_ms, leftMs),
    endsAt: Math.min(instantOf(news.ends_at, at), at.at + leftMs),
    endsBy: at.at + news.ttl_ms,
    renewedAt: at.at,
    capped: news.capped,
  };
}

/** A lease whose reply was lost: its id was never seen. */
const LOST = { id: null, ttl_ms: null, ends_at: null, renewable: false, revocable: true } as const;

export function prove(
  generation: Generation,
  proofs: readonly { readonly id: string; readonly proof: Proof }[],
  at: Instant,
): readonly Lease[] {
  const byId = new Map(proofs.map(({ id, proof }) => [id, proof]));
  return generation.leases.map((lease) => {
    const proof = lease.id === null ? undefined : byId.get(lease.id);
    if (proof === undefined || lease.proof !== null) return lease;
    // Its lease is gone, and it lives on to its own end.
    return lease.revocable ? { ...lease, proof, endedAt: at } : { ...lease, proof: 'expires', endedAt: null };
  });
}

/** What Vault said of the leases right before their revocation; one it said nothing of is to be looked at again. */
export function look(
  generation: Generation,
  known: readonly string[],
): Pick<Generation, 'checked' | 'leases'> {
  const leases = generation.leases.map((lease) =>
    lease.id !== null && known.includes(lease.id) ? { ...lease, known: true } : lease,
  );
  return { leases, checked: leases.every(({ id, proof, known }) => id === null || proof !== null || known) };
}

/** What has no lease id gets its honest word when its token is gone. */
export function settle(lease: Lease, at: Instant): Lease {
  if (lease.proof !== null) return lease;
  if (!lease.revocable) return { ...lease, proof: 'expires', endedAt: null };
  return { ...lease, proof: 'unproved', endedAt: at };
}
