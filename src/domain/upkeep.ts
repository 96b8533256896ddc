// Owns the life of a working task: renewals, rotations, what is due when. Invariant: only what Vault granted is
// believed; nothing is renewed past the deadline; a credential that is known to be dead is not left in its file.

import { deadIn, giveUpAt, leadMs, overAt, renewalAt, rotateAt, staleFrom, withdrawAt } from './due.ts';
import type { Outcome } from './fact.ts';
import type { Grant } from './grant.ts';
import { current, generationOf, living, mortals, works } from './grant.ts';
import type { GrantEvent, LeaseRenewal } from './grant-event.ts';
import type { Instant } from './instant.ts';
import { incrementSeconds, mostPatient, needsCut, renewAt, replaceAt, retryDelay } from './lease.ts';
import { raise, supersede } from './raise.ts';
import { retireDue } from './retire.ts';
import type { Step } from './step.ts';
import type { Plan } from './task-spec.ts';

/** Vault counts whole seconds, and a renewal takes a moment: less is no cap. */
const SHORT_MS = 1500;

export const PROFILE_CHANGED = 'the profile was changed';

/** Does what is due. Everything is derived from the grant, so a late or repeated call is harmless. */
export function proceed(step: Step): void {
  if (step.due(staleFrom(step.grant))) goStale(step, deadLease(step.grant, step.now.at));
  endIfOver(step);
  if (!works(step.grant)) return;
  if (step.due(withdrawAt(step.grant))) {
    // On record first: a crash right after it leaves a task that waits for its next credential.
    if (!step.grant.withdrawn)
      step.record({
        type: 'files.withdrawn',
        n: current(step.grant)!.n,
        detail: 'the credential in them ended',
      });
    step.pending({ erasing: true, eraseRetryAt: null });
    step.ask({ type: 'withdraw' });
  }
  retireDue(step);
  if (step.due(rotateAt(step.grant))) rotate(step);
  if (step.due(renewalAt(step.grant))) renew(step);
}

/** Stops a task whose time is over, for whatever reason. */
export function endIfOver(step: Step): void {
  const { grant } = step;
  if (step.due(grant.deadline)) stop(step, 'expired');
  else if (step.due(overAt(grant))) stop(step, 'expired', 'a lease ends with the task and cannot be renewed');
  else if (step.due(grant.pending.reconnectBy)) stop(step, 'lost', 'its connection did not come back');
  else if (step.due(giveUpAt(grant))) stop(step, 'failed', lastWord(grant));
}

export function stop(step: Step, reason: Outcome, detail?: string): void {
  if (step.grant.state === 'stopping') return;
  step.record({ type: 'grant.stopping', reason, detail: detail ?? null });
  // What failed while the task lived must not make its end wait.
  step.pending({ eraseAttempts: 0, eraseRetryAt: null });
}

/** The credential in use works no more; `why` another one is needed. */
export function goStale(step: Step, why: string): void {
  const { staleAt, wanted, raising } = step.grant.pending;
  // One that is on its way is the other one; when it fails, it is tried again.
  step.pending({ staleAt: staleAt ?? step.now.at, wanted: raising === null ? (wanted ?? why) : wanted });
}

const deadLease = (grant: Grant, now: Instant): string => {
  const dead = deadIn(current(grant)!, grant.deadline, now);
  return `the lease of ${dead?.secret ?? 'a secret'} ended`;
};

const lastWord = ({ problem }: Grant): string =>
  `its credential ended and could not be replaced${problem === null ? '' : `: ${problem.detail}`}`;

function rotate(step: Step): void {
  const { grant, now } = step;
  const inUse = current(grant);
  const others = living(grant).filter(({ n }) => n !== inUse?.n);
  for (const other of others) supersede(step, other, now.at);
  if (others.length > 0) {
    // Its proof rings, not the clock.
    step.pending({ rotateAt: now.at });
    return retireDue(step);
  }
  raise(step, grant.pending.wanted ?? ending(grant, now.at));
}

const ending = (grant: Grant, now: Instant): string => {
  const { plan, deadline } = grant;
  const inUse = current(grant);
  const lease =
    inUse === null
      ? undefined
      : mortals(inUse).find((one) => (replaceAt(one, deadline, leadMs(plan)) ?? Infinity) <= now);
  return `the lease of ${lease?.secret ?? 'a secret'} comes to its end`;
};

