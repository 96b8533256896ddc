// Owns the grants, leases, profiles and callers that the domain's tests start from. Invariant: every grant
// here is made by open() and decide() alone, so that no test begins in a state the product cannot reach.

import { decide, open } from '../../../src/domain/decide.ts';
import type { Fact, IssuedLease } from '../../../src/domain/fact.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import type { ProfileName, TaskId } from '../../../src/domain/ids.ts';
import { grantId } from '../../../src/domain/ids.ts';
import type { Instant, Moment } from '../../../src/domain/instant.ts';
import { instantOf, rfc3339 } from '../../../src/domain/instant.ts';
import type { Lease } from '../../../src/domain/lease.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Caller, Plan } from '../../../src/domain/task-spec.ts';

export const TASK = 'build-81' as TaskId;
export const PROFILE = 'report-read' as ProfileName;
export const GRANT = grantId(TASK, 1);

const EPOCH_WALL_MS = Date.parse('2026-11-22T10:00:00.000Z');
const EPOCH_AT = 5_000_000;

/** The moment `ms` after the samples' start, on both clocks. */
export const at = (ms: number): Moment => ({ at: EPOCH_AT + ms, wallMs: EPOCH_WALL_MS + ms });
/** The same as an instant. */
export const instant = (ms: number): Instant => at(ms).at;
/** The same as RFC 3339. */
export const time = (ms: number): string => rfc3339(instant(ms), at(0));

export const DURATION_MS = 600_000;
export const GRACE_MS = 15_000;
export const DEADLINE_MS = DURATION_MS + GRACE_MS;
export const ANSWER_WITHIN_MS = 30_000;

export const PLAN: Plan = {
  policies: ['tasklease-report-read'],
  asks: [
    {
      secret: 'db',
      method: 'read',
      path: 'database/creds/report',
      files: [{ name: 'db.json', format: 'json' }],
    },
  ],
  reader: { uid: 1000, gid: 1000 },
  overlapMs: 30_000,
  extend: false,
};

export type Accepted = Extract<Fact, { type: 'grant.accepted' }>;

export const ACCEPTED: Accepted = {
  type: 'grant.accepted',
  task: TASK,
  profile: PROFILE,
  params: { env: 'prod' },
  event: { type: 'pull_request', id: 'acme/shop#412' },
  bind: null,
  owner: { uid: 1000, gid: 1000 },
  groups: [],
  evidence: null,
  asserted: null,
  admin: false,
  bound: null,
  parent: null,
  digest: 'a'.repeat(64),
  plan: PLAN,
  expires_at: time(DURATION_MS),
  deadline: time(DEADLINE_MS),
  latest_deadline: time(DEADLINE_MS),
};

/** A lease as issued at `issuedMs`; by default one that must be renewed: 2 minutes, the task has 10. */
export function leaseIssued(overrides: Partial<IssuedLease> = {}, issuedMs = 0): IssuedLease {
  const ttl_ms = overrides.ttl_ms === undefined ? 120_000 : overrides.ttl_ms;
  return {
    secret: 'db',
    path: 'database/creds/report',
    id: 'database/creds/report/abc',
    ttl_ms,
    ends_at: ttl_ms === null ? null : time(issuedMs + ttl_ms),
    renewable: true,
    revocable: true,
    ...overrides,
  };
}

/** A lease inside a grant, renewable and 2 minutes long unless told otherwise. */
export const lease = (overrides: Partial<Lease> = {}): Lease => ({
  secret: 'db',
  path: 'database/creds/report',
  id: 'database/creds/report/abc',
  issuedAt: instant(0),
  ttlMs: 120_000,
  issuedTtlMs: 120_000,
  endsAt: instant(120_000),
  endsBy: instant(120_000),
  renewedAt: instant(0),
  renewable: true,
  revocable: true,
  follows: false,
  capped: false,
  lostAt: null,
  known: false,
  proof: null,
  endedAt: null,
  late: null,
  ...overrides,
});

export const DENIED = new Problem('VAULT_DENIED', 'Vault refused database/creds/report');
export const UNREACHABLE = new Problem('VAULT_UNREACHABLE', 'Vault cannot be reached');

