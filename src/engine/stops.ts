// Owns the ways to end tasks and how they are answered: one, all of an event, all. Invariant: files are gone when
// a stop resolves; the proof is waited for as long as the caller likes, and driven on whether anyone waits or not.

import type { Receipt } from '../domain/fact.ts';
import { Problem } from '../domain/problem.ts';
import type { BusinessEvent, Caller } from '../domain/task-spec.ts';
import type { GrantActor } from './grant-actor.ts';
import type { GrantBook } from './grant-book.ts';
import type { Ports } from './ports.ts';
import type { TaskView } from './view.ts';
import { within } from './within.ts';

/** How a stop stands when it is answered: the receipt when proved, else the task as it is. */
export type Stopped = { readonly receipt: Receipt } | { readonly pending: TaskView };

export class Stops {
  readonly #book: GrantBook;
  readonly #clock: Ports['clock'];
  readonly #view: (actor: GrantActor) => TaskView;

  constructor(book: GrantBook, clock: Ports['clock'], view: (actor: GrantActor) => TaskView) {
    this.#book = book;
    this.#clock = clock;
    this.#view = view;
  }

  async one(actor: GrantActor, waitMs: number): Promise<Stopped> {
    await this.#book.stop(actor, 'completed');
    await this.#closed([actor], waitMs);
    return this.#stopped(actor);
  }

  /** Every task of the caller under one business event. */
  ofEvent(event: BusinessEvent, caller: Caller, waitMs: number): Promise<Stopped[]> {
    const actors = this.#book
      .visible(caller)
      .filter(({ grant }) => grant.event?.type === event.type && grant.event.id === event.id);
    return this.#many(actors, 'completed', waitMs);
  }

  all(waitMs: number): Promise<Stopped[]> {
    return this.#many(this.#book.actors(), 'revoked', waitMs);
  }

  /** Gives up on proving a revocation, on record. @throws Problem SIGNAL_INVALID when none is under way */
  async abandon(actor: GrantActor, reason: string, uid: number): Promise<Stopped> {
    const { task, state } = actor.grant;
    if (state !== 'stopping' && state !== 'closed') {
      throw new Problem('SIGNAL_INVALID', `task ${task} is ${state}: only a revocation can be abandoned`, {
        hint: 'stop the task first, and give its revocation a chance',
      });
    }
    const problem = await actor.tell({ type: 'abandonRequested', reason, uid });
    if (problem !== null) throw problem;
    return this.#stopped(actor);
  }

  async #many(
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
    await within(this.#clock, waitMs, (callOff) =>
      Promise.allSettled(actors.map((actor) => actor.until(({ state }) => state === 'closed', callOff))),
    );
  }

  #stopped(actor: GrantActor): Stopped {
    return actor.receipt === null ? { pending: this.#view(actor) } : { receipt: actor.receipt };
  }
}
