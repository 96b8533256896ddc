// Owns the receipt of a closed task. Invariant: one line for every lease of every generation, each with the
// proof that was recorded, never a better one.

import type { Receipt, ReceiptApproval, ReceiptLease } from './fact.ts';
import type { Generation } from './grant.ts';
import type { Step } from './step.ts';

export function receipt(step: Step): Receipt {
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
    ...(grant.approval === null ? {} : { approval: approvalOf(step) }),
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

function approvalOf(step: Step): ReceiptApproval {
  const { digest, given, denied } = step.grant.approval!;
  const told = <Said extends { readonly at: number }>(word: Said) => ({ ...word, at: step.time(word.at) });
  return { digest, given: given.map(told), denied: denied === null ? null : told(denied) };
}
