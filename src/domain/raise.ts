// Owns how a generation is raised: a token of its own, the secrets, the files. Invariant: the accessor is on
// record before the token is used, the leases before the files are written; a generation that fails half way
// is retired, never left.

import { deadIn } from './due.ts';
import type { Generation, Grant } from './grant.ts';
import { current, generationOf, mortals, works } from './grant.ts';
import type { Instant } from './instant.ts';
import { needsCut, retryDelay } from './lease.ts';
import { Problem } from './problem.ts';
import type { Step } from './step.ts';

/** Leases longer than the task are cut this long after it became active, so that no start or short task waits. */
export const CUT_DELAY_MS = 50;
/** Who opened a file right before a rotation shall be able to read and use it, whatever the overlap. */
const LEAST_OVERLAP_MS = 1000;

/** `why` is null for the first generation of a grant. */
export function raise(step: Step, why: string | null): void {
  const { pending, opened } = step.grant;
  const n = opened + 1;
  const version = pending.version === null ? {} : { profile_version: pending.version };
  step.record({ type: 'generation.opened', n, why, plan: pending.plan, ...version });
  step.pending({
    raising: 'token',
    raisingFor: why,
    orphaned: false,
    wanted: null,
    plan: null,
    version: null,
    rotateAt: null,
  });
  step.ask({ type: 'openToken', n });
}

/** Nobody hears of a credential that does not work, and what works is not replaced by it. */
export function probe(step: Step, n: number): void {
  // From here on it is not Vault that the caller waits for; the probe has a limit of its own.
  step.pending({ raising: 'probe', answerBy: null });
  step.ask({ type: 'probe', n });
}

export const slow = (): Problem =>
  new Problem('VAULT_UNREACHABLE', 'Vault did not answer in time', {
    hint: 'try again; what Vault issues late is revoked at once',
  });

export const tooShort = (): Problem =>
  new Problem('SIGNAL_INVALID', 'the deadline passed before the task became active', {
    hint: 'ask for a longer duration; a child never lives longer than its parent',
  });

/** Why nobody is given this generation: some secrets may take longer to come, or to work, than others live. */
export function endedMeanwhile(grant: Grant, n: number, now: Instant): Problem | null {
  const ended = deadIn(generationOf(grant, n)!, grant.deadline, now);
  if (ended === undefined) return null;
  return new Problem(
    'VAULT_UNREACHABLE',
    `the lease of ${ended.secret} ended before everything that the task needs was there`,
    { hint: 'its TTL is shorter than Vault or the server behind it takes: give its role a longer one' },
  );
}

export function deliver(step: Step, n: number): void {
  step.pending({ raising: 'files' });
  // A withdrawal that is under way must not take the new files too.
  if (!step.grant.pending.erasing) step.ask({ type: 'publish', n });
}

/** Files that waited for a withdrawal to end: written now, or never when the task stops. */
export function publishDeferred(step: Step): void {
  const { pending, opened } = step.grant;
  if (pending.raising !== 'files') return;
  if (!works(step.grant)) return step.pending({ raising: null });
  step.ask({ type: 'publish', n: opened });
}

/** The files of generation `n` are there: it is the one in use from now on, and the one before is to go. */
export function took(step: Step, n: number, files: readonly string[], changed: boolean): void {
  const { grant, now } = step;
  const before = current(grant);
  const { plan, deadline } = grant;
  step.record({ type: 'delivery.published', n, files, ...(changed ? {} : { unchanged: true }) });
  if (before !== null) supersede(step, before, now.at + Math.max(plan.overlapMs, LEAST_OVERLAP_MS));
  const leases = mortals(current(step.grant)!);
  step.pending({
    raising: null,
    raisingFor: null,
    answerBy: null,
    rotations: 0,
    // However short its leases are, a task rotates once a second at most.
    rotateAt: now.at + LEAST_OVERLAP_MS,
    attempts: 0,
    retryAt: null,
    // One whose session ended a moment ago shows a dead credential: it is not good either.
    staleAt: grant.pending.orphaned ? now.at : null,
    eraseAttempts: 0,
    eraseRetryAt: null,
    cutAt: leases.some((lease) => needsCut(lease, deadline)) ? now.at + CUT_DELAY_MS : null,
  });
  if (changed) tellIfUntold(step);
}

/** The bound process has files by now that it was not told of. */
export function tellIfUntold(step: Step): void {
  const { untold, plan, bind } = step.grant;
  if (untold === null || plan.onChange === undefined || bind === null || !('pid' in bind)) return;
  step.ask({ type: 'signal', n: untold, signal: plan.onChange });
}

/** Another generation could not be raised: what came of it is retired, and it is tried again. */
export function gaveUp(step: Step, n: number, problem: Problem): void {
  const { grant, now } = step;
  const rotations = grant.pending.rotations + 1;
  step.record({ type: 'generation.retiring', n, due: step.time(now.at), problem: problem.body() });
  step.pending({
    raising: null,
    raisingFor: null,
    wanted: grant.pending.wanted ?? grant.pending.raisingFor,
    rotations,
    rotateAt: now.at + retryDelay(`${grant.id}/rotate`, problem, rotations),
  });
}

/** To be revoked at `due`, unless that was to happen earlier already. */
export function supersede(step: Step, { n, retireAt }: Generation, due: Instant): void {
  if (retireAt !== null && retireAt <= due) return;
  step.record({ type: 'generation.retiring', n, due: step.time(due), problem: null });
}

/** True while generation `n` is the one that is being raised, and wanted. */
export const isRaising = ({ pending, opened, state }: Grant, n: number): boolean =>
  pending.raising !== null && opened === n && state !== 'stopping' && state !== 'closed';
