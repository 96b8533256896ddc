// Owns simulated time. Invariant: time moves only when a test says so; timers run in the order they are due,
// each at its own moment; the wall clock may jump without the boot clock noticing.

import type { Moment } from '../../../src/domain/instant.ts';
import type { Clock } from '../../../src/ports/clock.ts';

interface Timer {
  readonly due: number;
  readonly n: number;
  readonly run: () => void;
}

export class SimClock implements Clock {
  #at: number;
  #wallOffset: number;
  #timers: Timer[] = [];
  #count = 0;

  /** @param start milliseconds since boot and since 1970, both whole numbers */
  constructor(start: Moment = { at: 1_000_000, wallMs: Date.UTC(2026, 10, 22, 10) }) {
    this.#at = start.at;
    this.#wallOffset = start.wallMs - start.at;
  }

  now(): Moment {
    return { at: this.#at, wallMs: this.#at + this.#wallOffset };
  }

  after(delayMs: number, run: () => void): () => void {
    this.#count += 1;
    const timer = { due: this.#at + Math.max(0, Math.ceil(delayMs)), n: this.#count, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** When the next timer is due; null when none is set. */
  nextDue(): number | null {
    return this.#next()?.due ?? null;
  }

  /** Lets `ms` pass. What a timer started is given its turn before time moves on. */
  async advance(ms: number): Promise<void> {
    const end = this.#at + ms;
    await settle();
    for (let timer = this.#next(); timer !== undefined && timer.due <= end; timer = this.#next()) {
      this.#at = Math.max(this.#at, timer.due);
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.run();
      await settle();
    }
    this.#at = end;
  }

  /** An administrator sets the wall clock; the boot clock goes on (clock_settime(2)). */
  jumpWall(ms: number): void {
    this.#wallOffset += ms;
  }

  #next(): Timer | undefined {
    return this.#timers.toSorted((a, b) => a.due - b.due || a.n - b.n)[0];
  }
}

/** Everything that can run without time passing has run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