function renew(step: Step): void {
  const { grant, now } = step;
  const { deadline, pending } = grant;
  const inUse = current(grant)!;
  const { n } = inUse;
  const wanted = mortals(inUse).filter(
    (lease) => (step.due(pending.cutAt) && needsCut(lease, deadline)) || step.due(renewAt(lease, deadline)),
  );
  step.pending({ retryAt: null, cutAt: step.due(pending.cutAt) ? null : pending.cutAt });
  if (wanted.length === 0) return;
  step.pending({ renewing: n });
  step.ask({
    type: 'renewLeases',
    n,
    leases: wanted.map((lease) => ({
      id: lease.id!,
      incrementSeconds: incrementSeconds(lease, deadline, now.at),
    })),
  });
}

type Refused = Extract<LeaseRenewal, { problem: unknown }>;

export function renewed(step: Step, n: number, results: readonly LeaseRenewal[]): void {
  const generation = generationOf(step.grant, n);
  const lost = results.flatMap((result) =>
    'problem' in result && result.what === 'lost' ? [result.id] : [],
  );
  const granted = results.flatMap((result) => {
    const known = generation !== undefined && mortals(generation).some(({ id }) => id === result.id);
    return 'problem' in result || !known ? [] : [grantedBy(step, result)];
  });
  if (granted.length > 0) step.record({ type: 'leases.renewed', n, leases: granted });
  if (lost.length > 0) step.record({ type: 'leases.lost', n, ids: lost });
  if (!works(step.grant) || current(step.grant)?.n !== n) return;
  const failures = results.filter((result): result is Refused => 'problem' in result);
  const failed = mostPatient(failures, ({ problem }) => problem);
  if (failed === undefined) return step.pending({ attempts: 0 });
  step.record({ type: 'renewal.failed', n, problem: failed.problem.body() });
  const attempts = step.grant.pending.attempts + 1;
  const retryAt = step.now.at + retryDelay(step.grant.id, failed.problem, attempts);
  const cut = mortals(current(step.grant)!).some((lease) => needsCut(lease, step.grant.deadline));
  step.pending({ attempts, retryAt, cutAt: cut ? retryAt : null });
  const refused = failures.find(({ what }) => what === 'refused');
  const { wanted, raising } = step.grant.pending;
  // A generation that is on its way is the answer to it already.
  if (refused !== undefined && raising === null)
    step.pending({
      wanted: wanted ?? `Vault refuses to renew the lease of ${secretOf(step.grant, refused.id)}`,
    });
}

const secretOf = (grant: Grant, id: string): string =>
  mortals(current(grant)!).find((lease) => lease.id === id)?.secret ?? 'a secret';

function grantedBy(
  step: Step,
  { id, incrementSeconds, ttlMs, endsAt, renewable }: Extract<LeaseRenewal, { ttlMs: number }>,
) {
  const short = ttlMs < incrementSeconds * 1000 - SHORT_MS;
  const capped = endsAt < step.grant.deadline && (!renewable || short);
  return { id, ttl_ms: ttlMs, ends_at: step.time(endsAt), capped };
}

/** The profile says something else by now. A deadline only ever moves nearer by that. */
export function replan(
  step: Step,
  { plan, latestDeadline, version = null }: Pick<PlanChanged, 'plan' | 'latestDeadline' | 'version'>,
): void {
  const { grant } = step;
  if (latestDeadline < grant.latestDeadline) {
    moveDeadline(step, Math.min(grant.deadline, latestDeadline), latestDeadline);
  }
  const { wanted, raising } = grant.pending;
  const newest = raising === null ? current(grant)! : grant.generations.at(-1)!;
  // Where the rotation was failing already, only one that works shows that all is well again.
  const settled = wanted === PROFILE_CHANGED && grant.failing !== 'rotation' ? null : wanted;
  step.pending({
    plan: same(plan, grant.plan) ? null : plan,
    version: same(plan, grant.plan) ? null : version,
    // A reason that is there already stays: the rotation takes the new plan anyway.
    wanted: same(plan, newest.plan) ? settled : (wanted ?? PROFILE_CHANGED),
  });
}

type PlanChanged = Extract<GrantEvent, { type: 'planChanged' }>;

const same = (one: Plan, other: Plan): boolean => JSON.stringify(one) === JSON.stringify(other);

export function extend(step: Step, byMs: number, notAfter: Instant): void {
  const { deadline, latestDeadline } = step.grant;
  const moved = Math.min(deadline + byMs, latestDeadline, notAfter);
  if (moved > deadline) moveDeadline(step, moved, latestDeadline);
}

function moveDeadline(step: Step, deadline: Instant, latestDeadline: Instant): void {
  const { grant } = step;
  step.record({
    type: 'deadline.moved',
    expires_at: step.time(grant.expiresAt + (deadline - grant.deadline)),
    deadline: step.time(deadline),
    latest_deadline: step.time(latestDeadline),
  });
}
