// Owns how many requests are at Vault at once. Invariant: never more than the limit; among those that
// wait, revocations go before renewals, renewals before starts; and no engine may take so many places
// that, frozen, it starves the others: starts are never cut off, so they may hang for long. Renewals are
// paced, so that however many leases there are, they are a bounded part of what Vault has to do.

/** Lower goes first. The session, on which every task hangs, waits for nobody. */
export const URGENCY = { session: -1, revoke: 0, renew: 1, start: 2 } as const;
export type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

/** By urgency: the share of all places, and the share that one lane (one engine) may hold. */
const SHARES = [
  { all: 1, lane: 0.5 },
  { all: 0.9, lane: 0.4 },
  { all: 0.75, lane: 0.25 },
] as const;

/** Renewals in a second, and how many of them at once after a quiet time. */
const RENEWALS = { perSecond: 500, atOnce: 64 };

interface GateClock {
  now(): number;
  after(delayMs: number, run: () => void): void;
}

const realClock: GateClock = {
  now: () => performance.now(),
  after: (delayMs, run) => void setTimeout(run, delayMs).unref(),
};

interface Waiting {
  /** Who came first, over all lanes. */
  readonly ticket: number;
  readonly enter: () => void;
}

export class Gate {
  /** Places by urgency, of all and of one lane. */
  readonly #rooms: readonly { readonly all: number; readonly lane: number }[];
  /** A queue for each lane: a thousand that wait for one engine must not be passed in review for each other one. */
  readonly #waiting = SHARES.map(() => new Map<string, Waiting[]>());
  readonly #running = SHARES.map(() => 0);
  readonly #inLane = SHARES.map(() => new Map<string, number>());
  #free: number;
  #tickets = 0;
  readonly #clock: GateClock;
  #renewals = RENEWALS.atOnce;
  #countedAt: number;
  #waking = false;

  /** @param clock milliseconds, and a timer, for the pace of renewals */
  constructor(places: number, clock: GateClock = realClock) {
    const room = (part: number) => Math.max(1, Math.floor(places * part));
    this.#rooms = SHARES.map(({ all, lane }) => ({ all: room(all), lane: room(lane) }));
    this.#free = places;
    this.#clock = clock;
    this.#countedAt = clock.now();
  }

  /** Runs when there is a place. `lane` names what the request waits for at Vault: the mount. */
  async through<T>(urgency: Urgency, lane: string, run: () => Promise<T>): Promise<T> {
    if (urgency === URGENCY.session) return run();
    if (this.#inPace(urgency) && this.#admits(urgency, lane)) this.#enter(urgency, lane);
    else await this.#turn(urgency, lane);
    try {
      return await run();
    } finally {
      this.#free += 1;
      this.#running[urgency]! -= 1;
      const inLane = this.#inLane[urgency]!;
      const left = inLane.get(lane)! - 1;
      if (left === 0) inLane.delete(lane);
      else inLane.set(lane, left);
      this.#admitNext();
    }
  }

  #admits(urgency: number, lane: string): boolean {
    const room = this.#rooms[urgency]!;
    return (
      this.#free > 0 &&
      this.#running[urgency]! < room.all &&
      (this.#inLane[urgency]!.get(lane) ?? 0) < room.lane
    );
  }

  /** A bucket of renewals that refills evenly; while it is empty, somebody wakes those who wait. */
  #inPace(urgency: number): boolean {
    if (urgency !== URGENCY.renew) return true;
    const now = this.#clock.now();
    const filled = ((now - this.#countedAt) / 1000) * RENEWALS.perSecond;
    this.#renewals = Math.min(RENEWALS.atOnce, this.#renewals + filled);
    this.#countedAt = now;
    if (this.#renewals >= 1) return true;
    if (!this.#waking) {
      this.#waking = true;
      this.#clock.after(1000 / RENEWALS.perSecond, () => {
        this.#waking = false;
        while (this.#admitNext());
      });
    }
    return false;
  }

  #enter(urgency: number, lane: string): void {
    if (urgency === URGENCY.renew) this.#renewals -= 1;
    this.#free -= 1;
    this.#running[urgency]! += 1;
    const inLane = this.#inLane[urgency]!;
    inLane.set(lane, (inLane.get(lane) ?? 0) + 1);
  }

  #turn(urgency: number, lane: string): Promise<void> {
    const { promise, resolve: enter } = Promise.withResolvers<void>();
    const queues = this.#waiting[urgency]!;
    const waiting = { ticket: this.#tickets++, enter };
    const queue = queues.get(lane);
    if (queue === undefined) queues.set(lane, [waiting]);
    else queue.push(waiting);
    return promise;
  }

  /** Entered here, not by whoever waited, so that nobody slips in between. */
  #admitNext(): boolean {
    for (const [urgency, queues] of this.#waiting.entries()) {
      if (queues.size === 0 || !this.#inPace(urgency)) continue;
      const lane = this.#firstAdmitted(urgency, queues);
      if (lane === null) continue;
      const queue = queues.get(lane)!;
      const { enter } = queue.shift()!;
      if (queue.length === 0) queues.delete(lane);
      this.#enter(urgency, lane);
      enter();
      return true;
    }
    return false;
  }

  /** Of the lanes that have room, the one whose first has waited longest. */
  #firstAdmitted(urgency: number, queues: ReadonlyMap<string, readonly Waiting[]>): string | null {
    let first: string | null = null;
    let ticket = Number.POSITIVE_INFINITY;
    for (const [lane, queue] of queues) {
      if (queue[0]!.ticket >= ticket || !this.#admits(urgency, lane)) continue;
      first = lane;
      ticket = queue[0]!.ticket;
    }
    return first;
  }
}
