// Owns timers of any length. Invariant: a timer longer than Node's 2^31-1 ms does not fire at once, as
// setTimeout's would.

const LONGEST_MS = 2 ** 31 - 1;

/** Calls `ring` once after `delayMs` (at once when negative; never when not a number). Returns a cancel. */
export function alarmIn(delayMs: number, ring: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const arm = (leftMs: number): void => {
    const stepMs = Math.min(Math.max(leftMs, 0), LONGEST_MS);
    timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : ring()), stepMs);
  };
  if (!Number.isNaN(delayMs)) arm(delayMs);
  return () => clearTimeout(timer);
}
