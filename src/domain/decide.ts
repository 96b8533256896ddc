// Owns every decision about a grant: which event means what in which state. Pure: no clock, no I/O. Invariant:
// facts are made durable before the effects run, so that a crash between the two leaves a handle on everything
// at Vault.

import { annul, deny, give, lapseIfDue } from './approve.ts';
import { wholeSeconds } from './duration.ts';
import type { Fact } from './fact.ts';
import type { Grant } from './grant.ts';
import { current, holdsItself, IDLE, living, mortals, works } from './grant.ts';
import type { GrantEvent, Verdict } from './grant-event.ts';
import { apply } from './grant-fold.ts';
import type { GrantId } from './ids.ts';
import type { Instant, Moment } from './instant.ts';
import { needsCut, retryDelay } from './lease.ts';
import { Problem } from './problem.ts';
import {
  CUT_DELAY_MS,
  deliver,
  endedMeanwhile,
  gaveUp,
  isRaising,
  probe,
  publishDeferred,
  raise,
  slow,
  supersede,
  tellIfUntold,
  took,
  tooShort,
} from './raise.ts';
import * as retire from './retire.ts';
import { continueStop } from './retire.ts';
import { type Decision, Step } from './step.ts';
import { endIfOver, extend, goStale, proceed, renewed, replan, stop } from './upkeep.ts';

export type { Decision } from './step.ts';

/** A connection that was lost with its agent may come back for this long. */
const RECONNECT_MS = 10_000;

/** A new grant: accepted, its first generation opened, its token asked for; or where it needs approval, asked about. */
export function open(
  id: GrantId,
  accepted: Extract<Fact, { type: 'grant.accepted' }>,
  answerWithinMs: number,
  now: Moment,
  requested: Extract<Fact, { type: 'approval.requested' }> | null = null,
): Decision {
  const step = new Step(apply(null, id, accepted, now), now);
  step.facts.push(accepted);
  if (requested !== null) {
    step.record(requested);
    return step.decision();
  }
  raise(step, null);
  step.pending({ answerBy: now.at + answerWithinMs });
  return step.decision();
}

export function decide(grant: Grant, event: GrantEvent, now: Moment): Decision {
  const step = new Step(grant, now);
  if (grant.state !== 'closed') {
    // What is over is over before anything else is looked at: an answer that comes then is a late one.
    if (works(grant)) endIfOver(step);
    lapseIfDue(step);
    // Given up is only what could be seen stopping.
    if (event.type !== 'abandonRequested' || grant.state === 'stopping') react(step, event);
    goOn(step);
  }
  return step.decision();
}

/** What an event leads to by itself is done; now whatever is due by that. */
function goOn(step: Step): void {
  if (works(step.grant)) proceed(step);
  if (step.grant.state === 'stopping') continueStop(step);
}

function react(step: Step, event: GrantEvent): void {
  const { grant, now } = step;
  switch (event.type) {
    case 'tokenOpened': {
      const { n, accessor, session, endsAt, ttlMs } = event;
      const kept = ttlMs === undefined ? {} : { ttl_ms: ttlMs };
      step.record({ type: 'token.opened', n, accessor, session, ends_at: step.time(endsAt), ...kept });
      const wanted = isRaising(grant, n);
      step.pending({ raising: wanted ? 'secrets' : null });
      return wanted ? step.ask({ type: 'readSecrets', n }) : undefined;
    }
    case 'tokenFailed':
      if (event.unknown) step.record({ type: 'token.lost', n: event.n });
      return raisingFailed(step, event.n, event.problem);
    case 'secretsRead': {
      const { n, askedAt, lost, problem } = event;
      const leases = event.leases.map((lease) => ({
        ...lease,
        ends_at: lease.ttl_ms === null ? null : step.time(askedAt + lease.ttl_ms),
      }));
      step.record({ type: 'leases.issued', n, leases, lost });
      if (problem !== null) return raisingFailed(step, n, problem);
      if (grant.pending.orphaned) return raisingFailed(step, n, sessionOver());
      if (!isRaising(grant, n)) return step.pending({ raising: null });
      return grant.plan.ready === undefined ? handOver(step, n) : probe(step, n);
    }
    case 'probed':
      if (!isRaising(grant, event.n)) return step.pending({ raising: null });
      return grant.pending.orphaned ? raisingFailed(step, event.n, sessionOver()) : handOver(step, event.n);
    case 'probeFailed':
      return raisingFailed(step, event.n, event.problem);
    case 'published':
      if (isRaising(grant, event.n)) return took(step, event.n, event.files, event.changed);
      return step.pending({ raising: null });
    case 'publishFailed':
      return raisingFailed(step, event.n, event.problem);
    case 'unrecorded':
      return grant.pending.raising === null ? undefined : raisingFailed(step, grant.opened, event.problem);
    case 'renewed':
      step.pending({ renewing: null });
      return renewed(step, event.n, event.results);
    case 'alarm':
      return alarm(step);
    case 'stopRequested':
      return stop(step, event.reason, event.detail);
    case 'planChanged':
      return works(grant) || grant.state === 'starting' ? replan(step, event) : undefined;
    case 'sessionEnded':
      return sessionEnded(step, event.session, event.dead);
    case 'vaultReturned':
      return retire.hasten(step);
    case 'extendRequested':
      return works(grant) ? extend(step, event.byMs, event.notAfter) : undefined;
    case 'approvalGiven':
      return give(step, event);
    case 'approvalDenied':
      return deny(step, event.uid, event.reason);
    case 'approvalVoided':
      return annul(step, event.problem);
    case 'abandonRequested':
      return retire.abandon(step, event.reason, event.uid);
    case 'held':
      step.pending({ reconnectBy: null });
      return grant.held || holdsItself(grant) ? undefined : step.record({ type: 'grant.held' });
    case 'recovered':
      return recovered(step, event.verdict);
    case 'signalled':
      return step.record({
        type: 'workload.signalled',
        n: event.n,
        signal: event.signal,
        delivered: event.delivered,
      });
    case 'erased':
      return step.pending({ erasing: false, erasedAt: now.at, eraseAttempts: 0, eraseRetryAt: null });
    case 'withdrawn':
      step.pending({ erasing: false, eraseAttempts: 0, eraseRetryAt: null });
      return publishDeferred(step);
    case 'eraseFailed': {
      const eraseAttempts = grant.pending.eraseAttempts + 1;
      // Tried for ever: on record once per reason, not once per attempt.
      const said = grant.pending.eraseAttempts > 0 && grant.problem?.detail === event.problem.message;
      if (!said) step.record({ type: 'erasure.failed', problem: event.problem.body() });
      const eraseRetryAt = now.at + retryDelay(`${grant.id}/erase`, event.problem, eraseAttempts);
      step.pending({ erasing: false, eraseAttempts, eraseRetryAt });
      return publishDeferred(step);
    }
    case 'generationErased':
      return retire.isLiving(grant, event.n) ? retire.erased(step, event.n) : undefined;
    case 'leasesChecked':
      if (!retire.isLiving(grant, event.n)) return;
      return retire.checked(step, event.n, event.known, event.gone, event.parentEndsAt);
    case 'revoked':
      return retire.isLiving(grant, event.n) ? retire.revoked(step, event.n, event.missing) : undefined;
    case 'revocationFailed':
      return retire.isLiving(grant, event.n) ? retire.failed(step, event.n, event.problem) : undefined;
    default:
      event satisfies never;
  }
}

