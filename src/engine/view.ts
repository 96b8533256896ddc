// Owns what a caller sees of a grant: the answers of the API. Invariant: never a secret, never an
// accessor or a lease id.

import type { Grant } from '../domain/grant.ts';
import { current, works } from '../domain/grant.ts';
import type { Moment } from '../domain/instant.ts';
import { rfc3339 } from '../domain/instant.ts';
import type { BusinessEvent } from '../domain/task-spec.ts';

export interface TaskView {
  readonly task: string;
  readonly state: Grant['state'];
  readonly profile: string;
  readonly dir: string | null;
  readonly files: readonly string[];
  readonly generation: number;
  readonly started_at: string;
  /** start + asked duration; the deadline is this plus the profile's grace. */
  readonly expires_at: string;
  readonly deadline: string;
  readonly event: BusinessEvent | null;
  readonly parent: string | null;
  readonly outcome?: string;
  /** Why it is degraded, or why its revocation is still pending. */
  readonly reason?: { readonly code: string; readonly detail: string };
  readonly leases: readonly {
    readonly secret: string;
    readonly expires_at: string | null;
    readonly renewable: boolean;
    readonly revocable: boolean;
  }[];
}

export function viewOf(grant: Grant, dir: string, now: Moment): TaskView {
  const generation = current(grant);
  const why = grant.problem ?? grant.refusal;
  // While a withdrawal is under way, nobody can say which files are still there.
  const readable = works(grant) && !grant.withdrawn;
  return {
    task: grant.task,
    state: grant.state,
    profile: grant.profile,
    dir: readable ? dir : null,
    files: readable ? (generation?.files ?? []) : [],
    generation: generation?.n ?? grant.opened,
    started_at: rfc3339(grant.acceptedAt, now),
    expires_at: rfc3339(grant.expiresAt, now),
    deadline: rfc3339(grant.deadline, now),
    event: grant.event,
    parent: grant.parent,
    ...(grant.outcome === null ? {} : { outcome: grant.outcome }),
    ...(why === null ? {} : { reason: { code: why.code, detail: why.detail } }),
    leases:
      (generation ?? grant.generations.at(-1))?.leases.map((lease) => ({
        secret: lease.secret,
        expires_at: lease.endsAt === null ? null : rfc3339(Math.min(lease.endsAt, grant.deadline), now),
        renewable: lease.renewable,
        revocable: lease.revocable,
      })) ?? [],
  };
}
