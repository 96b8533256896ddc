// The port of time: the only way the engine learns it or waits for it.

import type { Moment } from '../domain/instant.ts';

export interface Clock {
  /** Both clocks, read together. */
  now(): Moment;
  /** Calls back once, not before `delayMs` have passed on the boot clock; returns how to call it off. */
  after(delayMs: number, run: () => void): () => void;
}
