// Owns admission: how many tasks may live, in all and per uid, and how many may start in a minute.
// Invariant: a caller over a limit is told when to come back, and costs Vault nothing.

import type { Instant } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';

export interface LimitOptions {
  readonly tasks: number;
  readonly tasksPerUid: number;
  readonly startsPerMinute: number;
}

const MINUTE_MS = 60_000;
const LATER_MS = 1000;

export class Limits {
  readonly #options: LimitOptions;
  /** A bucket of starts that refills evenly and holds one minute's worth. */
  #bucket: number;
  #filledAt: Instant | null = null;

  constructor(options: LimitOptions) {
    this.#options = options;
    this.#bucket = options.startsPerMinute;
  }

  /** Starts of the last minute that an agent before this one admitted: a crash loop must not flood Vault. */
  carryOver(starts: number, now: Instant): void {
    this.#bucket = Math.max(0, this.#bucket - starts);
    this.#filledAt = now;
  }

  /** @throws Problem CAPACITY */
  admit(now: Instant, living: number, livingOfUid: number): void {
    const { tasks, tasksPerUid, startsPerMinute } = this.#options;
    if (living >= tasks) throw full(`${tasks} tasks are living`, 'limits.tasks', LATER_MS);
    if (livingOfUid >= tasksPerUid) {
      throw full(`${tasksPerUid} tasks of this uid are living`, 'limits.tasks_per_uid', LATER_MS);
    }
    const filled = this.#filledAt === null ? 0 : ((now - this.#filledAt) / MINUTE_MS) * startsPerMinute;
    this.#bucket = Math.min(startsPerMinute, this.#bucket + filled);
    this.#filledAt = now;
    if (this.#bucket < 1) {
      const wait = Math.ceil(((1 - this.#bucket) / startsPerMinute) * MINUTE_MS);
      throw full(`${startsPerMinute} starts in a minute`, 'limits.starts_per_minute', wait);
    }
    this.#bucket -= 1;
  }
}

const full = (detail: string, key: string, retryAfterMs: number): Problem =>
  new Problem('CAPACITY', `a limit is reached: ${detail}`, {
    retryAfterMs,
    hint: `stop tasks that are done, try again later, or raise ${key}`,
  });
