// Owns the one alarm of a grant: the earliest moment at which decide(grant, alarm) has something to do.

import type { Grant } from './grant.ts';
import { latest } from './grant.ts';
import type { Instant } from './instant.ts';
import { failsAt, renewAt } from './lease.ts';

/** Null when nothing is due until something else happens. */
export function dueAt(grant: Grant): Instant | null {
  const { pending, deadline } = grant;
  switch (grant.state) {
    case 'closed':
      return null;
    case 'stopping':
      return earliest([pending.retryAt, pending.eraseRetryAt]);
    case 'starting':
      return earliest([pending.answerBy, deadline]);
    case 'active':
    case 'degraded': {
      const { leases } = latest(grant);
      const ends = [deadline, ...leases.map((lease) => failsAt(lease, deadline))];
      if (pending.inFlight !== null) return earliest(ends);
      if (pending.retryAt !== null) return earliest([...ends, pending.retryAt]);
      return earliest([...ends, pending.cutAt, ...leases.map((lease) => renewAt(lease, deadline))]);
    }
    default:
      return grant.state satisfies never;
  }
}

const earliest = (instants: readonly (Instant | null)[]): Instant | null =>
  instants.reduce(
    (min, instant) => (instant !== null && (min === null || instant < min) ? instant : min),
    null,
  );
