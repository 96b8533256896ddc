// Owns which task id belongs to which living grant, and who may see what. Invariant: one living grant per task
// id; a caller learns nothing of other callers' tasks; a parent's end is its children's.

import type { Entry, Outcome, Receipt } from '../domain/fact.ts';
import { type Grant, works } from '../domain/grant.ts';
import type { GrantEvent } from '../domain/grant-event.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Caller } from '../domain/task-spec.ts';
import type { Bindings } from './bindings.ts';
import { Census } from './census.ts';
import type { EffectRunner } from './effect-runner.ts';
import type { FactStream } from './fact-stream.ts';
import { GrantActor } from './grant-actor.ts';
import type { Ports } from './ports.ts';
import { Scheduler } from './scheduler.ts';
import { within } from './within.ts';

export interface BookOptions {
  readonly ports: Ports;
  readonly runner: EffectRunner;
  readonly bindings: Bindings;
  readonly facts: FactStream;
  /** Told when nothing unproved hangs under some session any more. */
  readonly onSessionUnused: () => void;
}

export class GrantBook {
  readonly census = new Census();
  readonly #options: BookOptions;
  readonly #actors = new Map<TaskId, GrantActor>();
  readonly #scheduler: Scheduler;
  readonly #emptied = new Set<() => void>();

  constructor(options: BookOptions) {
    this.#options = options;
    this.#scheduler = new Scheduler(options.ports.clock, (task) =>
      this.send(task as TaskId, { type: 'alarm' }),
    );
  }

  get size(): number {
    return this.#actors.size;
  }

  actors(): GrantActor[] {
    return [...this.#actors.values()];
  }

  /** Whatever lives under this id, whoever owns it. */
  get(task: TaskId): GrantActor | undefined {
    return this.#actors.get(task);
  }

  /** Tells a grant what happened, if it lives. */
  send(task: TaskId, event: GrantEvent): void {
    this.#actors.get(task)?.send(event);
  }

  /** Grants whose ids this caller may know. */
  visible(caller: Caller): GrantActor[] {
    return this.actors().filter((actor) => owns(caller, actor.grant.owner.uid));
  }

  /** The living grant of a task that this caller may see, or null. */
  find(task: TaskId, caller: Caller): GrantActor | null {
    const actor = this.#actors.get(task);
    return actor !== undefined && owns(caller, actor.grant.owner.uid) ? actor : null;
  }

  /** The receipt of a closed task that this caller may see, or null. */
  receipt(task: TaskId, caller: Caller): Receipt | null {
    const tombstone = this.#options.ports.journal.tombstone(task);
    if (tombstone === null || !owns(caller, tombstone.owner.uid)) return null;
    const { receipt, spent } = tombstone;
    // A failed start leaves nothing; a request that was denied is on record for whoever asked.
    return spent || receipt.approval !== undefined ? receipt : null;
  }

  /**
   * Stops a grant and its children; resolves when their files are gone, or could not be removed at the first try.
   * @throws Problem JOURNAL_UNWRITABLE when the stop is neither on record nor to be seen by the files: it is being done,
   * but an agent after this one would know nothing of it
   */
  async stop(actor: GrantActor, reason: Outcome): Promise<void> {
    const recorded = actor.tell({ type: 'stopRequested', reason });
    const [itself, ...children] = this.#family(actor).map((member) => member.untilErased());
    // A child whose start failed meanwhile has no files either.
    await Promise.all([itself, Promise.allSettled(children)]);
    const problem = await recorded;
    if (problem !== null && actor.grant.pending.erasedAt === null) throw problem;
  }

  /** What a task was bound to ended. */
  lost(task: TaskId): void {
    this.send(task, { type: 'stopRequested', reason: 'lost', detail: 'what it was bound to ended' });
  }

  /** Stops a child whose parent ended before it knew this child. */
  endOrphan({ grant }: GrantActor): void {
    if (grant.parent === null) return;
    const above = this.#actors.get(grant.parent);
    if (above !== undefined && works(above.grant)) return;
    const detail = `its parent ${grant.parent} was stopped`;
    this.send(grant.task, { type: 'stopRequested', reason: 'revoked', detail });
  }

  /** Tells every living grant that a session above its tokens ended. */
  sessionEnded(session: string, dead: boolean): void {
    for (const actor of this.actors()) actor.send({ type: 'sessionEnded', session, dead });
  }

  /** Tells every grant whose revocation waits that Vault answers again. */
  vaultReturned(): void {
    for (const actor of this.actors()) {
      if (actor.grant.pending.retirements.length > 0) actor.send({ type: 'vaultReturned' });
    }
  }

  /** Resolves when no grant is left, or after `limitMs`. */
  async empty(limitMs: number): Promise<void> {
    if (this.#actors.size === 0) return;
    await within(this.#options.ports.clock, limitMs, (callOff) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#emptied.add(resolve);
      callOff.listen(resolve);
      return promise.finally(() => this.#emptied.delete(resolve));
    });
  }

  close(): void {
    this.#scheduler.close();
    this.#options.bindings.close();
  }

  add(grant: Grant): GrantActor {
    const actor = new GrantActor(
      grant,
      {
        token: null,
        policies: [],
        assertion: null,
        fault: null,
        deliveries: [],
        probing: null,
        caller: null,
      },
      {
        ports: this.#options.ports,
        runner: this.#options.runner,
        onStep: (stepped, entries) => this.#onStep(stepped, entries),
      },
    );
    this.#actors.set(grant.task, actor);
    this.census.add(grant);
    return actor;
  }

  remove(actor: GrantActor): void {
    const { grant } = actor;
    if (this.#actors.get(grant.task) !== actor) return;
    this.#actors.delete(grant.task);
    actor.luggage.assertion?.[Symbol.dispose]();
    this.census.remove(grant);
    this.#scheduler.set(grant.task, null);
    this.#options.bindings.release(grant.task);
    if (this.#actors.size > 0) return;
    for (const resolve of this.#emptied) resolve();
  }

  #onStep(actor: GrantActor, entries: readonly Entry[]): void {
    const { grant } = actor;
    for (const entry of entries) this.#options.facts.tell(grant.task, grant.owner.uid, entry, grant.event);
    // A late answer to a grant that is gone: its task id may be another's by now.
    if (this.#actors.get(grant.task) !== actor) return;
    this.#scheduler.set(grant.task, actor.dueAt);
    if (entries.some(({ fact }) => fact.type === 'grant.stopping')) this.#stopChildren(grant);
    const unused = this.census.update(grant);
    if (grant.state === 'closed' && actor.settled) this.remove(actor);
    if (unused.length > 0) this.#options.onSessionUnused();
  }

  #stopChildren({ task, outcome }: Grant): void {
    for (const child of this.census.childrenOf(task)) {
      const detail = `its parent ${task} was stopped`;
      this.send(child, { type: 'stopRequested', reason: outcome ?? 'revoked', detail });
    }
  }

  /** The grant itself, its children and theirs. */
  #family(actor: GrantActor): GrantActor[] {
    const children = this.census.childrenOf(actor.grant.task).flatMap((task) => this.#actors.get(task) ?? []);
    return [actor, ...children.flatMap((child) => this.#family(child))];
  }
}

export const owns = (caller: Caller, uid: number): boolean => caller.admin || caller.uid === uid;
