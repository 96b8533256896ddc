// Owns the way from a start signal to a living grant: idempotence, spent ids, limits, profile, parent, binding.
// Invariant: nothing is leased for a start that is refused here, and nothing is left of it.

import type { Asserted } from '../domain/assertion.ts';
import { asChild } from '../domain/child.ts';
import { open } from '../domain/decide.ts';
import type { Evidence } from '../domain/evidence.ts';
import { grantId, type TaskId } from '../domain/ids.ts';
import type { Moment } from '../domain/instant.ts';
import { rfc3339 } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import {
  authorise,
  type Caller,
  type PinnedCaller,
  type Settled,
  type StartSignal,
  settle,
} from '../domain/task-spec.ts';
import { approvalRequest } from './approval-request.ts';
import { Attestation, type AttestationOptions } from './attestation.ts';
import type { Bindings } from './bindings.ts';
import type { GrantActor } from './grant-actor.ts';
import { owns } from './grant-book.ts';
import type { Limits } from './limits.ts';
import type { ProfileBook } from './profile-book.ts';
import { Refusals } from './refusals.ts';
import { answered, drainingProblem, type Patience } from './start-answer.ts';

export interface Started {
  readonly actor: GrantActor;
  /** False when the same start had been made before, and did not wait for approval any more. */
  readonly fresh: boolean;
}

type StartCall = [
  task: TaskId,
  signal: StartSignal,
  digest: string,
  caller: Caller,
  again?: boolean,
  patience?: Patience,
];

export interface AdmissionOptions extends AttestationOptions {
  readonly bindings: Bindings;
  readonly profiles: ProfileBook;
  readonly limits: Limits;
  /** A start that is not answered within this time is refused. Milliseconds. */
  readonly answerWithinMs: number;
  readonly sha256: (text: string) => string;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #attestation: Attestation;
  draining = false;
  readonly refusals: Refusals;
  /** What a grant was refused with, which its own facts say. */
  readonly #onRecord = new WeakSet<object>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.refusals = new Refusals(options.ports);
    this.#attestation = new Attestation(options);
  }

  /**
   * Starts a task, or finds the same start made before; resolves when its files are there.
   * @param digest SHA-256 of the canonical body, for telling the same start from another
   * @param again true for tasks of the configuration, which start anew with every agent
   * @throws Problem any that the contract lists for a start; then nothing is left of it
   */
  async start(...asked: StartCall): Promise<Started> {
    try {
      return await this.#decide(...asked);
    } catch (error) {
      const [task, signal, , caller] = asked;
      if (!this.#onRecord.has(error as object)) this.refusals.note(task, signal, caller, error);
      throw error;
    }
  }

  /** As start; a refusal is not put on record. */
  async #decide(
    task: TaskId,
    signal: StartSignal,
    digest: string,
    caller: Caller,
    again = false,
    patience?: Patience,
  ): Promise<Started> {
    const { book, ports, profiles } = this.#options;
    const living = book.get(task);
    if (living !== undefined && owns(caller, living.grant.owner.uid)) {
      return this.#same(living, digest, again, patience);
    }
    if (this.draining) throw drainingProblem();
    const closed = again || living !== undefined ? null : ports.journal.tombstone(task);
    const spentId = closed?.spent === true ? spent(task, 'it is closed') : null;
    if (closed !== null && spentId !== null && owns(caller, closed.owner.uid)) throw spentId;
    const clash = living === undefined ? spentId : taken(task);
    const pinned = caller.pin?.() ?? null;
    try {
      const profile = profiles.get(signal.profile);
      authorise(profile, caller, pinned?.evidence ?? null);
      const brings = profile.allow.assertion !== undefined || signal.assertion !== undefined;
      const asserted = brings ? await this.#attestation.check(profile, signal) : null;
      // Not before: who may not start it learns nothing of the ids that others use.
      if (clash !== null) throw clash;
      if (asserted !== null && profile.allow.assertion?.onceInFleet === true) {
        // What would be refused anyway does not count as presented.
        settle(task, profile, signal, caller, ports.clock.now(), asserted);
        await this.#attestation.claim(asserted, task, digest);
      }
      // Meanwhile the same start may have been made by another call, or the profile may have been changed.
      const changed =
        asserted !== null && (book.get(task) !== undefined || profiles.get(signal.profile) !== profile);
      if (changed) return await this.#decide(task, signal, digest, caller, again, patience);
      return await this.#admit(task, signal, digest, caller, profile, pinned, asserted, patience);
    } finally {
      pinned?.close();
    }
  }

  async #admit(
    task: TaskId,
    signal: StartSignal,
    digest: string,
    caller: Caller,
    profile: Profile,
    pinned: PinnedCaller | null,
    asserted: Asserted | null,
    patience?: Patience,
  ): Promise<Started> {
    const { book, ports, limits, answerWithinMs, sha256 } = this.#options;
    const evidence = pinned?.evidence ?? null;
    const now = ports.clock.now();
    const alone = settle(task, profile, signal, caller, now, asserted);
    const settled = this.#underParent(signal, profile, caller, alone);
    if (asserted !== null) this.#attestation.admit(profile, asserted, task, digest);
    limits.admit(now.at, book.size, book.census.ofUid(caller.uid));
    const id = grantId(task, ports.journal.lives(task) + 1);
    const bound = this.#options.bindings.bind(task, signal.bind, caller, () => book.lost(task));
    const accepted = {
      ...acceptedFact(task, signal, digest, caller, evidence, asserted, settled, bound, now),
      ...(profile.version === undefined ? {} : { profile_version: profile.version }),
    };
    const requested = approvalRequest(accepted, signal, profile, sha256, now);
    const decision = open(id, accepted, answerWithinMs, now, requested);
    const actor = book.add(decision.next);
    // Who asks need not live until it is approved: what must live is what the task is bound to.
    actor.luggage.caller = requested === null ? pinned : null;
    if (profile.login !== undefined) actor.luggage.assertion = signal.assertion!.copy();
    try {
      using _held = asserted === null ? null : this.#attestation.hold(asserted, task, digest);
      await actor.begin(decision, now);
    } catch (error) {
      // A repeat of this start, or a stop, may be waiting for it already.
      actor.fail(Problem.of(error));
      book.remove(actor);
      throw error;
    }
    // A parent that was stopped meanwhile did not know this child yet, or it was not on record.
    book.endOrphan(actor);
    try {
      await this.#answered(actor, patience);
    } finally {
      actor.luggage.caller = null;
    }
    return { actor, fresh: true };
  }

  #underParent({ parent }: StartSignal, profile: Profile, caller: Caller, settled: Settled): Settled {
    if (parent === undefined) return settled;
    const above = this.#options.book.find(parent, caller);
    if (above === null) {
      throw new Problem('TASK_UNKNOWN', `there is no living task ${parent} of yours to be the parent`, {
        hint: 'list your tasks with GET /v1/tasks',
      });
    }
    return asChild(above.grant, this.#options.profiles.get(above.grant.profile), profile, settled);
  }

  async #same(actor: GrantActor, digest: string, again: boolean, patience?: Patience): Promise<Started> {
    const { grant } = actor;
    if (grant.digest !== digest) throw taken(grant.task);
    if (grant.state === 'stopping') {
      if (grant.wasActive) throw spent(grant.task, 'it is stopping', again);
      throw new Problem('TASK_SPENT', `the failed start of ${grant.task} is still being cleaned up`, {
        retryable: true,
        retryAfterMs: 1000,
        hint: 'try again in a moment',
      });
    }
    if (grant.state === 'closed') throw spent(grant.task, 'it is closed');
    await this.#answered(actor, patience);
    return { actor, fresh: grant.state === 'pending_approval' };
  }

  async #answered(actor: GrantActor, patience?: Patience): Promise<void> {
    try {
      await answered(actor, this.#options.ports.clock, () => this.draining, patience);
    } catch (error) {
      this.#onRecord.add(error as object);
      throw error;
    }
  }
}

