// Owns the one timer of all grants: a heap of alarms, one a grant. Invariant: an alarm never fires
// before its instant; setting it again replaces it.

import type { Instant } from '../domain/instant.ts';
import type { Clock } from '../ports/clock.ts';
import { Heap } from './heap.ts';

interface Alarm {
  readonly at: Instant;
  readonly key: string;
}

export class Scheduler {
  readonly #clock: Clock;
  readonly #ring: (key: string) => void;
  /** A binary heap by time. Replaced alarms stay in it and are skipped when they come up. */
  readonly #heap = new Heap<Alarm>((a, b) => a.at < b.at);
  readonly #due = new Map<string, Alarm>();
  #cancel: (() => void) | null = null;
  #armedAt: Instant | null = null;

  constructor(clock: Clock, ring: (key: string) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Sets, moves or (null) takes away the alarm of `key`. */
  set(key: string, at: Instant | null): void {
    const old = this.#due.get(key);
    if (old?.at === at) return;
    if (at === null) {
      this.#due.delete(key);
      return;
    }
    const alarm = { at, key };
    this.#due.set(key, alarm);
    this.#heap.push(alarm);
    this.#compact();
    this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#due.clear();
    this.#heap.clear();
  }

  /** Replaced alarms would stay until they come up, which may be weeks. */
  #compact(): void {
    if (this.#heap.size <= 2 * this.#due.size + 64) return;
    const living = [...this.#due.values()];
    this.#heap.clear();
    for (const alarm of living) this.#heap.push(alarm);
  }

  #arm(): void {
    const first = this.#heap.first();
    if (first === undefined || (this.#armedAt !== null && this.#armedAt <= first.at)) return;
    this.#cancel?.();
    this.#armedAt = first.at;
    this.#cancel = this.#clock.after(Math.max(0, first.at - this.#clock.now().at), () => this.#fire());
  }

  #fire(): void {
    this.#armedAt = null;
    this.#cancel = null;
    const now = this.#clock.now().at;
    for (let first = this.#heap.first(); first !== undefined && first.at <= now; first = this.#heap.first()) {
      this.#heap.pop();
      if (this.#due.get(first.key) !== first) continue;
      this.#due.delete(first.key);
      this.#ring(first.key);
    }
    this.#arm();
  }
}