function handOver(step: Step, n: number): void {
  const ended = endedMeanwhile(step.grant, n, step.now.at);
  if (ended === null) deliver(step, n);
  else raisingFailed(step, n, ended);
}

/** A start that fails is refused; a rotation that fails is tried again while the task goes on. */
function raisingFailed(step: Step, n: number, problem: Problem): void {
  if (!isRaising(step.grant, n)) return step.pending({ raising: null });
  if (works(step.grant)) return gaveUp(step, n, problem);
  step.pending({ raising: null });
  step.record({ type: 'grant.refused', problem: problem.body() });
}

function alarm(step: Step): void {
  const { state, pending, deadline } = step.grant;
  if (state === 'stopping' && step.due(pending.eraseRetryAt)) step.pending({ eraseRetryAt: null });
  // What comes of it late is revoked.
  if (state !== 'starting') return;
  if (step.due(pending.answerBy)) step.record({ type: 'grant.refused', problem: slow().body() });
  else if (step.due(deadline)) step.record({ type: 'grant.refused', problem: tooShort().body() });
}

const SESSION_ENDED = 'the Vault session above its token ended';

const sessionOver = (): Problem =>
  new Problem('VAULT_UNREACHABLE', SESSION_ENDED, { hint: 'the agent logs in again; try again in a moment' });

/** A session is the parent of tokens: with it, or soon after it, they end. */
function sessionEnded(step: Step, session: string, dead: boolean): void {
  const { grant } = step;
  const { raising } = grant.pending;
  if (grant.state === 'stopping') return;
  const want = () => step.pending({ wanted: step.grant.pending.wanted ?? SESSION_ENDED });
  if (current(grant)?.session === session) {
    if (dead) goStale(step, SESSION_ENDED);
    else if (raising === null) want();
  }
  // Also for one that is being raised: when its files are there, another must follow. A token that is still on
  // its way is not spent when its session has ended by then.
  if (raising === null || grant.generations.at(-1)?.session !== session) return;
  if (dead) step.pending({ orphaned: true });
  want();
}

/** What the agent before this one was doing is not known; what it had in use is. */
function recovered(step: Step, verdict: Verdict): void {
  for (const { n, accessor, read, plan } of living(step.grant)) {
    if (accessor === null || read) continue;
    const lost = plan.asks.map(({ secret, path }) => ({ secret, path }));
    step.record({ type: 'leases.issued', n, leases: [], lost });
  }
  if (!verdict.adopted) return stop(step, 'failed', verdict.why);
  // It lapsed while no agent ran.
  if (step.grant.state === 'stopping') return;
  step.record({ type: 'grant.adopted' });
  const { grant, now } = step;
  const reconnectBy = grant.held || holdsItself(grant) ? now.at + RECONNECT_MS : null;
  if (grant.state === 'pending_approval') return step.pending({ ...IDLE, reconnectBy });
  const inUse = current(grant)!;
  for (const generation of living(grant)) {
    if (generation !== inUse && generation.retireAt === null) supersede(step, generation, now.at);
  }
  step.pending({
    ...IDLE,
    wanted: verdict.held ? null : SESSION_ENDED,
    cutAt: mortals(inUse).some((lease) => needsCut(lease, grant.deadline)) ? now.at + CUT_DELAY_MS : null,
    reconnectBy,
  });
  tellIfUntold(step);
  replan(step, verdict);
}

/** TTL to ask for a task token: it ends at the latest deadline without us. Whole seconds, rounded up. */
export const tokenTtlSeconds = (grant: Grant, now: Instant): number =>
  wholeSeconds(grant.latestDeadline - now);
