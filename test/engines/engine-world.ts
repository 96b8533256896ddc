// Owns an installation with more engines than the samples have, and the story that each of them must stand twenty times:
// the credential works with its own client while the task lives, and is refused when the task is stopped.
import { expect } from 'vitest';
import { profile } from '../harness/sample-profiles.ts';
import type { Json } from '../harness/socket-api.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { createWorld, type World, type WorldOptions } from '../harness/world.ts';

export const CYCLES = 20;

/** One path of Vault that a task gets its one secret from. */
export type EngineProfile = {
  readonly path: string;
  readonly [term: string]: unknown;
};

const POLICY = 'tasklease-test-engine';

/** A world whose task tokens may use `rules` (HCL), with one profile for each of `secrets`, all in `secret.json`. */
export const engineWorld = async (
  rules: string,
  secrets: Record<string, EngineProfile>,
  options: WorldOptions = {},
): Promise<World> => {
  const files = { 'secret.json': { format: 'json' } };
  const profiles = Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => [
      name,
      profile({ vault: { policies: [POLICY] }, secrets: { secret: { files, ...secret } } }),
    ]),
  );
  return createWorld({
    ...options,
    policies: { [POLICY]: rules, ...options.policies },
    profiles: { ...profiles, ...options.profiles },
  });
};

/** The task's secret, as its reader finds it. */
export const secretOf = async (world: World, task: string): Promise<Json> =>
  JSON.parse(await world.file(task, 'secret.json'));

/** Twenty tasks, one after the other: started, used, stopped and proved, and the same credential refused. */
export const cycles = async (
  world: World,
  name: string,
  works: (secret: Json) => Promise<boolean>,
): Promise<void> => {
  for (let n = 1; n <= CYCLES; n += 1) {
    const task = `${name}-${n}`;
    const answer = await startTask(world, task, name);
    expect(answer.leases, `${task}: ${JSON.stringify(answer.leases)}`).toMatchObject([{ revocable: true }]);
    const secret = await secretOf(world, task);
    expect(await works(secret), `the credential of ${task} works`).toBe(true);
    expectProved(await stopTask(world, task), 1);
    expect(await works(secret), `the credential of ${task} is refused after its stop`).toBe(false);
  }
  await world.untilNothingLeft();
};
