// Owns the agent's life as callers see it: recovery before the first call, the calls, the end. Invariant:
// before anybody can call, the files of earlier agents are gone (sweep.ts) and every grant that one of them
// left behind is on its way to be revoked.

import type { Entry, Receipt } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import { fold } from '../domain/grant-fold.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { BusinessEvent, Caller, StartSignal } from '../domain/task-spec.ts';
import { EffectRunner } from './effect-runner.ts';
import { FactStream } from './fact-stream.ts';
import type { GrantActor } from './grant-actor.ts';
import { GrantBook } from './grant-book.ts';
import { type LimitOptions, Limits } from './limits.ts';
import type { Ports } from './ports.ts';
import { ProfileBook } from './profile-book.ts';
import { VaultSession } from './vault-session.ts';
import { type TaskView, viewOf } from './view.ts';
import { within } from './within.ts';

export interface AgentOptions {
  readonly leashMs: number;
  readonly answerWithinMs: number;
  readonly limits: LimitOptions;
}

/** How a stop stands when it is answered: the receipt when proved, else the task as it is. */
export type Stopped = { readonly receipt: Receipt } | { readonly pending: TaskView };

const TOMBSTONE_MS = 7 * 24 * 3_600_000;
const FORGET_EVERY_MS = 3_600_000;
/** A probe waits this long for Vault, and believes an earlier answer for as long as it was good or bad. */
const LOOK_MS = 2000;
const WELL_FOR_MS = 5000;
const ILL_FOR_MS = 1000;

export class Agent {
  readonly profiles = new ProfileBook();
  readonly facts = new FactStream();
  readonly #ports: Ports;
  readonly #session: VaultSession;
  readonly #book: GrantBook;

