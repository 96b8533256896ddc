// Owns the keys of one issuer that are had by a URI. Invariant: asked at most every 30 s whatever callers present, by one
// request at a time; keys that were good stay so for the stated time while the issuer cannot be reached.

import type { KeyObject } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { type Header, keyFor, keySet } from './key-set.ts';

/** As long as an answer is good without asking again. */
const FRESH_MS = 600_000;
/** Nobody makes the agent ask more often, with made-up key ids or while the issuer is down. */
const COOLDOWN_MS = 30_000;

export interface RemoteOptions {
  readonly fetch: () => Promise<unknown>;
  readonly maxStaleMs: number;
  /** Milliseconds on a clock that does not jump. */
  readonly now: () => number;
}

export class RemoteKeys {
  readonly #options: RemoteOptions;
  #keys: JSONWebKeySet | null = null;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;
  #fault = '';

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  /**
   * The key for this header; where what is there is too old or has none, the issuer is asked, when that is allowed again.
   * @throws Error that says why there are no keys
   */
  async key(header: Header): Promise<KeyObject | null> {
    const { maxStaleMs, now } = this.#options;
    const known =
      this.#keys !== null && now() - this.#fetchedAt < FRESH_MS ? keyFor(this.#keys, header) : null;
    if (known !== null) return known;
    if (this.#asking !== null || now() - this.#askedAt >= COOLDOWN_MS) {
      this.#asking ??= this.#ask();
      await this.#asking;
    }
    if (this.#keys === null) throw new Error(this.#fault);
    const age = now() - this.#fetchedAt;
    if (age < FRESH_MS || age <= maxStaleMs) return keyFor(this.#keys, header);
    throw new Error(`${this.#fault}, and the keys before are too old`);
  }

  async #ask(): Promise<void> {
    const { fetch, now } = this.#options;
    this.#askedAt = now();
    try {
      this.#keys = keySet(await fetch());
      this.#fetchedAt = now();
      this.#fault = '';
    } catch (error) {
      this.#fault = error instanceof Error ? error.message : String(error);
    } finally {
      this.#asking = null;
    }
  }
}
