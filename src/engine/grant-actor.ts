// Owns one grant while it lives: its mailbox. Invariant: one event at a time, decide → journal → perform;
// no effect that issues anything runs before its facts are durable, and no journal failure stops a revocation.

import { type Decision, decide } from '../domain/decide.ts';
import { dueAt } from '../domain/due.ts';
import type { Entry, Receipt } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import type { Effect, GrantEvent } from '../domain/grant-event.ts';
import type { Moment } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import { eventText } from '../domain/task-spec.ts';
import type { EffectRunner, Luggage } from './effect-runner.ts';
import type { Ports } from './ports.ts';
import type { CallOff } from './within.ts';

export interface ActorDeps {
  readonly ports: Ports;
  readonly runner: EffectRunner;
  /** Told after every step. */
  readonly onStep: (actor: GrantActor, entries: readonly Entry[]) => void;
}

const ISSUING: ReadonlySet<Effect['type']> = new Set(['openToken', 'readSecrets', 'probe', 'publish']);
/** What a caller is refused has not happened, and must not happen later either. */
const REFUSED_UNRECORDED: ReadonlySet<GrantEvent['type']> = new Set([
  'extendRequested',
  'abandonRequested',
  'approvalGiven',
]);
const BACKLOG_RETRY_MS = 1000;

interface Letter {
  readonly event: GrantEvent;
  readonly done?: (problem: Problem | null) => void;
}

export class GrantActor {
  grant: Grant;
  readonly luggage: Luggage;
  readonly #deps: ActorDeps;
  readonly #mailbox: Letter[] = [];
  /** Facts that could not be written yet, oldest first. */
  #backlog: Entry[] = [];
  #retrying = false;
  #running = false;
  /** Set once the grant is closed. */
  receipt: Receipt | null = null;
  /** Its first step is on record. */
  begun = true;
  /** Why the grant never began. */
  #stillborn: Problem | null = null;
  readonly #waiters = new Set<() => void>();

  constructor(grant: Grant, luggage: Luggage, deps: ActorDeps) {
    this.grant = grant;
    this.luggage = luggage;
    this.#deps = deps;
  }

  /**
   * The first step of a new grant.
   * @throws Problem JOURNAL_UNWRITABLE; then nothing has happened, and the caller says so with fail()
   */
  async begin(decision: Decision, now: Moment): Promise<void> {
    this.#running = true;
    this.begun = false;
    const entries = this.#entries(decision, now);
    await this.#deps.ports.journal.append(entries);
    this.grant = decision.next;
    this.begun = true;
    this.#after(decision.effects, entries);
    this.#running = false;
    void this.#drain();
  }

  send(event: GrantEvent): void {
    this.#mailbox.push({ event });
    void this.#drain();
  }

  /** As send; resolves when the event has been decided on, with why its facts are not durable if they are not. */
  tell(event: GrantEvent): Promise<Problem | null> {
    const { promise, resolve } = Promise.withResolvers<Problem | null>();
    this.#mailbox.push({ event, done: resolve });
    void this.#drain();
    return promise;
  }

  /** Resolves when the files of a stopping grant are gone, or could not be removed at the first try. */
  untilErased(): Promise<boolean> {
    return this.until(
      ({ state, pending }) =>
        state === 'closed' ||
        (state === 'stopping' && (pending.erasedAt !== null || pending.eraseRetryAt !== null)),
    );
  }

