// Owns the end of a grant: files first, then each generation is checked, revoked and proved, then the
// receipt. Invariant: a grant closes only when its files are gone and every generation is proved.

import type { Receipt, ReceiptLease } from './fact.ts';
import type { Generation, Grant } from './grant.ts';
import type { Instant } from './instant.ts';
import { NATURAL_END_TOLERANCE_MS, type Proof } from './lease.ts';
import type { Step } from './step.ts';

/** Asks for whatever the stop needs next; called after everything that happens to a stopping grant. */
export function continueStop(step: Step): void {
  const { pending } = step.grant;
  if (pending.erasedAt === null && !pending.erasing && !pending.publishing && pending.eraseRetryAt === null) {
    step.pending({ erasing: true });
    step.ask({ type: 'erase' });
    return;
  }
  // The file goes first; but a file that cannot be removed must not keep the credential alive.
  if (pending.publishing || pending.erasing) return;
  if (pending.inFlight !== null || pending.retryAt !== null) return;
  for (const generation of step.grant.generations) {
    if (generation.proved) continue;
    const ids = generation.leases.flatMap(({ id, proof }) => (id === null || proof !== null ? [] : [id]));
    if (generation.accessor === null) {
      step.record({ type: 'generation.proved', n: generation.n, leases: [] });
      continue;
    }
    step.pending({ inFlight: 'revocation' });
    if (!generation.checked && ids.length > 0) {
      step.ask({ type: 'checkLeases', n: generation.n, ids });
    } else {
      step.ask({ type: 'revoke', n: generation.n, ids, accessor: generation.accessor });
    }
    return;
  }
  if (pending.erasedAt === null) return;
  step.record({ type: 'files.erased', erased_at: step.time(pending.erasedAt) });
  step.record({ type: 'grant.closed', outcome: step.grant.outcome!, receipt: receipt(step) });
}

/**
 * What it means that Vault does not know these leases: revoked when their own, their token's or its
 * parent's time had come, or when an earlier look-up of this stop knew them; unproved otherwise (Vault
 * restored from an old snapshot answers like that while the credential lives).
 */
export function gone(
  grant: Grant,
  n: number,
  ids: readonly string[],
  parentEndsAt: Instant | null,
  now: Instant,
): { id: string; proof: Proof }[] {
  const generation = grant.generations.find((candidate) => candidate.n === n)!;
  return ids.map((id) => {
    const lease = generation.leases.find((candidate) => candidate.id === id);
    const ends = [lease?.endsAt, generation.tokenEndsAt, parentEndsAt].filter((end) => end != null);
    const natural = ends.some((end) => end <= now + NATURAL_END_TOLERANCE_MS);
    return { id, proof: natural || lease?.known === true ? 'revoked' : 'unproved' };
  });
}

function receipt(step: Step): Receipt {
  const { grant, now } = step;
  const leases = grant.generations.flatMap((generation: Generation) => generation.leases);
  const first = Math.min(...leases.map(({ issuedAt }) => issuedAt), now.at);
  const last = Math.max(...leases.map(({ endedAt }) => endedAt ?? now.at), first);
  return {
    task: grant.task,
    profile: grant.profile,
    state: 'closed',
    outcome: grant.outcome!,
    event: grant.event,
    started_at: step.time(grant.acceptedAt),
    closed_at: step.time(now.at),
    exposure_seconds: leases.length === 0 ? 0 : Math.round(last - first) / 1000,
    leases: leases.map(
      (lease): ReceiptLease => ({
        secret: lease.secret,
        path: lease.path,
        issued_at: step.time(lease.issuedAt),
        ended_at: lease.endedAt === null ? null : step.time(lease.endedAt),
        proof: lease.proof ?? 'unproved',
        ends_at: lease.endsAt === null ? null : step.time(lease.endsAt),
      }),
    ),
  };
}
