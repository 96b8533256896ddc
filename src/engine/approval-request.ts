// Owns what approvers are asked about a start. Invariant: the digest is of exactly what is shown and recorded.

import { canonical } from '../domain/canonical.ts';
import type { Fact } from '../domain/fact.ts';
import { instantOf, type Moment, rfc3339 } from '../domain/instant.ts';
import type { Profile } from '../domain/profile.ts';
import { scopeOf } from '../domain/scope.ts';
import type { StartSignal } from '../domain/task-spec.ts';

type Accepted = Extract<Fact, { type: 'grant.accepted' }>;
type Requested = Extract<Fact, { type: 'approval.requested' }>;

/** Null where the profile needs no approval. */
export function approvalRequest(
  accepted: Accepted,
  signal: StartSignal,
  profile: Profile,
  sha256: (text: string) => string,
  now: Moment,
): Requested | null {
  if (profile.approval === undefined) return null;
  const { deadline = null, durationMs = profile.ttl.defaultMs } = signal;
  const waitsUntil = now.at + profile.approval.ttlMs;
  const approveBy =
    deadline === null ? waitsUntil : Math.min(waitsUntil, instantOf(accepted.expires_at, now));
  const scope = scopeOf(accepted, profile, accepted.plan, {
    duration_seconds: deadline === null ? durationMs / 1000 : null,
    deadline,
    asked_at: rfc3339(now.at, now),
    approve_by: rfc3339(approveBy, now),
  });
  const digest = sha256(canonical(scope));
  return { type: 'approval.requested', digest, scope, approve_by: scope.approve_by };
}
