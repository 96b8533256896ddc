// Owns every decision about a grant. Pure: no clock, no I/O. Invariant: facts are made
// durable before the effects run, so that a crash between the two leaves a handle on everything at Vault.

import { wholeSeconds } from './duration.ts';
import type { Fact, Outcome } from './fact.ts';
import type { Grant } from './grant.ts';
import { latest } from './grant.ts';
import type { GrantEvent, LeaseRenewal } from './grant-event.ts';
import { apply } from './grant-fold.ts';
import type { GrantId } from './ids.ts';
import type { Instant, Moment } from './instant.ts';
import { failsAt, incrementSeconds, needsCut, renewAt, retryDelayMs } from './lease.ts';
import type { ProblemBody } from './problem.ts';
import { Problem } from './problem.ts';
import { continueStop, gone } from './retire.ts';
import { type Decision, Step } from './step.ts';

export type { Decision } from './step.ts';

/** Leases longer than the task are cut this long after it became active, so that no start or short task waits. */
const CUT_DELAY_MS = 50;

/** A new grant: accepted, its first generation opened, its token asked for. */
export function open(
  id: GrantId,
  accepted: Extract<Fact, { type: 'grant.accepted' }>,
  answerWithinMs: number,
  now: Moment,
): Decision {
  const step = new Step(apply(null, id, accepted, now), now);
  step.facts.push(accepted);
  step.record({ type: 'generation.opened', n: 1 });
  step.pending({ inFlight: 'token', answerBy: now.at + answerWithinMs });
  step.ask({ type: 'openToken', n: 1 });
  return step.decision();
}

export function decide(grant: Grant, event: GrantEvent, now: Moment): Decision {
  const step = new Step(grant, now);
  if (grant.state !== 'closed') react(step, event);
  return step.decision();
}

function react(step: Step, event: GrantEvent): void {
  const starting = step.grant.state === 'starting';
  switch (event.type) {
    case 'tokenOpened':
      step.record({
        type: 'token.opened',
        n: event.n,
        accessor: event.accessor,
        ends_at: step.time(event.endsAt),
      });
      step.pending({ inFlight: starting ? 'secrets' : null });
      if (starting) step.ask({ type: 'readSecrets', n: event.n });
      else continueStop(step);
      return;
    case 'tokenFailed':
      step.pending({ inFlight: null });
      if (event.unknown) step.record({ type: 'token.lost', n: event.n });
      if (starting) refuse(step, event.problem.body());
      else continueStop(step);
      return;
    case 'secretsRead':
      step.record({ type: 'leases.issued', n: event.n, leases: event.leases, lost: event.lost });
      step.pending({ inFlight: null, publishing: starting && event.problem === null });
      if (!starting) continueStop(step);
      else if (event.problem !== null) refuse(step, event.problem.body());
      else step.ask({ type: 'publish', n: event.n });
      return;
    case 'published':
      step.pending({ publishing: false });
      if (!starting) return continueStop(step);
      step.record({ type: 'delivery.published', n: event.n, files: event.files });
      step.pending({
        answerBy: null,
        cutAt: latest(step.grant).leases.some((lease) => needsCut(lease, step.grant.deadline))
          ? step.now.at + CUT_DELAY_MS
          : null,
      });
      return;
    case 'publishFailed':
      step.pending({ publishing: false });
      if (starting) refuse(step, event.problem.body());
      else continueStop(step);
      return;
    case 'renewed':
      step.pending({ inFlight: null });
      return renewed(step, event.n, event.results);
    case 'alarm':
      return alarm(step);
    case 'stopRequested':
      return stop(step, event.reason, event.detail);
    case 'unrecorded':
      if (!starting) return;
      step.pending({ inFlight: null, publishing: false });
      return refuse(step, event.problem.body());
    case 'erased':
      step.pending({ erasing: false, erasedAt: step.now.at, eraseRetryAt: null });
      return continueStop(step);
    case 'eraseFailed':
      failedAgain(step, { type: 'erasure.failed', problem: event.problem.body() });
      step.pending({
        erasing: false,
        attempts: step.grant.pending.attempts + 1,
        eraseRetryAt: step.now.at + retryDelayMs(`${step.grant.id}/erase`, step.grant.pending.attempts + 1),
      });
      return continueStop(step);
    case 'leasesChecked': {
      step.pending({ inFlight: null });
      const proofs = gone(step.grant, event.n, event.gone, event.parentEndsAt, step.now.at);
      step.record({ type: 'leases.known', n: event.n, known: event.known, gone: proofs });
      return continueStop(step);
    }
    case 'revoked': {
      step.pending({ inFlight: null, attempts: 0 });
      const generation = step.grant.generations.find(({ n }) => n === event.n)!;
      const leases = generation.leases.flatMap(({ id, proof }) =>
        id === null || proof !== null ? [] : [{ id, proof: 'revoked' as const }],
      );
      step.record({ type: 'generation.proved', n: event.n, leases });
      return continueStop(step);
    }
    case 'revocationFailed': {
      const attempts = step.grant.pending.attempts + 1;
      failedAgain(step, { type: 'revocation.failed', n: event.n, problem: event.problem.body() });
      step.pending({
        inFlight: null,
        attempts,
        retryAt: step.now.at + retryDelay(step.grant, event.problem, attempts),
      });
      return continueStop(step);
    }
    default:
      event satisfies never;
  }
}

