// Owns how many requests are at Vault at once. Invariant: never more than the limit, and among those
// that wait, revocations go before renewals, renewals before starts.

/** Lower goes first. */
export const URGENCY = { revoke: 0, renew: 1, start: 2 } as const;
export type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

export class Gate {
  readonly #waiting: (() => void)[][] = [[], [], []];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  async through<T>(urgency: Urgency, run: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting[urgency]!.push(resolve));
    try {
      return await run();
    } finally {
      // A place is handed over, not freed, so that nobody slips in between.
      const next = this.#waiting.find((queue) => queue.length > 0)?.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
