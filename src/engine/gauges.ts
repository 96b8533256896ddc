// Owns what is so now, in numbers, for the metrics. Invariant: read from the grants themselves when somebody asks,
// never kept beside them, so that a number cannot drift from what is.

import { current, type Grant, living, mortals, works } from '../domain/grant.ts';
import type { Instant } from '../domain/instant.ts';
import { type Lease, renewAt } from '../domain/lease.ts';
import type { Sample, Samples } from '../ports/metrics.ts';
import type { Agent } from './agent.ts';

export function gauges(agent: Agent): Samples {
  const { grants, now, sessionEndsAt } = agent.snapshot();
  const due = grants.flatMap((grant) => dueSince(grant, now));
  return {
    tasklease_tasks: byState(grants),
    tasklease_leases: [{ value: sum(grants, leasesOf) }],
    tasklease_leases_without_task: [
      { value: sum(grants, (grant) => (grant.state === 'stopping' ? leasesOf(grant) : 0)) },
    ],
    tasklease_revocations_pending: [{ value: due.length }],
    tasklease_revocation_oldest_age_seconds: [
      seconds(due.reduce((age, since) => Math.max(age, now - since), 0)),
    ],
    tasklease_renewal_lag_seconds: [
      seconds(grants.reduce((lag, grant) => Math.max(lag, lateBy(grant, now)), 0)),
    ],
    tasklease_ready: [{ value: agent.notReady().length === 0 ? 1 : 0 }],
    tasklease_session_ttl_seconds: [seconds(sessionEndsAt === null ? 0 : sessionEndsAt - now)],
    tasklease_profiles: [{ value: agent.profiles.names().length }],
    tasklease_profile_faults: [{ value: agent.profiles.faults().length }],
    tasklease_profile_faulty: agent.profiles.faulty().map((profile) => ({ labels: { profile }, value: 1 })),
  };
}

const STATES = ['pending_approval', 'starting', 'active', 'degraded', 'stopping'] as const;

function byState(grants: readonly Grant[]): Sample[] {
  const counts = new Map<string, number>(STATES.map((state) => [state, 0]));
  for (const { state } of grants) if (state !== 'closed') counts.set(state, counts.get(state)! + 1);
  return [...counts].map(([state, value]) => ({ labels: { state }, value }));
}

/** Something in Vault that has to be ended: known by its id, or issued in a reply that was lost. */
const isOpen = ({ id, revocable, proof }: Lease): boolean => proof === null && (id !== null || revocable);

const leasesOf = (grant: Grant): number =>
  living(grant).reduce((count, { leases }) => count + leases.filter(isOpen).length, 0);

/** Since when each generation that is to be revoked by now is waiting for its proof. */
function dueSince(grant: Grant, now: Instant): Instant[] {
  if (grant.state === 'stopping') {
    return living(grant).map(({ retireAt }) => Math.min(grant.stoppedAt ?? now, retireAt ?? now));
  }
  return living(grant).flatMap(({ retireAt }) => (retireAt !== null && retireAt <= now ? [retireAt] : []));
}

/** By how much the renewal of what the task lives by is late. */
function lateBy(grant: Grant, now: Instant): number {
  const inUse = works(grant) ? current(grant) : null;
  if (inUse === null) return 0;
  return mortals(inUse).reduce((lag, lease) => {
    const due = renewAt(lease, grant.deadline);
    return due === null ? lag : Math.max(lag, now - due);
  }, 0);
}

const sum = (grants: readonly Grant[], of: (grant: Grant) => number): number =>
  grants.reduce((total, grant) => total + of(grant), 0);

const seconds = (ms: number): Sample => ({ value: Math.max(0, ms) / 1000 });
