// Owns waiting with a limit on the engine's clock. Invariant: what is called off is called off at the
// waited-for side too, so that impatient callers leave nothing behind.

import type { Clock } from '../ports/clock.ts';

/** Runs `wait` with a signal that aborts after `limitMs`; the timer is gone when it resolves. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const cancel = clock.after(limitMs, () => limit.abort());
  try {
    return await wait(limit.signal);
  } finally {
    cancel();
  }
}