const acceptedFact = (
  task: TaskId,
  signal: StartSignal,
  digest: string,
  caller: Caller,
  evidence: Evidence | null,
  asserted: Asserted | null,
  settled: Settled,
  bound: string | null,
  now: Moment,
) =>
  ({
    type: 'grant.accepted',
    task,
    profile: signal.profile,
    params: settled.params,
    event: signal.event ?? null,
    bind: signal.bind ?? null,
    owner: { uid: caller.uid, gid: caller.gid },
    groups: caller.groups,
    admin: caller.admin,
    evidence,
    asserted,
    bound,
    parent: signal.parent ?? null,
    ...(signal.trace === undefined ? {} : { trace: signal.trace }),
    digest,
    plan: settled.plan,
    expires_at: rfc3339(settled.expiresAt, now),
    deadline: rfc3339(settled.deadline, now),
    latest_deadline: rfc3339(settled.latestDeadline, now),
  }) as const;

const taken = (task: TaskId): Problem =>
  new Problem('TASK_CONFLICT', `task id ${task} is taken by another start`, {
    hint: 'choose another task id, or send the very same body to get the same grant',
  });

export const spent = (task: TaskId, why: string, retryable = false): Problem =>
  new Problem('TASK_SPENT', `task id ${task} has been used: ${why}`, {
    retryable,
    hint: 'choose a new task id; ids are remembered for 7 days',
  });

export const unknownTask = (task: TaskId): Problem =>
  new Problem('TASK_UNKNOWN', `there is no task ${task} of yours`, {
    hint: 'list your tasks with GET /v1/tasks',
  });
