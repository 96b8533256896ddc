// Owns chance in the simulation. Invariant: the same seed and name give the same numbers, so that a seed is
// the whole counterexample; streams of different names do not disturb one another.

import { unitHash } from '../../../src/domain/hash.ts';

export class Draw {
  #state: number;
  readonly #seed: number;

  constructor(seed: number, name = '') {
    this.#seed = seed;
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.floor(unitHash(name) * 0x1_0000_0000)) | 0;
  }

  /** A stream of its own. */
  stream(name: string): Draw {
    return new Draw(this.#seed, name);
  }

  /** In [0, 1) (mulberry32). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.unit() * (to - from + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.unit() * list.length)]!;
  }

  /** Whole milliseconds with this mean, most of them shorter, at most eight times as long. */
  wait(meanMs: number): number {
    return Math.floor(Math.min(8, -Math.log(1 - this.unit())) * meanMs);
  }

  /** One of the keys, by weight. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.unit() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries.at(-1)![0];
  }
}
