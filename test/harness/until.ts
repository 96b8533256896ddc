// Owns waiting. Invariant: every wait of a test is for a condition, with a deadline that says what was
// awaited and what was seen last; nothing sleeps for a fixed time and hopes.

const PAUSE_MS = 15;

/** Polls `probe` until it answers something truthy. A probe that throws counts as "not yet". */
export const until = async <T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = 45_000,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> => {
  const startedAt = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() - startedAt > withinMs) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`after ${Math.round(withinMs)} ms still not so: ${what} (seen last: ${seen})`, {
        cause: last,
      });
    }
    await pause(PAUSE_MS);
  }
};

/** The same for a list that must become empty; the error says what was left. */
export const untilEmpty = async (
  what: string,
  list: () => Promise<readonly unknown[]>,
  withinMs = 45_000,
): Promise<void> => {
  let left: readonly unknown[] = [];
  try {
    await until(
      what,
      async () => {
        left = await list();
        return left.length === 0;
      },
      withinMs,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}; left: ${JSON.stringify(left.slice(0, 5))}`, {
      cause: error,
    });
  }
};

/** For the gaps between polls, and for moments that a test draws at random. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs `work` on every item, `width` at a time; the results keep the items' order. */
export const inParallel = async <T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
};
