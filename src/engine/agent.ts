// Owns the agent's life as callers see it: recovery before the first call, the calls, the end. Invariant:
// before anybody can call, every grant that an earlier agent left is taken over or on its way to be revoked,
// and no other file of it is there (recovery.ts).

import type { Receipt } from '../domain/fact.ts';
import { type Grant, holdsItself } from '../domain/grant.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import type { BusinessEvent, Caller } from '../domain/task-spec.ts';
import { Admission, unknownTask } from './admission.ts';
import { Approvals, type Say } from './approvals.ts';
import { Bindings } from './bindings.ts';
import { endTasks, leaveTasks } from './closing.ts';
import { EffectRunner } from './effect-runner.ts';
import { extend } from './extension.ts';
import { FactStream } from './fact-stream.ts';
import { claimsIn } from './fleet-uses.ts';
import type { GrantActor } from './grant-actor.ts';
import { GrantBook } from './grant-book.ts';
import { type LimitOptions, Limits } from './limits.ts';
import type { Ports } from './ports.ts';
import { ProfileBook } from './profile-book.ts';
import { recover } from './recovery.ts';
import { reloaded } from './reload.ts';
import { type Stopped, Stops } from './stops.ts';
import { VaultSession } from './vault-session.ts';
import { type TaskView, viewOf } from './view.ts';

export interface AgentOptions {
  readonly leashMs: number;
  readonly answerWithinMs: number;
  /** In hexadecimal. */
  readonly sha256: (text: string) => string;
  readonly limits: LimitOptions;
  /** What else must be well for a start to succeed, looked at whenever somebody asks. */
  readonly unready?: () => readonly Problem[];
}

const TOMBSTONE_MS = 7 * 24 * 3_600_000;
const FORGET_EVERY_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** A probe waits this long for Vault, and believes an earlier answer for as long as it was good or bad. */
const LOOK_MS = 2000;
const WELL_FOR_MS = 5000;
const ILL_FOR_MS = 1000;

