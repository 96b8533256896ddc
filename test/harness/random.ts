// Owns chance in tests. Invariant: all of it comes from one seed, which is printed; TASKLEASE_SEED=n
// draws the same again.

/** A number in [0, 1) at each call (mulberry32). */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** The seed of this run, with the command that replays it written to the test's output. */
export const chosenSeed = (file: string): number => {
  const seed = Number(process.env.TASKLEASE_SEED ?? Date.now() % 1_000_000_000);
  console.log(`seed ${seed}; again with: TASKLEASE_SEED=${seed} npx vitest run ${file}`);
  return seed;
};