/** Tried for ever, every 15 s at the slowest (60 s where Vault asks for it): on record once per reason, not once per attempt. */
function failedAgain(
  step: Step,
  fact: Extract<Fact, { type: 'erasure.failed' | 'revocation.failed' }>,
): void {
  const known = step.grant.pending.attempts > 0 && step.grant.problem?.detail === fact.problem.detail;
  if (!known) step.record(fact);
}

function refuse(step: Step, problem: ProblemBody): void {
  step.record({ type: 'grant.refused', problem });
  continueStop(step);
}

function stop(step: Step, reason: Outcome, detail?: string): void {
  if (step.grant.state === 'stopping') return;
  step.record({ type: 'grant.stopping', reason, detail: detail ?? null });
  step.pending({ attempts: 0, retryAt: null, cutAt: null });
  continueStop(step);
}

/** Something is due. Everything is derived from the grant, so a late or repeated alarm is harmless. */
function alarm(step: Step): void {
  const { grant, now } = step;
  const { pending } = grant;
  const due = (at: Instant | null) => at !== null && at <= now.at;
  if (grant.state === 'stopping') {
    if (due(pending.retryAt)) step.pending({ retryAt: null });
    if (due(pending.eraseRetryAt)) step.pending({ eraseRetryAt: null });
    return continueStop(step);
  }
  if (grant.state === 'starting') {
    if (due(pending.answerBy) || due(grant.deadline)) refuse(step, slow());
    return;
  }
  if (due(grant.deadline)) return stop(step, 'expired');
  const failing = latest(grant).leases.find((lease) => due(failsAt(lease, grant.deadline)));
  if (failing !== undefined) {
    const degraded = grant.state === 'degraded';
    const why = degraded ? 'could not be renewed' : 'cannot be renewed further';
    return stop(step, degraded ? 'failed' : 'expired', `the lease of ${failing.secret} ends and ${why}`);
  }
  if (pending.inFlight !== null || (pending.retryAt !== null && !due(pending.retryAt))) return;
  const cutting = due(pending.cutAt);
  const leases = latest(grant).leases.filter(
    (lease) => (cutting && needsCut(lease, grant.deadline)) || due(renewAt(lease, grant.deadline)),
  );
  if (leases.length === 0) return step.pending({ cutAt: cutting ? null : pending.cutAt, retryAt: null });
  step.pending({ inFlight: 'renewal', retryAt: null, cutAt: null });
  step.ask({
    type: 'renewLeases',
    n: latest(grant).n,
    leases: leases.map((lease) => ({
      id: lease.id!,
      incrementSeconds: incrementSeconds(lease, grant.deadline, now.at),
    })),
  });
}

const slow = (): ProblemBody =>
  new Problem('VAULT_UNREACHABLE', 'Vault did not answer in time', {
    hint: 'try again; what Vault issues late is revoked at once',
  }).body();

function renewed(step: Step, n: number, results: readonly LeaseRenewal[]): void {
  const { grant, now } = step;
  const granted = results.flatMap((result) => {
    if ('problem' in result) return [];
    const endsAt = now.at + result.ttlMs;
    const lease = latest(grant).leases.find(({ id }) => id === result.id);
    const askedMs = lease === undefined ? 0 : incrementSeconds(lease, grant.deadline, now.at) * 1000;
    return [
      {
        id: result.id,
        ttl_ms: result.ttlMs,
        ends_at: step.time(endsAt),
        capped: endsAt < grant.deadline && (!result.renewable || result.ttlMs < askedMs - 1500),
      },
    ];
  });
  if (granted.length > 0) step.record({ type: 'leases.renewed', n, leases: granted });
  const failed = results.find((result) => 'problem' in result);
  if (grant.state === 'stopping') return continueStop(step);
  if (failed === undefined) return step.pending({ attempts: 0 });
  const lost = results.find((result) => 'problem' in result && result.lost);
  if (lost !== undefined) return stop(step, 'failed', `Vault no longer knows lease ${lost.id}`);
  const attempts = grant.pending.attempts + 1;
  const retryAt = now.at + retryDelay(grant, failed.problem, attempts);
  step.record({ type: 'renewal.failed', n, problem: failed.problem.body() });
  step.pending({
    attempts,
    retryAt,
    cutAt: latest(step.grant).leases.some((lease) => needsCut(lease, grant.deadline)) ? retryAt : null,
  });
}

const MAX_RETRY_AFTER_MS = 60_000;

/** As Vault asks (Retry-After), within reason; else full jitter. */
const retryDelay = (grant: Grant, problem: Problem, attempts: number): number =>
  problem.retryAfterMs === undefined
    ? retryDelayMs(grant.id, attempts)
    : Math.min(problem.retryAfterMs, MAX_RETRY_AFTER_MS);

/** TTL to ask for a task token: it ends at the deadline without us. Whole seconds, rounded up. */
export const tokenTtlSeconds = (grant: Grant, now: Instant): number => wholeSeconds(grant.deadline - now);