export class Agent {
  readonly profiles = new ProfileBook((profile) => reloaded(profile, this.#book.actors(), this.#ports));
  readonly facts = new FactStream();
  /** True while it ends and leaves its tasks to the next agent: what breaks now is not lost. */
  leaving = false;
  readonly #ports: Ports;
  readonly #session: VaultSession;
  readonly #bindings: Bindings;
  readonly #book: GrantBook;
  readonly #limits: Limits;
  readonly #admission: Admission;
  readonly #approvals: Approvals;
  readonly #stops: Stops;
  readonly #unready: () => readonly Problem[];
  #recovered = false;

  constructor(ports: Ports, options: AgentOptions) {
    this.#ports = ports;
    this.#unready = options.unready ?? (() => []);
    this.#limits = new Limits(options.limits);
    this.#bindings = new Bindings(ports.liveness);
    this.#session = new VaultSession(ports, {
      leashMs: options.leashMs,
      onLost: (session) => this.#book.sessionEnded(session, true),
      onWell: () => this.#book.vaultReturned(),
    });
    this.#book = new GrantBook({
      ports,
      runner: new EffectRunner(ports, this.#session, this.#bindings, options.leashMs),
      bindings: this.#bindings,
      facts: this.facts,
      onSessionUnused: () => this.#closeUnusedSessions(),
    });
    this.#stops = new Stops(this.#book, ports.clock, (actor) => this.#view(actor));
    const { answerWithinMs, sha256 } = options;
    const shared = { ports, book: this.#book, profiles: this.profiles, answerWithinMs };
    const { bindings, limits } = { bindings: this.#bindings, limits: this.#limits };
    const claimUse = claimsIn(ports, this.#session);
    this.#admission = new Admission({ ...shared, bindings, limits, claimUse, sha256 });
    const unready = () => this.#session.problem();
    this.#approvals = new Approvals({ ...shared, admission: this.#admission, unready });
  }

  /** Recovery; resolves when callers may come. The login goes on in the background. */
  async open(): Promise<void> {
    const { clock, journal } = this.#ports;
    this.#session.load();
    const now = clock.now();
    this.#limits.carryOver(journal.startsSince(now.wallMs - MINUTE_MS), now.at);
    const recovered = recover({
      ports: this.#ports,
      book: this.#book,
      bindings: this.#bindings,
      profiles: this.profiles,
      session: this.#session,
    });
    void this.#session.open();
    await recovered;
    // Only now is known what hangs under which session.
    this.#recovered = true;
    this.#closeUnusedSessions();
    this.#forget();
  }

  #closeUnusedSessions(): void {
    const { inUse } = this.#book.census;
    if (this.#recovered) void this.#session.opened.then(() => this.#session.closeUnused(inUse));
  }

  /** As Admission.start; `again` for tasks of the configuration, whose ids are never spent; `trace` as a traceparent. */
  async start(...start: Parameters<Admission['start']>) {
    const { actor, fresh } = await this.#admission.start(...start);
    const trace = this.#ports.telemetry.traceparent?.(actor.grant.id) ?? null;
    return { view: this.#view(actor), fresh, trace };
  }

  /** A living task, or what is left of a closed one. @throws Problem TASK_UNKNOWN */
  get(task: TaskId, caller: Caller): TaskView | Receipt {
    const actor = this.#book.find(task, caller);
    return actor !== null ? this.#view(actor) : this.receipt(task, caller);
  }

  /** Whatever lives under this id, for who watches the agent itself. */
  living(task: TaskId): Grant | undefined {
    return this.#book.get(task)?.grant;
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
    throw unknownTask(task);
  }

  /** Stops a task: its files are gone when this resolves; waits up to `waitMs` for the proof. */
  async stop(task: TaskId, caller: Caller, waitMs: number): Promise<Stopped> {
    const actor = this.#book.find(task, caller);
    return actor === null ? { receipt: this.receipt(task, caller) } : this.#stops.one(actor, waitMs);
  }

  /** Stops every task of the caller under one business event. */
  stopEvent(event: BusinessEvent, caller: Caller, waitMs: number): Promise<Stopped[]> {
    return this.#stops.ofEvent(event, caller, waitMs);
  }

  revokeAll(waitMs: number): Promise<Stopped[]> {
    return this.#stops.all(waitMs);
  }

  /** Takes no new task and stops all. */
  drain(waitMs: number): Promise<Stopped[]> {
    this.#admission.draining = true;
    this.#ports.telemetry.log('info', 'draining: no new task until a restart');
    return this.revokeAll(waitMs);
  }

  /** An administrator gives up on proving a revocation, on record. @throws Problem */
  async abandon(task: TaskId, reason: string, caller: Caller): Promise<Stopped> {
    const actor = this.#book.find(task, caller);
    return actor === null
      ? { receipt: this.receipt(task, caller) }
      : this.#stops.abandon(actor, reason, caller.uid);
  }

  /** Moves the deadline later, as far as the profile and the parent allow. @throws Problem */
  async extend(task: TaskId, byMs: number, caller: Caller): Promise<TaskView> {
    return this.#view(await extend(this.#book, task, byMs, caller));
  }

  /** Somebody approves or denies a start that waits for it; a Secret is an approval that was signed. @throws Problem */
  async approve(task: TaskId, word: Say | Secret, caller: Caller): Promise<TaskView> {
    return this.#view(await this.#approvals.say(task, word, caller));
  }

  /** A connection holds the task from now on, or again. @throws Problem when that cannot be put on record */
  async hold(task: TaskId, caller: Caller): Promise<void> {
    const actor = this.#book.find(task, caller);
    // What is bound to its connection from the start, or was held before, needs nothing more on record.
    const known = actor === null || actor.grant.held || holdsItself(actor.grant);
    const problem = await actor?.tell({ type: 'held' });
    if (problem != null && !known) throw problem;
  }

  /** A bound connection ended. */
  lost(task: TaskId, caller: Caller, detail: string): void {
    if (this.leaving) return;
    this.#book.find(task, caller)?.send({ type: 'stopRequested', reason: 'lost', detail });
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
    const draining = new Problem('DRAINING', 'the agent is stopping its tasks');
    const { damaged } = this.#ports.journal;
    const all = [this.#session.problem(), damaged, this.#admission.draining ? draining : null];
    return [...all.filter((problem) => problem !== null), ...this.#unready()];
  }

  /** What is so now, for who counts it: every living grant, and when the session ends. */
  snapshot() {
    const grants = this.#book.actors().map(({ grant }) => grant);
    return { grants, now: this.#ports.clock.now().at, sessionEndsAt: this.#session.endsAt() };
  }

  /**
   * Ends. With `keep` every task is left to the next agent, which has until the leash to come; else all are
   * revoked, and what is not proved in time ends by the leash. Returns how many are left unproved.
   */
  async close(stopTimeoutMs: number, keep = false): Promise<number> {
    this.#admission.draining = true;
    this.leaving = keep;
    const left = await (keep ? leaveTasks : endTasks)(this.#book, this.#ports, stopTimeoutMs);
    this.#admission.refusals.tell();
    // The session dies only when nothing hangs under it: revoking it is lazy and proves nothing.
    await this.#session.close(!keep && left === 0);
    this.#book.close();
    return left;
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
