// Owns what a caller sees of a grant: the answers of the API. Invariant: never a secret, never an
// accessor or a lease id.

import { type Approval, type Term, termFrom } from '../domain/approval.ts';
import type { Grant } from '../domain/grant.ts';
import { current, works } from '../domain/grant.ts';
import type { Moment } from '../domain/instant.ts';
import { rfc3339 } from '../domain/instant.ts';
import type { Lease } from '../domain/lease.ts';
import type { Scope } from '../domain/scope.ts';
import type { BusinessEvent } from '../domain/task-spec.ts';

export interface TaskView {
  readonly task: string;
  readonly state: Grant['state'];
  readonly profile: string;
  readonly dir: string | null;
  readonly files: readonly string[];
  readonly generation: number;
  /** The generation that brought what the files show: another number once there is something new to read. */
  readonly files_since: number;
  readonly started_at: string;
  /** start + asked duration; the deadline is this plus the profile's grace. While it waits: as if approved now. */
  readonly expires_at: string;
  readonly deadline: string;
  readonly event: BusinessEvent | null;
  readonly parent: string | null;
  readonly outcome?: string;
  /** Where its profile needs one: what is asked, and what was said so far. */
  readonly approval?: {
    /** SHA-256 of the scope as canonical JSON: names sorted, no blanks. */
    readonly digest: string;
    readonly approve_by: string;
    readonly given: readonly {
      readonly uid: number | null;
      readonly signer?: string;
      readonly at: string;
      readonly reason: string | null;
    }[];
    readonly scope: Scope;
  };
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
  const waits = grant.state === 'pending_approval';
  const term: Term = waits ? termFrom(grant, now.at) : grant;
  // While a withdrawal is under way, nobody can say which files are still there.
  const readable = works(grant) && !grant.withdrawn;
  return {
    task: grant.task,
    state: grant.state,
    profile: grant.profile,
    dir: readable ? dir : null,
    files: readable ? (generation?.files ?? []) : [],
    generation: generation?.n ?? grant.opened,
    files_since: grant.filesSince,
    started_at: rfc3339(grant.acceptedAt, now),
    expires_at: rfc3339(term.expiresAt, now),
    deadline: rfc3339(term.deadline, now),
    event: grant.event,
    parent: grant.parent,
    ...(grant.outcome === null ? {} : { outcome: grant.outcome }),
    ...(grant.approval === null ? {} : { approval: approvalOf(grant.approval, now) }),
    ...(why === null ? {} : { reason: { code: why.code, detail: why.detail } }),
    leases:
      (generation ?? grant.generations.at(-1))?.leases.map((lease) => ({
        secret: lease.secret,
        expires_at: endOf(lease, grant, now),
        renewable: lease.renewable,
        revocable: lease.revocable,
      })) ?? [],
  };
}

/** What can be revoked ends with the task at the latest, all else at its own time. */
function endOf({ endsAt, revocable }: Lease, { deadline }: Grant, now: Moment): string | null {
  if (endsAt === null) return null;
  return rfc3339(revocable ? Math.min(endsAt, deadline) : endsAt, now);
}

const approvalOf = ({ digest, approveBy, given, scope }: Approval, now: Moment) => ({
  digest,
  approve_by: rfc3339(approveBy, now),
  given: given.map((word) => ({ ...word, at: rfc3339(word.at, now) })),
  scope,
});
