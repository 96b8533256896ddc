// Owns what is in a task's directory during a random life. Invariant: an effect on files takes place once, at some
// moment between its question and its answer, and is not undone by a crash.

import type { Effect } from '../../src/domain/grant-event.ts';

/** An effect that was asked for; `done` once it took place. */
export interface Asked {
  readonly effect: Effect;
  done: boolean;
}

export class Disk {
  /** Generations whose files are there. */
  readonly files = new Set<number>();
  /** What a reader sees; null when there is nothing. */
  shown: number | null = null;

  carryOut(asked: Asked): void {
    if (asked.done) return;
    asked.done = true;
    const { effect } = asked;
    if (effect.type === 'publish') {
      this.files.add(effect.n);
      this.shown = effect.n;
    }
    if (effect.type === 'erase' || effect.type === 'withdraw') this.sweep();
    if (effect.type === 'eraseGeneration' && this.shown !== effect.n) this.files.delete(effect.n);
  }

  sweep(): void {
    this.files.clear();
    this.shown = null;
  }

  /** As the port says it: shows this generation again where an agent was cut off after it had shown a newer one. */
  restore(n: number): boolean {
    if (this.files.has(n)) this.shown = n;
    return this.holds(n);
  }

  /** What is shown is this generation, whole. */
  holds(n: number): boolean {
    return this.shown === n && this.files.has(n);
  }
}

export const touchesFiles = ({ effect }: Asked): boolean =>
  ['publish', 'withdraw', 'erase', 'eraseGeneration'].includes(effect.type);