  /** The grant never began: whoever waits for it is told why. */
  fail(problem: Problem): void {
    this.#stillborn = problem;
    for (const { done } of this.#mailbox.splice(0)) done?.(problem);
    this.#wake();
  }

  /** True when every fact of this grant is durable. */
  get settled(): boolean {
    return this.#backlog.length === 0;
  }

  /**
   * Resolves true when the condition holds, or false when the waiting is called off.
   * @throws Problem why the grant never began
   */
  until(condition: (grant: Grant) => boolean, callOff?: CallOff): Promise<boolean> {
    if (this.#stillborn !== null) return Promise.reject(this.#stillborn);
    if (condition(this.grant)) return Promise.resolve(true);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const look = () => {
      if (this.#stillborn !== null) reject(this.#stillborn);
      else if (callOff?.called === true) resolve(false);
      else if (condition(this.grant)) resolve(true);
      else return;
      this.#waiters.delete(look);
      callOff?.unlisten(look);
    };
    this.#waiters.add(look);
    callOff?.listen(look);
    return promise;
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let letter = this.#mailbox.shift(); letter !== undefined; letter = this.#mailbox.shift()) {
      const problem = await this.#step(letter.event);
      letter.done?.(problem);
    }
    this.#running = false;
  }

  async #step(event: GrantEvent): Promise<Problem | null> {
    const now = this.#deps.ports.clock.now();
    const decision = decide(this.grant, event, now);
    const entries = this.#entries(decision, now);
    const problem = await this.#record(entries);
    // Whatever else was due in this step rings by itself.
    if (problem !== null && REFUSED_UNRECORDED.has(event.type)) return problem;
    if (problem !== null) this.#owe(entries);
    this.grant = decision.next;
    if (problem === null) {
      this.#after(decision.effects, entries);
      return null;
    }
    const effects = decision.effects.filter((effect) => !ISSUING.has(effect.type));
    this.#after(effects, entries);
    if (effects.length < decision.effects.length) {
      // What was to be used next must not stay in memory unused.
      this.luggage.token?.[Symbol.dispose]();
      this.luggage.token = null;
      this.luggage.deliveries = [];
      this.#mailbox.unshift({ event: { type: 'unrecorded', problem } });
    }
    return problem;
  }

  /** Null when all facts, old and new, are durable; else why not. */
  async #record(entries: readonly Entry[]): Promise<Problem | null> {
    const all = [...this.#backlog, ...entries];
    if (all.length === 0) return null;
    try {
      await this.#deps.ports.journal.append(all);
      this.#backlog = [];
      return null;
    } catch (error) {
      const problem = Problem.of(error);
      const { task, event } = this.grant;
      const fields = { task, event: eventText(event), detail: problem.message };
      this.#deps.ports.telemetry.log('error', 'the journal cannot be written', fields);
      return problem;
    }
  }

  /** Written later: through the mailbox, so that facts keep their order. */
  #owe(entries: readonly Entry[]): void {
    this.#backlog = [...this.#backlog, ...entries];
    if (this.#retrying) return;
    this.#retrying = true;
    this.#deps.ports.clock.after(BACKLOG_RETRY_MS, () => {
      this.#retrying = false;
      this.send({ type: 'alarm' });
    });
  }

  #after(effects: readonly Effect[], entries: readonly Entry[]): void {
    const { runner, onStep } = this.#deps;
    for (const effect of effects) {
      void runner.perform(effect, () => this.grant, this.luggage).then((event) => this.send(event));
    }
    for (const { fact } of entries)
      if (fact.type === 'grant.closed') this.receipt = this.#sealed(fact.receipt);
    onStep(this, entries);
    this.#wake();
  }

  /** The receipt as it is on record, which is signed; as it was decided while it is not. */
  #sealed(receipt: Receipt): Receipt {
    try {
      const tombstone = this.#deps.ports.journal.tombstone(receipt.task);
      return tombstone?.grant === this.grant.id ? tombstone.receipt : receipt;
    } catch {
      return receipt;
    }
  }

  #wake(): void {
    for (const look of [...this.#waiters]) look();
  }

  #entries(decision: Decision, now: Moment): Entry[] {
    return decision.facts.map((fact) => ({ grant: this.grant.id, at: now.at, wallMs: now.wallMs, fact }));
  }

  /** When this grant wants to be woken. */
  get dueAt() {
    return dueAt(this.grant);
  }
}
