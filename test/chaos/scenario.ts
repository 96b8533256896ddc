// Owns the shape of a chaos scenario. Invariant: its name is a promise, it leaves the world calm or fails,
// and it can run after any other one of its group.
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { LONG } from '../harness/long.ts';
import type { WorldOptions } from '../harness/world.ts';
import { type ChaosWorld, calm, chaosWorld } from './chaos-world.ts';

export type Scenario = {
  readonly name: string;
  /** Runs in `npm test` as well. */
  readonly fast?: true;
  /** Upper bound, when the usual one is too low. Milliseconds. */
  readonly limitMs?: number;
  run(world: ChaosWorld): Promise<void>;
};

/** Groups that share a world have the same options. */
export type Group = { readonly options?: WorldOptions; readonly scenarios: readonly Scenario[] };

/** Declares a test for each scenario of these groups, all in one world; in `npm test` the fast ones only. */
export const promise = (...groups: readonly Group[]): void => {
  const scenarios = groups.flatMap((group) => group.scenarios).filter(({ fast }) => LONG || fast === true);
  let world: ChaosWorld;
  beforeAll(async () => {
    world = await chaosWorld(groups[0]?.options);
  });
  afterEach(async ({ task }) => {
    await calm(world);
    if (task.result?.state !== 'fail') return;
    // What a failed scenario left must not fail the next one: it ends with the session.
    await world.agent.term();
    await world.agent.start();
  });
  afterAll(() => world?.close());
  for (const { name, run, limitMs = 180_000 } of scenarios) test(name, () => run(world), limitMs);
};
