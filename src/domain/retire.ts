// Owns the end of a generation and of a grant: files first, then the leases are looked up, revoked and proved,
// then the receipt. Invariant: a grant closes only when its files are gone and every generation is proved; what
// still issues something is let end first.

import { certificateOf } from './certificate.ts';
import type { Generation, Grant, Retirement } from './grant.ts';
import { generationOf, living } from './grant.ts';
import { unitHash } from './hash.ts';
import type { Instant } from './instant.ts';
import { type Lease, NATURAL_END_TOLERANCE_MS, type Proof, retryDelay } from './lease.ts';
import type { Problem } from './problem.ts';
import { receipt } from './receipt.ts';
import type { Step } from './step.ts';

/** For so long it is worth waiting until a lease has ended for sure. */
const DOUBT_MS = 30_000;
/** After an outage, revocations come back over this long. */
const SPREAD_MS = 3000;

/** Asks for whatever the stop needs next; called after everything that happens to a stopping grant. */
export function continueStop(step: Step): void {
  const { pending } = step.grant;
  if (pending.raising === 'files' || pending.erasing) return;
  if (pending.erasedAt === null && pending.eraseRetryAt === null) {
    step.pending({ erasing: true });
    step.ask({ type: 'erase' });
    return;
  }
  // The file goes first; but a file that cannot be removed must not keep the credential alive.
  for (const generation of living(step.grant)) retire(step, generation);
  if (living(step.grant).length > 0 || step.grant.pending.raising !== null || pending.erasedAt === null)
    return;
  step.record({ type: 'files.erased', erased_at: step.time(pending.erasedAt) });
  step.record({ type: 'grant.closed', outcome: step.grant.outcome!, receipt: receipt(step) });
}

/** Generations of a living task whose time has come. */
export function retireDue(step: Step): void {
  for (const generation of living(step.grant)) {
    if (generation.retireAt !== null && generation.retireAt <= step.now.at) retire(step, generation);
  }
}

/** The next step of one generation's end, unless it waits for something. */
function retire(step: Step, { n, accessor, leases, checked, restAt }: Generation): void {
  const { pending, opened, state } = step.grant;
  const retirement = retirementOf(step.grant, n);
  if (retirement.busy || pending.renewing === n) return;
  if (pending.raising !== null && n === opened) return;
  const readyAt = Math.max(retirement.retryAt ?? 0, restAt ?? 0);
  if (readyAt > step.now.at) return note(step, { ...retirement, retryAt: readyAt });
  const ids = leases.flatMap(({ id, proof }) => (id === null || proof !== null ? [] : [id]));
  if (accessor === null) {
    step.record({ type: 'generation.proved', n, leases: [] });
    return forget(step, n);
  }
  note(step, { ...retirement, busy: true, retryAt: null });
  // Files that cannot be removed must not keep the credential alive: one try, the stop's erase takes the rest.
  if (state !== 'stopping' && !retirement.erased && retirement.attempts === 0)
    step.ask({ type: 'eraseGeneration', n });
  else if (!checked && ids.length > 0 && retirement.doubtful.length === 0)
    step.ask({ type: 'checkLeases', n, ids });
  else step.ask({ type: 'revoke', n, ids, accessor });
}

/** False when the generation is proved or given up already: late answers about it mean nothing. */
export const isLiving = (grant: Grant, n: number): boolean =>
  living(grant).some((generation) => generation.n === n);

export function erased(step: Step, n: number): void {
  note(step, { ...retirementOf(step.grant, n), busy: false, erased: true, attempts: 0, said: null });
}

export function checked(
  step: Step,
  n: number,
  known: readonly string[],
  absent: readonly string[],
  parentEndsAt: Instant | null,
): void {
  const verdicts = gone(step.grant, n, absent, parentEndsAt, step.now.at);
  const doubtful = verdicts.flatMap(({ id, proof }) => (proof === null ? [id] : []));
  const proofs = verdicts.flatMap(({ id, proof }) => (proof === null ? [] : [{ id, proof }]));
  note(step, { ...retirementOf(step.grant, n), busy: false, attempts: 0, said: null, doubtful });
  step.record({ type: 'leases.known', n, known, gone: proofs });
}

export function revoked(step: Step, n: number, missing: readonly string[] = []): void {
  const { doubtful, ...retirement } = retirementOf(step.grant, n);
  const unproved = generationOf(step.grant, n)!.leases.filter(({ proof }) => proof === null);
  const leases = unproved.flatMap((lease) =>
    lease.id === null || doubtful.includes(lease.id)
      ? []
      : [
          {
            id: lease.id,
            proof: missing.includes(lease.id) ? withoutIt(lease, step.now.at) : endProves(lease),
          },
        ],
  );
  if (doubtful.length === 0) {
    step.record({ type: 'generation.proved', n, leases });
    return forget(step, n);
  }
  step.record({ type: 'leases.known', n, known: [], gone: leases });
  // Looked at again when each has ended for sure, if it ever lived that long.
  const inDoubt = unproved.filter(({ id }) => id !== null && doubtful.includes(id));
  const retryAt = Math.max(...inDoubt.map(({ endsBy }) => endsBy ?? 0));
  note(step, { ...retirement, doubtful: [], busy: false, attempts: 0, said: null, retryAt });
}

