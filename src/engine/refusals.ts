// Owns the record of starts that are refused before there is a grant. Invariant: each is counted; under a flood the first
// of each caller are on record one by one and the others as a number, so that nobody fills the disk by being refused.

import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { recordedCaller, recordedRefusal } from '../domain/record-of.ts';
import type { Caller, StartSignal } from '../domain/task-spec.ts';
import type { Ports } from './ports.ts';

/** Of one uid at once, then one a second. */
const BURST = 20;
const REFILL_MS = 1000;
/** More callers than that are one. */
const MAX_UIDS = 1000;
const TELL_AFTER_MS = 60_000;

export class Refusals {
  readonly #ports: Pick<Ports, 'clock' | 'journal'>;
  readonly #callers = new Map<number, { left: number; at: number }>();
  #leftOut = 0;
  #telling = false;

  constructor(ports: Pick<Ports, 'clock' | 'journal'>) {
    this.#ports = ports;
  }

  note(task: TaskId, signal: StartSignal, caller: Caller, error: unknown): void {
    const { clock, journal } = this.#ports;
    const now = clock.now();
    if (!this.#may(caller.uid, now.at)) {
      this.#leftOut += 1;
      return this.#tellLater();
    }
    const { profile, event = null, parent = null } = signal;
    const about = { task, profile, event, caller: recordedCaller(caller), parent };
    const fact = { problem: recordedRefusal(Problem.of(error)), left_out: this.#leftOut };
    this.#leftOut = 0;
    journal.note({ ...now, about, body: { type: 'start.refused', fact } });
  }

  /** What was left out is told as a number. */
  tell(): void {
    this.#telling = false;
    if (this.#leftOut === 0) return;
    const body = { type: 'refusals.left_out', fact: { count: this.#leftOut } } as const;
    this.#leftOut = 0;
    this.#ports.journal.note({ ...this.#ports.clock.now(), body });
  }

  #may(uid: number, at: number): boolean {
    const key = this.#callers.has(uid) || this.#callers.size < MAX_UIDS ? uid : -1;
    const { left, at: since } = this.#callers.get(key) ?? { left: BURST, at };
    const now = Math.min(BURST, left + (at - since) / REFILL_MS);
    this.#callers.set(key, { left: now >= 1 ? now - 1 : now, at });
    return now >= 1;
  }

  #tellLater(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#ports.clock.after(TELL_AFTER_MS, () => this.tell());
  }
}
