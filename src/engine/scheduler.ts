// Owns the one timer of all grants: a heap of alarms, one a grant. Invariant: an alarm never fires
// before its instant; setting it again replaces it.

import type { Instant } from '../domain/instant.ts';
import type { Clock } from '../ports/clock.ts';

interface Alarm {
  readonly at: Instant;
  readonly key: string;
}

export class Scheduler {
  readonly #clock: Clock;
  readonly #ring: (key: string) => void;
  /** A binary heap by time. Replaced alarms stay in it and are skipped when they come up. */
  readonly #heap: Alarm[] = [];
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
    this.#push(alarm);
    this.#compact();
    this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#due.clear();
    this.#heap.length = 0;
  }

  /** Replaced alarms would stay until they come up, which may be weeks. */
  #compact(): void {
    if (this.#heap.length <= 2 * this.#due.size + 64) return;
    const living = [...this.#due.values()];
    this.#heap.length = 0;
    for (const alarm of living) this.#push(alarm);
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#armedAt !== null && this.#armedAt <= first.at)) return;
    this.#cancel?.();
    this.#armedAt = first.at;
    this.#cancel = this.#clock.after(Math.max(0, first.at - this.#clock.now().at), () => this.#fire());
  }

  #fire(): void {
    this.#armedAt = null;
    this.#cancel = null;
    const now = this.#clock.now().at;
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#pop();
      if (this.#due.get(first.key) !== first) continue;
      this.#due.delete(first.key);
      this.#ring(first.key);
    }
    this.#arm();
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap;
    let i = heap.push(alarm) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= alarm.at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = alarm;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child += 1;
      if (heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
