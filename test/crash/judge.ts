// Owns what must hold after the agent was killed and started again. Invariant: judged by Vault's and
// PostgreSQL's own lists and by the files; nothing is allowed to stay, not even a token whose reply was lost,
// since the session above it ends once nothing hangs under it.
import { expect } from 'vitest';
import { AT_ONCE_MS, credentialWorks, look, nothingLeft, tasks, within } from '../chaos/chaos-world.ts';
import { until } from '../harness/until.ts';
import type { CrashPoint } from './crash-plan.ts';
import type { CrashWorld, Step } from './crash-world.ts';
import type { Life } from './lives.ts';

/** How the restarted agent finds Vault. */
export const RESTARTS = ['up', 'sealed', 'unreachable'] as const;
export type Restart = (typeof RESTARTS)[number];

const LIVING = ['active', 'degraded'];

/** Starts the agent again and judges what it makes of what it finds. */
const restartAndJudge = async (world: CrashWorld, restart: Restart): Promise<void> => {
  if (restart === 'sealed') await world.vault.seal();
  if (restart === 'unreachable') await world.proxy.down();
  await world.agent.launch();
  await until('callers are let in', async () => (await world.api('GET', '/v1/health')).status > 0);
  // Before anybody can call, no file is left of a task that does not live.
  for (const dir of world.taskDirs()) expect(LIVING, dir).toContain((await look(world, dir)).state);
  if (restart === 'up') await world.agent.ready();
  for (const { task, state } of await tasks(world)) {
    if (LIVING.includes(state)) await worksFor(world, task);
  }
  for (const { task } of await tasks(world)) {
    const stopped = await within(AT_ONCE_MS, world.admin('DELETE', `/v1/tasks/${task}`));
    // 404: a failed start that was closed since the list was read, and spent no id.
    expect([200, 202, 404], stopped.text).toContain(stopped.status);
  }
  expect(world.taskDirs()).toEqual([]);
  if (restart === 'sealed') await world.vault.unseal();
  if (restart === 'unreachable') await world.proxy.up();
  await nothingLeft(world);
};

/** What was taken over works, or says with `dir: null` that there is nothing to read now. */
const worksFor = (world: CrashWorld, task: string): Promise<unknown> =>
  until(
    `${task} was taken over with a credential that works`,
    async () => {
      const { dir, state } = await look(world, task);
      if (!LIVING.includes(state)) return true;
      return dir === null ? restartLater(world) : credentialWorks(world, task);
    },
    10_000,
  );

/** Without Vault a dead credential cannot be replaced: then no file is right. */
const restartLater = async (world: CrashWorld): Promise<boolean> =>
  (await world.api('GET', '/v1/health?ready')).status !== 200;

/**
 * Kills the agent at one point of a life, starts it again and judges. Answers whether it got to the point: a
 * step that another run had may not come up in this one, and then it is killed where it stands.
 */
export const crash = async (
  world: CrashWorld,
  life: Life,
  at: CrashPoint,
  restart: Restart,
): Promise<boolean> => {
  await life.run(world, at);
  await until('it is dead', () => !world.agent.running, 2_000).catch(() => undefined);
  const reached = world.died();
  if (world.agent.running) await world.agent.kill9();
  await restartAndJudge(world, restart);
  await world.agent.kill9();
  return reached;
};

/** Goes through a life without a crash; answers every step that counted, in order. */
export const stepsOf = async (world: CrashWorld, life: Life): Promise<Step[]> => {
  await life.run(world);
  const steps = world.steps();
  await nothingLeft(world);
  await world.agent.kill9();
  return steps;
};
