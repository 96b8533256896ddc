// Owns the installation that faults are tried on: Vault on file storage behind the fault proxy, PostgreSQL,
// the built agent with short patience. Invariant: what is alive is judged by Vault's and PostgreSQL's own
// lists and by the files, never by what the agent believes.
import { expect } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { type FaultProxy, faultProxy } from '../harness/fault-proxy.ts';
import type { Json, Reply } from '../harness/socket-api.ts';
import { expectProblem } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { createWorld, type World, type WorldOptions } from '../harness/world.ts';

/** A world whose agent reaches Vault only through `proxy`. */
export type ChaosWorld = World & { readonly proxy: FaultProxy };

/** One Vault request may take so long; a start is answered within three of them. */
export const TIMEOUT_MS = 2_000;
/** Upper bound for an answer that must not wait for Vault; generous, since the machine may be busy. */
export const AT_ONCE_MS = 5_000;
/** Upper bound for the answer to a start while Vault misbehaves. */
export const QUICKLY_MS = 15_000;

/** Vault on file storage unless said otherwise; the agent runs unless `start` is false. The caller closes it. */
export const chaosWorld = async (options: WorldOptions = {}): Promise<ChaosWorld> => {
  const world = await createWorld({
    storage: 'file',
    ...options,
    start: false,
    config: { vault: { timeout: `${TIMEOUT_MS / 1000}s` }, ...options.config },
  });
  const proxy = await faultProxy(world.vault.port);
  await world.configure((config) => {
    config.vault.address = proxy.address;
  });
  const close = async (): Promise<void> => {
    await proxy.close();
    await world.close();
  };
  if (options.start !== false) {
    await world.agent.start().catch(async (error) => {
      await close();
      throw error;
    });
  }
  return { ...world, proxy, close };
};

/** The world as it was before a scenario: nothing broken, the agent ready, nothing of any task left. */
export const calm = async (world: ChaosWorld): Promise<void> => {
  world.proxy.heal();
  await world.proxy.up();
  await world.vault.start();
  if ((await world.vault.request('GET', 'sys/seal-status')).body.sealed === true) await world.vault.unseal();
  await world.postgres.start();
  if (!world.agent.running) await world.agent.launch();
  await world.agent.ready();
};

/** Stops whatever still runs; then Vault, PostgreSQL and the files must hold nothing, and the agent no task. */
export const nothingLeft = async (world: ChaosWorld, withinMs = 45_000): Promise<void> => {
  await calm(world);
  await world.admin('POST', '/v1/revoke-all');
  await world.untilNothingLeft(withinMs);
  await until('the agent has no task left', async () => (await tasks(world)).length === 0, withinMs);
};

/**
 * The same, when the reply to a token's creation was lost: that token has read nothing and was given to
 * nobody. It may live until its session ends, which is the agent's end here.
 */
export const nothingButLostTokens = async (world: ChaosWorld, most: number): Promise<void> => {
  await calm(world);
  await world.admin('POST', '/v1/revoke-all');
  await until('the agent has no task left', async () => (await tasks(world)).length === 0);
  // A lease that nobody saw is ended by its token, which Vault does in its own time.
  await untilEmpty('Vault holds no lease', world.vaultLeases);
  await untilEmpty('PostgreSQL holds no leased role', world.pgRoles);
  expect(world.taskDirs()).toEqual([]);
  expect((await world.taskTokens()).length).toBeLessThanOrEqual(most);
  await world.agent.term();
  await world.untilNothingLeft();
  await world.agent.start();
};

let ids = 0;
/** A task id that no scenario had before: ids are spent once. */
export const newTask = (what: string): string => `${what}-${++ids}`;

/** The tasks of all callers that are not closed. */
export const tasks = async (world: World): Promise<Json[]> =>
  (await world.admin('GET', '/v1/tasks')).body.tasks.filter(({ state }: Json) => state !== 'closed');

/** What the admin socket says of a task: its view, or the receipt of a closed one. */
export const look = async (world: World, task: string): Promise<Json> =>
  (await world.admin('GET', `/v1/tasks/${task}`)).body;

/** Whether PostgreSQL takes the credential that a reader finds now. Fails when there is no file. */
export const credentialWorks = async (world: World, task: string, file = 'db.json'): Promise<boolean> => {
  const { username, password } = JSON.parse(await world.file(task, file));
  return canLogin(world.postgres.port, 'postgres', username, password);
};

/** The answer and how long it took; fails when that was longer than `withinMs`. */
export const within = async (withinMs: number, answer: Promise<Reply>): Promise<Reply> => {
  const startedAt = performance.now();
  const reply = await answer;
  expect(performance.now() - startedAt, reply.text).toBeLessThan(withinMs);
  return reply;
};

/** A start that must be refused quickly with this code, and leave no file. */
export const refused = async (
  world: ChaosWorld,
  task: string,
  body: Json,
  status: number,
  code: string,
): Promise<Json> => {
  const reply = await within(QUICKLY_MS, world.api('PUT', `/v1/tasks/${task}`, body));
  const problem = expectProblem(reply, status, code);
  expect(world.taskDirs()).not.toContain(task);
  return problem;
};

/** A stop that is answered at once with its files gone, whatever Vault does: 202, or 200 with the receipt. */
export const stopAtOnce = async (world: ChaosWorld, task: string): Promise<Reply> => {
  const reply = await within(AT_ONCE_MS, world.api('DELETE', `/v1/tasks/${task}`));
  expect([200, 202], reply.text).toContain(reply.status);
  expect(world.taskDirs()).not.toContain(task);
  return reply;
};

/** Waits for a state; answers the view. */
export const untilState = (world: World, task: string, state: string, withinMs = 45_000): Promise<Json> =>
  until(
    `${task} is ${state}`,
    async () => {
      const view = await look(world, task);
      if (view.state !== state) throw new Error(JSON.stringify(view));
      return view;
    },
    withinMs,
  );
