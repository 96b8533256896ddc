// Owns which task id belongs to which living grant: admission, idempotence, spent ids, and who may see
// what. Invariant: one living grant per task id; a caller learns nothing of other callers' tasks.

import { open } from '../domain/decide.ts';
import type { Entry, Outcome, Receipt } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import { grantId, type TaskId } from '../domain/ids.ts';
import { rfc3339 } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import { authorise, type Caller, type StartSignal, settle } from '../domain/task-spec.ts';
import { Bindings } from './bindings.ts';
import type { EffectRunner } from './effect-runner.ts';
import type { FactStream } from './fact-stream.ts';
import { GrantActor } from './grant-actor.ts';
import type { Limits } from './limits.ts';
import type { Ports } from './ports.ts';
import type { ProfileBook } from './profile-book.ts';
import { Scheduler } from './scheduler.ts';
import { answered, drainingProblem } from './start-answer.ts';

export interface Started {
  readonly actor: GrantActor;
  /** False when the same start had been made before. */
  readonly fresh: boolean;
}

export interface BookOptions {
  readonly ports: Ports;
  readonly runner: EffectRunner;
  readonly profiles: ProfileBook;
  readonly limits: Limits;
  readonly facts: FactStream;
  /** A start that is not answered within this time is refused. Milliseconds. */
  readonly answerWithinMs: number;
}

export class GrantBook {
  readonly #options: BookOptions;
  readonly #actors = new Map<TaskId, GrantActor>();
  readonly #bindings: Bindings;
  readonly #scheduler: Scheduler;
  #emptied: (() => void)[] = [];
  draining = false;

