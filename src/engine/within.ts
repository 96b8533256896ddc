// Owns waiting with a limit on the engine's clock. Invariant: what is called off is called off at the
// waited-for side too, so that impatient callers leave nothing behind.

import type { Clock } from '../ports/clock.ts';

/**
 * Says once that waiting is over. (An AbortSignal looks through all its listeners whenever one comes or goes: a kill
 * switch that waits for a thousand tasks would spend a twentieth of its time on that.)
 */
export class CallOff {
  #called = false;
  readonly #listeners = new Set<() => void>();

  get called(): boolean {
    return this.#called;
  }

  listen(listener: () => void): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  call(): void {
    this.#called = true;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Runs `wait`, which is called off after `limitMs`; the timer is gone when it resolves. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  wait: (callOff: CallOff) => Promise<T>,
  callOff = new CallOff(),
): Promise<T> {
  const cancel = clock.after(limitMs, () => callOff.call());
  try {
    return await wait(callOff);
  } finally {
    cancel();
  }
}