/** Tried for ever, every 15 s at the slowest (60 s where Vault asks for it). */
export function failed(step: Step, n: number, problem: Problem): void {
  const before = retirementOf(step.grant, n);
  const attempts = before.attempts + 1;
  if (before.said !== problem.message) step.record({ type: 'revocation.failed', n, problem: problem.body() });
  note(step, {
    ...before,
    busy: false,
    attempts,
    retryAt: step.now.at + retryDelay(`${step.grant.id}/${n}`, problem, attempts),
    told: problem.retryAfterMs !== undefined,
    said: problem.message,
  });
}

/** Vault is back: what waits for its next try gets it soon, spread over some seconds, unless Vault named the time. */
export function hasten(step: Step): void {
  const { pending, id } = step.grant;
  const retirements = pending.retirements.map((retirement) => {
    const { retryAt, told, attempts, n } = retirement;
    if (retryAt === null || told || attempts === 0) return retirement;
    const soon = step.now.at + Math.floor(SPREAD_MS * unitHash(`${id}/${n}/soon`));
    return { ...retirement, retryAt: Math.min(retryAt, soon) };
  });
  step.pending({ retirements });
}

/** An administrator gives the proof up; what is being issued still is revoked in its time. */
export function abandon(step: Step, reason: string, uid: number): void {
  step.record({ type: 'revocation.abandoned', reason, uid });
  for (const { n, accessor } of living(step.grant)) {
    if (step.grant.pending.raising !== null && n === step.grant.opened) continue;
    step.record({ type: 'generation.proved', n, leases: [] });
    forget(step, n);
    if (accessor !== null) step.ask({ type: 'releaseToken', n, accessor });
  }
}

const retirementOf = (grant: Grant, n: number): Retirement =>
  grant.pending.retirements.find((retirement) => retirement.n === n) ?? {
    n,
    busy: false,
    erased: false,
    attempts: 0,
    retryAt: null,
    told: false,
    doubtful: [],
    said: null,
  };

const note = (step: Step, retirement: Retirement): void =>
  step.pending({ retirements: [...without(step, retirement.n), retirement] });

const forget = (step: Step, n: number): void => step.pending({ retirements: without(step, n) });

const without = (step: Step, n: number): Retirement[] =>
  step.grant.pending.retirements.filter((retirement) => retirement.n !== n);

/** A certificate that was there, and that its mount does not know any more: Vault was restored, or has tidied it away. */
const withoutIt = (lease: Lease, now: Instant): Proof =>
  lease.endsBy !== null && lease.endsBy <= now ? endProves(lease) : 'unproved';

/** What the end of a lease proves: nothing of a credential that lives on whatever becomes of it. */
const endProves = (lease: Lease | undefined): Proof => (lease?.revocable === false ? 'expires' : 'revoked');

/**
 * What it means that Vault does not know these leases: revoked when their own, their token's or its parent's
 * time had come; unproved otherwise (Vault restored from an old snapshot answers like that while the credential
 * lives); null when a lease may or may not have come to its own end yet and soon will have. Asked before the
 * first revocation: what was known then and is not after it, was revoked.
 */
export function gone(
  grant: Grant,
  n: number,
  ids: readonly string[],
  parentEndsAt: Instant | null,
  now: Instant,
): { id: string; proof: Proof | null }[] {
  const { leases, tokenEndsAt } = generationOf(grant, n)!;
  return ids.map((id) => {
    const lease = leases.find((candidate) => candidate.id === id);
    // What counts is the moment at which Vault was first seen not to know it.
    const absentAt = lease?.lostAt ?? now;
    const over = (end: Instant | null | undefined, by: Instant): boolean =>
      end != null && end <= by + NATURAL_END_TOLERANCE_MS;
    // No token's end takes a certificate with it that has no lease.
    const hangs = certificateOf(id) === null;
    if (lease?.known === true || (hangs && (over(tokenEndsAt, absentAt) || over(parentEndsAt, absentAt))))
      return { id, proof: endProves(lease) };
    if (lease === undefined || !over(lease.endsAt, absentAt)) return { id, proof: 'unproved' };
    if (over(lease.endsBy, now)) return { id, proof: endProves(lease) };
    return { id, proof: over(lease.endsBy, now + DOUBT_MS) ? null : 'unproved' };
  });
}
