// Owns when something is to be done about a grant: each moment by itself, and the earliest of all, which is its
// one alarm. Invariant: what decide does at an alarm moves or clears the moment that rang.

import type { Generation, Grant } from './grant.ts';
import { current, living, mortals } from './grant.ts';
import type { Instant } from './instant.ts';
import { deadAt, type Lease, lastsUntil, renewAt, replaceAt } from './lease.ts';
import type { Plan } from './task-spec.ts';

/** A credential that is known to be dead is taken away unless another has replaced it by then. */
const WITHDRAW_AFTER_MS = 700;
/** A task without a working credential is given up after this long. */
const GIVE_UP_AFTER_MS = 30_000;

/** Null when nothing is due until something else happens. */
export function dueAt(grant: Grant): Instant | null {
  const { pending, deadline } = grant;
  switch (grant.state) {
    case 'closed':
      return null;
    case 'stopping':
      if (pending.erasing || pending.raising === 'files') return null;
      return earliest([pending.eraseRetryAt, ...pending.retirements.map(({ retryAt }) => retryAt)]);
    case 'pending_approval':
      return earliest([grant.approval!.approveBy, pending.reconnectBy]);
    case 'starting':
      return earliest([pending.answerBy, deadline]);
    case 'active':
    case 'degraded':
      return earliest([
        overAt(grant),
        pending.reconnectBy,
        staleFrom(grant),
        withdrawAt(grant),
        giveUpAt(grant),
        rotateAt(grant),
        renewalAt(grant),
        ...living(grant).map(({ n, retireAt }) => retirementAt(grant, n, retireAt)),
      ]);
    default:
      return grant.state satisfies never;
  }
}

/** The task's own end: its deadline, or a lease that ends right before it. */
export const overAt = (grant: Grant): Instant =>
  earliest([grant.deadline, ...leases(grant).map((lease) => lastsUntil(lease, grant.deadline))])!;

/** What of a generation counts as dead by now. */
export const deadIn = (generation: Generation, deadline: Instant, now: Instant): Lease | undefined =>
  mortals(generation).find((lease) => (deadAt(lease, deadline) ?? Number.POSITIVE_INFINITY) <= now);

/** When the credential in use is dead; null once that is known. */
export const staleFrom = (grant: Grant): Instant | null =>
  grant.pending.staleAt !== null
    ? null
    : earliest(leases(grant).map((lease) => deadAt(lease, grant.deadline)));

export function withdrawAt({ pending, withdrawn }: Grant): Instant | null {
  if (pending.staleAt === null || pending.erasing || pending.raising === 'files') return null;
  if (withdrawn) return pending.eraseRetryAt;
  return Math.max(pending.staleAt + WITHDRAW_AFTER_MS, pending.eraseRetryAt ?? 0);
}

export const giveUpAt = ({ pending }: Grant): Instant | null =>
  pending.staleAt === null ? null : pending.staleAt + GIVE_UP_AFTER_MS;

/** When another generation is to be raised, or the one before hastened away to make room for it. */
export function rotateAt(grant: Grant): Instant | null {
  const { pending, plan, deadline } = grant;
  if (pending.raising !== null) return null;
  const now = pending.wanted !== null || pending.staleAt !== null;
  const wantedAt = now ? 0 : earliest(leases(grant).map((lease) => replaceAt(lease, deadline, leadMs(plan))));
  if (wantedAt === null) return null;
  const at = Math.max(wantedAt, pending.rotateAt ?? 0);
  const others = living(grant).filter(({ n }) => n !== current(grant)?.n);
  if (others.length === 0) return at;
  // At most two live at a time: what is in the way goes first, then its proof rings.
  return others.some(({ retireAt }) => retireAt !== null && retireAt > at) ? at : null;
}

/** When leases of the generation in use are to be renewed or cut. */
export function renewalAt(grant: Grant): Instant | null {
  const { pending, deadline } = grant;
  if (pending.renewing !== null || pending.staleAt !== null) return null;
  if (pending.retryAt !== null) return pending.retryAt;
  return earliest([pending.cutAt, ...leases(grant).map((lease) => renewAt(lease, deadline))]);
}

function retirementAt({ pending }: Grant, n: number, retireAt: Instant | null): Instant | null {
  if (retireAt === null || pending.renewing === n) return null;
  const retirement = pending.retirements.find((candidate) => candidate.n === n);
  return retirement?.busy === true ? null : Math.max(retireAt, retirement?.retryAt ?? 0);
}

/** What the task in its present form lives by. */
const leases = (grant: Grant): readonly Lease[] => {
  const inUse = current(grant);
  return inUse === null ? [] : mortals(inUse);
};

/** What a rotation needs before the end: the overlap, and the time that a credential may take until it works. */
export const leadMs = ({ overlapMs, ready }: Plan): number => overlapMs + (ready?.timeoutMs ?? 0);

const earliest = (instants: readonly (Instant | null)[]): Instant | null =>
  instants.reduce(
    (min, instant) => (instant !== null && (min === null || instant < min) ? instant : min),
    null,
  );
