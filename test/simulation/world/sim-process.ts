// Owns one life of the agent's process. Invariant: once it is dead, nothing that it began reaches the world
// any more: its timers never ring, its calls have no effect and its promises never settle; while it is frozen
// (SIGSTOP, suspend) all that comes for it waits.

import type { Clock } from '../../../src/ports/clock.ts';
import type { SimClock } from './sim-clock.ts';

/** What a dead process's code runs into; nobody must be told of it. */
export class Killed extends Error {
  constructor() {
    super('the simulated process is dead');
    this.name = 'Killed';
  }
}

const CIRCLING = 50_000;

/** What happens around one call of a port: the process dies before or after it, or the call fails. */
export type Blow = 'none' | 'before' | 'after' | Error;

export interface Guard {
  /** Methods that answer at once; all others answer with a promise. */
  readonly immediate: readonly string[];
  /** Asked before every call; throws what a judge finds wrong with it. */
  readonly onCall?: (verb: string, args: readonly unknown[]) => Blow;
  /** Told what an asynchronous call came to, whether or not the process lives to hear of it. */
  readonly onDone?: (verb: string, args: readonly unknown[], result: unknown) => void;
  /** A dead process's calls do nothing, without a word: for what its error handling calls. */
  readonly quiet?: boolean;
  /** Runs before an asynchronous call. */
  readonly delay?: (verb: string) => Promise<void> | null;
}

export class SimProcess {
  dead = false;
  frozen = false;
  readonly clock: Clock;
  /** This boot's clock is that far behind the world's. */
  readonly bootOffset: number;
  readonly #died: (process: SimProcess) => void;
  #waiting: (() => void)[] = [];

  /** Readings of the clock at one moment: an engine that goes in circles reads it without end. */
  #readings = { at: 0, count: 0 };

  constructor(world: SimClock, bootOffset: number, died: (process: SimProcess) => void) {
    this.bootOffset = bootOffset;
    this.#died = died;
    this.clock = {
      now: () => {
        const { at, wallMs } = world.now();
        this.#countReading(at);
        return { at: at - bootOffset, wallMs };
      },
      after: (delayMs, run) => world.after(delayMs, () => this.when(run)),
    };
  }

  /** True when it did more at one moment than any sane process does; it is dead then. */
  circling = false;

  #countReading(at: number): void {
    if (this.#readings.at !== at) this.#readings = { at, count: 0 };
    this.#readings.count += 1;
    if (this.#readings.count < CIRCLING || this.dead) return;
    this.circling = true;
    this.kill();
    throw new Killed();
  }

  /** kill -9. */
  kill(): void {
    if (this.dead) return;
    this.dead = true;
    this.#waiting = [];
    this.#died(this);
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const run of this.#waiting.splice(0)) this.when(run);
  }

  /** Runs now, when thawed, or never. */
  when(run: () => void): void {
    if (this.dead) return;
    if (this.frozen) this.#waiting.push(run);
    else run();
  }

  /** The port as this process sees it. */
  guard<T extends object>(port: T, { immediate, onCall, onDone, delay, quiet }: Guard): T {
    const calls = new Map<PropertyKey, unknown>();
    const guarded = (verb: string, method: (...args: unknown[]) => unknown) => {
      const now = immediate.includes(verb);
      return (...args: unknown[]): unknown => {
        if (this.dead) return quiet === true ? undefined : stopped(now);
        const blow = onCall?.(verb, args) ?? 'none';
        if (blow instanceof Error) return failed(now, blow);
        if (blow === 'before') this.kill();
        if (this.dead) return stopped(now);
        if (now) {
          const result = method.apply(port, args);
          if (blow !== 'after') return result;
          this.kill();
          return stopped(now);
        }
        const held = delay?.(verb) ?? null;
        const begun =
          held === null
            ? method.apply(port, args)
            : held.then(() => (this.dead ? stopped(false) : method.apply(port, args)));
        const result = begun as Promise<unknown>;
        result.then((value) => onDone?.(verb, args, value), noop);
        if (blow === 'after') {
          this.kill();
          return stopped(now);
        }
        return this.#delivered(result);
      };
    };
    return new Proxy(port, {
      get: (target, key) => {
        const known = calls.get(key);
        if (known !== undefined) return known;
        const value = Reflect.get(target, key, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = guarded(String(key), value as (...args: unknown[]) => unknown);
        calls.set(key, call);
        return call;
      },
    });
  }

  #delivered(result: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      result.then(
        (value) => this.when(() => resolve(value)),
        (error) => this.when(() => reject(error)),
      );
    });
  }
}

const noop = () => undefined;

function failed(immediate: boolean, error: Error): Promise<never> {
  if (immediate) throw error;
  return Promise.reject(error);
}

function stopped(immediate: boolean): Promise<never> {
  if (immediate) throw new Killed();
  return new Promise<never>(noop);
}