  constructor(ports: Ports, options: AgentOptions) {
    this.#ports = ports;
    this.#session = new VaultSession(ports, {
      leashMs: options.leashMs,
      onLost: (endsAt) => this.#book.parentEnded(endsAt),
    });
    this.#book = new GrantBook({
      ports,
      runner: new EffectRunner(ports, this.#session),
      profiles: this.profiles,
      limits: new Limits(options.limits),
      facts: this.facts,
      answerWithinMs: options.answerWithinMs,
    });
  }

  /** Recovery, after the sweep; resolves when callers may come. The login goes on in the background. */
  async open(): Promise<void> {
    const { clock, journal, telemetry } = this.#ports;
    const now = clock.now();
    const sessionEnd = journal.sessionEndsAt();
    const found = [...journal.openGrants(now).values()].flatMap((entries) => this.#recover(entries));
    if (found.length > 0) {
      telemetry.log('info', 'retiring tasks of an earlier agent', { count: found.length });
    }
    const actors = found.map((grant) => this.#book.adopt(grant));
    for (const actor of actors) {
      actor.luggage.parentEndedAt = sessionEnd === null ? null : sessionEnd - now.wallMs + now.at;
      actor.send({ type: 'stopRequested', reason: 'failed', detail: 'the agent was restarted' });
      actor.send({ type: 'alarm' });
    }
    const settled = (actor: GrantActor) =>
      actor.until(({ pending }) => pending.erasedAt !== null || pending.eraseRetryAt !== null);
    await Promise.all(actors.map(settled));
    void this.#session.open();
    void this.#session.opened
      .then(() => Promise.all(actors.map((actor) => actor.until(({ state }) => state === 'closed'))))
      .then(() => this.#session.closeOld());
    this.#forget();
  }

  #recover(entries: readonly Entry[]): Grant[] {
    try {
      const grant = fold(entries);
      return grant === null ? [] : [grant];
    } catch (error) {
      // Its token hangs under the session of the agent before this one, which recovery ends.
      const reason = error instanceof Error ? error.message : String(error);
      this.#ports.telemetry.log('error', 'a grant in the journal is damaged', {
        grant: entries[0]?.grant,
        reason,
      });
      return [];
    }
  }

  /** As GrantBook.start; `again` for tasks of the configuration, whose ids are never spent. */
  async start(task: TaskId, signal: StartSignal, digest: string, caller: Caller, again = false) {
    const { actor, fresh } = await this.#book.start(task, signal, digest, caller, again);
    return { view: this.#view(actor), fresh };
  }

  /** A living task, or what is left of a closed one. @throws Problem TASK_UNKNOWN */
  get(task: TaskId, caller: Caller): TaskView | Receipt {
    const actor = this.#book.find(task, caller);
    return actor !== null ? this.#view(actor) : this.receipt(task, caller);
  }

  list(caller: Caller): TaskView[] {
    return this.#book.visible(caller).map((actor) => this.#view(actor));
  }

  /** @throws Problem TASK_UNKNOWN, NOT_CLOSED */
  receipt(task: TaskId, caller: Caller): Receipt {
    const actor = this.#book.find(task, caller);
    if (actor !== null && actor.grant.state !== 'closed') {
      throw new Problem('NOT_CLOSED', `task ${task} is ${actor.grant.state}`, {
        hint: 'stop it first; the receipt is there once its leases are proved gone',
      });
    }
    const receipt = this.#book.receipt(task, caller);
    if (receipt !== null) return receipt;
    throw new Problem('TASK_UNKNOWN', `there is no task ${task} of yours`, {
      hint: 'list your tasks with GET /v1/tasks',
    });
  }

  /** Stops a task: its files are gone when this resolves; waits up to `waitMs` for the proof. */
  async stop(task: TaskId, caller: Caller, waitMs: number): Promise<Stopped> {
    const actor = this.#book.find(task, caller);
    if (actor === null) return { receipt: this.receipt(task, caller) };
    await this.#book.stop(actor, 'completed');
    await this.#closed([actor], waitMs);
    return this.#stopped(actor);
  }

  /** Stops every task of the caller under one business event. */
  async stopEvent(event: BusinessEvent, caller: Caller, waitMs: number): Promise<Stopped[]> {
    const actors = this.#book
      .visible(caller)
      .filter(({ grant }) => grant.event?.type === event.type && grant.event.id === event.id);
    return this.#stopAll(actors, 'completed', waitMs);
  }

  /** A bound connection ended. */
  lost(task: TaskId, caller: Caller, detail: string): void {
    this.#book.find(task, caller)?.send({ type: 'stopRequested', reason: 'lost', detail });
  }

  /** Takes no new task and stops all. */
  async drain(waitMs: number): Promise<Stopped[]> {
    this.#book.draining = true;
    this.#ports.telemetry.log('info', 'draining: no new task until a restart');
    return this.revokeAll(waitMs);
  }

  async revokeAll(waitMs: number): Promise<Stopped[]> {
    return this.#stopAll(this.#book.actors(), 'revoked', waitMs);
  }

  /** Asks Vault, when it has not been asked lately, so that notReady speaks of now. */
  async look(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = this.#ports.clock.after(LOOK_MS, () => resolve(false));
    const maxAge = this.notReady().length === 0 ? WELL_FOR_MS : ILL_FOR_MS;
    void this.#session.freshen(maxAge).then(() => resolve(true));
    if (!(await promise)) this.#session.unanswered();
    cancel();
  }

  /** Why a start would fail now; empty when ready. */
  notReady(): Problem[] {
    const problem = this.#session.problem();
    const draining = new Problem('DRAINING', 'the agent is stopping its tasks');
    return [...(problem === null ? [] : [problem]), ...(this.#book.draining ? [draining] : [])];
  }

  /** Numbers for metrics. */
  gauges(): { states: Record<string, number>; sessionTtlMs: number | null } {
    const states: Record<string, number> = { starting: 0, active: 0, degraded: 0, stopping: 0 };
    for (const { grant } of this.#book.actors()) states[grant.state] = (states[grant.state] ?? 0) + 1;
    const endsAt = this.#session.endsAt();
    return { states, sessionTtlMs: endsAt === null ? null : endsAt - this.#ports.clock.now().at };
  }

  /** Revokes everything and ends; what is not proved in time ends by the leash. Returns how many are left. */
  async close(stopTimeoutMs: number): Promise<number> {
    this.#book.draining = true;
    for (const actor of this.#book.actors()) {
      actor.send({ type: 'stopRequested', reason: 'revoked', detail: 'the agent was told to end' });
    }
    await this.#book.empty(stopTimeoutMs);
    const left = this.#book.actors();
    for (const { grant } of left) {
      this.#ports.telemetry.log('error', 'not proved in time; it ends by the leash', {
        task: grant.task,
        reason: grant.problem?.detail,
      });
    }
    // The session dies only when nothing hangs under it: revoking it is lazy and proves nothing.
    await this.#session.close(left.length === 0);
    if (left.length === 0) this.#ports.telemetry.log('info', 'every task is closed and proved; ending');
    this.#book.close();
    return left.length;
  }

  async #stopAll(
    actors: readonly GrantActor[],
    reason: 'completed' | 'revoked',
    waitMs: number,
  ): Promise<Stopped[]> {
    // One whose start failed meanwhile must not keep the others from being told.
    await Promise.allSettled(actors.map((actor) => this.#book.stop(actor, reason)));
    await this.#closed(actors, waitMs);
    return actors.map((actor) => this.#stopped(actor));
  }

  /** Waits for the proofs of all, at most `waitMs`. */
  async #closed(actors: readonly GrantActor[], waitMs: number): Promise<void> {
    if (waitMs <= 0) return;
    await within(this.#ports.clock, waitMs, (signal) =>
      Promise.allSettled(actors.map((actor) => actor.until(({ state }) => state === 'closed', signal))),
    );
  }

  #stopped(actor: GrantActor): Stopped {
    return actor.receipt === null ? { pending: this.#view(actor) } : { receipt: actor.receipt };
  }

  #view(actor: GrantActor): TaskView {
    return viewOf(actor.grant, this.#ports.files.currentDir(actor.grant.task), this.#ports.clock.now());
  }

  #forget(): void {
    const { clock, journal, telemetry } = this.#ports;
    try {
      journal.forget(clock.now().wallMs - TOMBSTONE_MS);
    } catch (error) {
      telemetry.log('warn', 'old entries stay in the journal', { reason: Problem.of(error).message });
    }
    clock.after(FORGET_EVERY_MS, () => this.#forget());
  }
}
