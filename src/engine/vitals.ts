// Owns whether the agent itself is well, apart from whether it can start tasks: a journal write that does not end is
// what a restart may cure, one that fails is what it would not. Invariant: it changes nothing of what it watches.

import type { Instant } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import type { Meter } from '../ports/metrics.ts';

/** No disk takes so long for a few hundred bytes. */
const STUCK_AFTER_MS = 30_000;
/** A failure says this long that the next start would fail too: nobody may be there to try one. */
const FAILED_FOR_MS = 10_000;

export class Vitals {
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #writing = new Map<object, Instant>();
  #failed: { readonly problem: Problem; readonly at: Instant } | null = null;

  constructor(clock: Clock, meter: Meter) {
    this.#clock = clock;
    this.#meter = meter;
  }

  /** The same journal, looked at. */
  watch<Port extends Journal>(journal: Port): Port {
    const append: Journal['append'] = (entries) => {
      this.#writing.set(entries, this.#clock.now().at);
      const written = journal.append(entries);
      written.then(
        () => this.#ended(entries, null),
        (error: unknown) => this.#ended(entries, Problem.of(error)),
      );
      return written;
    };
    return Object.create(journal, { append: { value: append, enumerable: true } });
  }

  /** Why the agent is not alive, though it answers; null when it is. */
  stuck(): Problem | null {
    const [oldest] = this.#writing.values();
    const ms = oldest === undefined ? 0 : this.#clock.now().at - oldest;
    if (ms < STUCK_AFTER_MS) return null;
    return new Problem(
      'JOURNAL_UNWRITABLE',
      `a write to the journal has not ended for ${Math.floor(ms / 1000)} s`,
      {
        hint: 'look at the disk under state_dir; a restart of the agent opens the journal anew',
      },
    );
  }

  /** Why a start would not get on record; null when it would, as far as is known. */
  unwritable(): Problem | null {
    if (this.#failed === null) return this.stuck();
    return this.#clock.now().at - this.#failed.at < FAILED_FOR_MS ? this.#failed.problem : this.stuck();
  }

  #ended(entries: object, problem: Problem | null): void {
    this.#writing.delete(entries);
    if (problem !== null) this.#meter.count('tasklease_journal_failures_total');
    this.#failed = problem === null ? null : { problem, at: this.#clock.now().at };
  }
}