export const SESSION = 'session-a';
export const tokenOpenedOf = (n: number, session = SESSION): GrantEvent => ({
  type: 'tokenOpened',
  n,
  accessor: `acc-${n}`,
  session,
  endsAt: instant(DEADLINE_MS),
});
export const secretsReadOf = (
  n: number,
  leases: readonly IssuedLease[],
  problem: Problem | null = null,
  lost: readonly { secret: string; path: string }[] = [],
): GrantEvent => ({ type: 'secretsRead', n, askedAt: askedAt(leases), leases, lost, problem });
/** When these leases were asked for, by their end and their TTL. */
const askedAt = (leases: readonly IssuedLease[]): Instant => {
  const ending = leases.find(({ ends_at }) => ends_at !== null);
  return ending === undefined ? instant(0) : instantOf(ending.ends_at!, at(0)) - ending.ttl_ms!;
};
export const probedOf = (n: number): GrantEvent => ({ type: 'probed', n });
export const publishedOf = (n: number, changed = true): GrantEvent => ({
  type: 'published',
  n,
  files: ['db.json'],
  changed,
});

export const tokenOpened: GrantEvent = tokenOpenedOf(1);
export const secretsRead = (
  leases: readonly IssuedLease[] = [leaseIssued()],
  problem: Problem | null = null,
  lost: readonly { secret: string; path: string }[] = [],
): GrantEvent => secretsReadOf(1, leases, problem, lost);
export const published: GrantEvent = publishedOf(1);
export const stopRequested: GrantEvent = { type: 'stopRequested', reason: 'completed' };
export const checked = (
  known: readonly string[] = ['database/creds/report/abc'],
  gone: readonly string[] = [],
): GrantEvent => ({ type: 'leasesChecked', n: 1, known, gone, parentEndsAt: null });

/** The grant after these events, each at its own time in milliseconds after the start. */
export function after(
  grant: Grant,
  ...events: readonly (GrantEvent | readonly [number, GrantEvent])[]
): Grant {
  let now = 0;
  let next = grant;
  for (const item of events) {
    const [ms, event] = Array.isArray(item) ? (item as [number, GrantEvent]) : [now, item as GrantEvent];
    now = ms;
    next = decide(next, event, at(ms)).next;
  }
  return next;
}

export const accepted = (overrides: Partial<Accepted> = {}): Grant =>
  open(GRANT, { ...ACCEPTED, ...overrides }, ANSWER_WITHIN_MS, at(0)).next;
export const holdingToken = (): Grant => after(accepted(), tokenOpened);
export const publishing = (...leases: readonly IssuedLease[]): Grant =>
  after(holdingToken(), secretsRead(leases.length === 0 ? [leaseIssued()] : leases));
export const active = (...leases: readonly IssuedLease[]): Grant => after(publishing(...leases), published);
/** As active, of a task that was accepted with something else. */
export const activeAs = (overrides: Partial<Accepted>, ...leases: readonly IssuedLease[]): Grant =>
  after(
    accepted(overrides),
    tokenOpened,
    secretsRead(leases.length === 0 ? [leaseIssued()] : leases),
    published,
  );

export const profile = (overrides: Partial<Profile> = {}): Profile => ({
  name: PROFILE,
  description: 'Read-only access to the report database for one run',
  allow: { uids: [1000], gids: [] },
  event: { required: false, types: [] },
  params: { env: { enum: ['staging', 'prod'], optional: false } },
  ttl: { defaultMs: DURATION_MS, maxMs: 3_600_000, graceMs: GRACE_MS, extend: false },
  policies: ['tasklease-report-read'],
  bind: 'optional',
  children: [],
  overlapMs: 30_000,
  secrets: [
    {
      name: 'db',
      path: 'database/creds/report-{{params.env}}',
      method: 'read',
      files: [{ name: 'db.json', format: 'json' }],
    },
  ],
  ...overrides,
});

export const caller = (overrides: Partial<Caller> = {}): Caller => ({
  uid: 1000,
  gid: 1000,
  groups: [],
  pid: 4242,
  admin: false,
  ...overrides,
});
