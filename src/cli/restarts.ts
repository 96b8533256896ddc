// Owns CMD over its restarts (run --restart-on-change): which child is the present one, and what its end means.
// Invariant: one restart for what has changed since the present child was started, however often it is told; a child
// that ended by itself, or that somebody asked to end, is not started again.

import { alarmIn } from './alarm.ts';
import type { Child, Ended } from './child.ts';

/** SIGKILL comes after the profile's grace, as at the end, but never sooner than this. */
export const LEAST_GRACE_MS = 10_000;

export interface RestartOptions {
  readonly spawn: () => Child;
  /** False: CMD is started once. */
  readonly onChange: boolean;
  /** The generation that brought the files that the first child finds. */
  readonly filesSince: number;
  readonly graceMs: () => number;
  /** CMD is about to be restarted. */
  readonly tell: () => void;
}

export class Restarts {
  readonly #options: RestartOptions;
  #child: Child;
  /** What the present child has found, and the newest that was told. */
  #found: number;
  #newest: number;
  #restarting = false;
  #staying = false;
  #cancelKill = (): void => {};

  constructor(options: RestartOptions) {
    this.#options = options;
    this.#found = options.filesSince;
    this.#newest = options.filesSince;
    this.#child = options.spawn();
  }

  /** The end of the last child. */
  async ended(): Promise<Ended> {
    for (;;) {
      const ended = await this.#child.ended;
      this.#cancelKill();
      if (!this.#restarting) return ended;
      this.#restarting = false;
      // Whatever came until now, the next one finds.
      this.#found = this.#newest;
      this.#child = this.#options.spawn();
    }
  }

  /** The files show what this generation brought; told late or twice, it is no other change. */
  changed(filesSince: number): void {
    if (!(filesSince > this.#newest)) return;
    this.#newest = filesSince;
    if (!this.#options.onChange || this.#staying || this.#restarting || this.#newest <= this.#found) return;
    // It has ended by itself, and its exit code is the run's.
    if (this.#child.isOver()) return;
    this.#restarting = true;
    this.#options.tell();
    this.#child.terminate();
    const child = this.#child;
    const graceMs = Math.max(LEAST_GRACE_MS, this.#options.graceMs());
    this.#cancelKill = alarmIn(graceMs, () => child.kill('SIGKILL'));
  }

  /** A signal that came for CMD, from us or from the terminal. */
  forwarded(signal: NodeJS.Signals): void {
    // A program may live on after SIGINT or SIGHUP; but who sends one during a restart wants an end of it.
    if (signal === 'SIGTERM' || signal === 'SIGQUIT' || (signal === 'SIGINT' && this.#restarting))
      this.stay();
  }

  /** No more restarts: the end of the present child is the end. */
  stay(): void {
    this.#staying = true;
    this.#restarting = false;
    this.#cancelKill();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  terminate(): void {
    this.stay();
    this.#child.terminate();
  }
}
