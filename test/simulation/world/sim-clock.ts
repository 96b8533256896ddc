// Owns simulated time. Invariant: time moves only when a test says so; timers run in the order they are due,
// each at its own moment; the wall clock may jump without the boot clock noticing.

import type { Moment } from '../../../src/domain/instant.ts';
import { Heap } from '../../../src/engine/heap.ts';
import type { Clock } from '../../../src/ports/clock.ts';

interface Timer {
  readonly due: number;
  readonly n: number;
  run: (() => void) | null;
}

export class SimClock implements Clock {
  #at: number;
  #wallOffset: number;
  /** By time, then by age. Timers that were called off stay in it and are skipped. */
  readonly #heap = new Heap<Timer>(before);
  #count = 0;

  /** @param start milliseconds since boot and since 1970, both whole numbers */
  constructor(start: Moment = { at: 1_000_000, wallMs: Date.UTC(2026, 10, 22, 10) }) {
    this.#at = start.at;
    this.#wallOffset = start.wallMs - start.at;
  }

  now(): Moment {
    return { at: this.#at, wallMs: this.#at + this.#wallOffset };
  }

  /** Milliseconds since boot. */
  get at(): number {
    return this.#at;
  }

  after(delayMs: number, run: () => void): () => void {
    this.#count += 1;
    const timer: Timer = { due: this.#at + Math.max(0, Math.ceil(delayMs)), n: this.#count, run };
    this.#heap.push(timer);
    return () => {
      timer.run = null;
    };
  }

  /** When the next timer is due; null when none is set. */
  nextDue(): number | null {
    return this.#first()?.due ?? null;
  }

  /** Lets `ms` pass. What a timer started is given its turn before time moves on. */
  async advance(ms: number): Promise<void> {
    const end = this.#at + ms;
    await settle();
    while (await this.step(end)) {
      // All that is due until then.
    }
  }

  /** Goes to the next timer, at most to `end`, and runs it; false when none was due by then. */
  async step(end: number): Promise<boolean> {
    const timer = this.#first();
    if (timer === undefined || timer.due > end) {
      this.#at = Math.max(this.#at, end);
      return false;
    }
    this.#at = Math.max(this.#at, timer.due);
    this.#heap.pop();
    timer.run!();
    await settle();
    return true;
  }

  /** An administrator sets the wall clock; the boot clock goes on (clock_settime(2)). */
  jumpWall(ms: number): void {
    this.#wallOffset += ms;
  }

  #first(): Timer | undefined {
    while (this.#heap.first()?.run === null) this.#heap.pop();
    return this.#heap.first();
  }
}

const before = (a: Timer, b: Timer): boolean => a.due < b.due || (a.due === b.due && a.n < b.n);

/** Everything that can run without time passing has run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