  constructor(options: BookOptions) {
    this.#options = options;
    this.#bindings = new Bindings(options.ports.liveness);
    this.#scheduler = new Scheduler(options.ports.clock, (task) =>
      this.#actors.get(task as TaskId)?.send({ type: 'alarm' }),
    );
  }

  actors(): GrantActor[] {
    return [...this.#actors.values()];
  }

  /** Grants whose ids this caller may know. */
  visible(caller: Caller): GrantActor[] {
    return this.actors().filter((actor) => owns(caller, actor.grant.owner.uid));
  }

  /**
   * Starts a task, or finds the same start made before; resolves when its files are there.
   * @param digest SHA-256 of the canonical body, for telling the same start from another
   * @param again true for tasks of the configuration, which start anew with every agent
   * @throws Problem any that the contract lists for a start; then nothing is left of it
   */
  async start(
    task: TaskId,
    signal: StartSignal,
    digest: string,
    caller: Caller,
    again = false,
  ): Promise<Started> {
    const living = this.#actors.get(task);
    if (living !== undefined) return { actor: await this.#same(living, digest, caller, again), fresh: false };
    if (this.draining) throw drainingProblem();
    if (!again && this.#options.ports.journal.tombstone(task)?.spent === true) {
      throw spent(task, 'it is closed');
    }
    const profile = this.#options.profiles.get(signal.profile);
    authorise(profile, caller);
    const { clock, journal } = this.#options.ports;
    const now = clock.now();
    const settled = settle(task, profile, signal, caller, now);
    const ofUid = this.actors().filter((actor) => actor.grant.owner.uid === caller.uid).length;
    this.#options.limits.admit(now.at, this.#actors.size, ofUid);
    const decision = open(
      grantId(task, journal.lives(task) + 1),
      {
        type: 'grant.accepted',
        task,
        profile: profile.name,
        params: settled.params,
        event: signal.event ?? null,
        bind: signal.bind ?? null,
        owner: { uid: caller.uid, gid: caller.gid },
        digest,
        plan: settled.plan,
        expires_at: rfc3339(settled.expiresAt, now),
        deadline: rfc3339(settled.deadline, now),
      },
      this.#options.answerWithinMs,
      now,
    );
    const actor = this.#add(decision.next, caller.groups);
    try {
      this.#bindings.bind(task, signal.bind, caller, () => this.#lost(task));
      await actor.begin(decision, now);
    } catch (error) {
      // A repeat of this start, or a stop, may be waiting for it already.
      actor.fail(Problem.of(error));
      this.#remove(actor);
      throw error;
    }
    await this.#answered(actor);
    return { actor, fresh: true };
  }

  /** The living grant of a task that this caller may see, or null. */
  find(task: TaskId, caller: Caller): GrantActor | null {
    const actor = this.#actors.get(task);
    return actor !== undefined && owns(caller, actor.grant.owner.uid) ? actor : null;
  }

  /** The receipt of a closed task that this caller may see, or null. */
  receipt(task: TaskId, caller: Caller): Receipt | null {
    const tombstone = this.#options.ports.journal.tombstone(task);
    if (tombstone === null || !tombstone.spent || !owns(caller, tombstone.owner.uid)) return null;
    return tombstone.receipt;
  }

  /** Stops one grant; resolves when its files are gone, or could not be removed at the first try. */
  async stop(actor: GrantActor, reason: Outcome): Promise<void> {
    actor.send({ type: 'stopRequested', reason });
    await actor.until(
      ({ state, pending }) =>
        state === 'closed' || pending.erasedAt !== null || pending.eraseRetryAt !== null,
    );
  }

  /** Puts a recovered grant back and lets it go on. */
  adopt(grant: Grant): GrantActor {
    return this.#add(grant, []);
  }

  /** Tells every living grant that the session above its token ended. */
  parentEnded(endsAt: number): void {
    for (const actor of this.actors()) {
      actor.luggage.parentEndedAt = endsAt;
      actor.send({
        type: 'stopRequested',
        reason: 'failed',
        detail: 'the Vault session of the agent was lost',
      });
    }
  }

  /** Resolves when no grant is left, or after `withinMs`. */
  async empty(withinMs: number): Promise<void> {
    if (this.#actors.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#emptied.push(resolve);
      this.#options.ports.clock.after(withinMs, resolve);
    });
  }

  close(): void {
    this.#scheduler.close();
    this.#bindings.close();
  }

  #add(grant: Grant, readerGroups: readonly number[]): GrantActor {
    const luggage = { token: null, deliveries: [], parentEndedAt: null, readerGroups };
    const actor = new GrantActor(grant, luggage, {
      ports: this.#options.ports,
      runner: this.#options.runner,
      onStep: (stepped, entries) => this.#onStep(stepped, entries),
    });
    this.#actors.set(grant.task, actor);
    return actor;
  }

  #onStep(actor: GrantActor, entries: readonly Entry[]): void {
    const { grant } = actor;
    for (const entry of entries) this.#options.facts.tell(grant.task, grant.owner.uid, entry);
    this.#scheduler.set(grant.task, actor.dueAt);
    if (grant.state === 'closed' && actor.settled) this.#remove(actor);
  }

  #remove(actor: GrantActor): void {
    const { task } = actor.grant;
    if (this.#actors.get(task) !== actor) return;
    this.#actors.delete(task);
    this.#scheduler.set(task, null);
    this.#bindings.release(task);
    if (this.#actors.size > 0) return;
    for (const resolve of this.#emptied) resolve();
    this.#emptied = [];
  }

  #lost(task: TaskId): void {
    const event = { type: 'stopRequested', reason: 'lost', detail: 'the bound process ended' } as const;
    this.#actors.get(task)?.send(event);
  }

  async #same(actor: GrantActor, digest: string, caller: Caller, again: boolean): Promise<GrantActor> {
    const { grant } = actor;
    if (!owns(caller, grant.owner.uid) || grant.digest !== digest) {
      throw new Problem('TASK_CONFLICT', `task id ${grant.task} is taken by another start`, {
        hint: 'choose another task id, or send the very same body to get the same grant',
      });
    }
    if (grant.state === 'stopping') {
      if (grant.wasActive) throw spent(grant.task, 'it is stopping', again);
      throw new Problem('TASK_SPENT', `the failed start of ${grant.task} is still being cleaned up`, {
        retryable: true,
        retryAfterMs: 1000,
        hint: 'try again in a moment',
      });
    }
    if (grant.state === 'closed') throw spent(grant.task, 'it is closed');
    await this.#answered(actor);
    return actor;
  }

  #answered(actor: GrantActor): Promise<void> {
    return answered(actor, this.#options.ports.clock, () => this.draining);
  }
}

const owns = (caller: Caller, uid: number): boolean => caller.admin || caller.uid === uid;

const spent = (task: TaskId, why: string, retryable = false): Problem =>
  new Problem('TASK_SPENT', `task id ${task} has been used: ${why}`, {
    retryable,
    hint: 'choose a new task id; ids are remembered for 7 days',
  });
