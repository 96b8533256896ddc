// Bar 5: while the agent lives, a task keeps its role for longer than the leash; once the agent is dead and
// stays dead, Vault itself drops the role within leash + 5 s.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { startTask } from '../harness/tasks.ts';
import { pause, untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const LEASH_MS = 10_000;

let world: World;
beforeAll(async () => {
  world = await createWorld({ leash: '10s' });
});
afterAll(() => world?.close());

test('a task outlives the leash with its agent, and not without', async () => {
  await startTask(world, 'long-runner', 'database');
  const { username, password } = JSON.parse(await world.file('long-runner', 'db.json'));
  const works = (): Promise<boolean> => canLogin(world.postgres.port, 'postgres', username, password);

  // Longer than two leashes: one renewal more than luck.
  const until = performance.now() + 2.2 * LEASH_MS;
  while (performance.now() < until) {
    expect(await world.pgRoles()).toEqual([username]);
    await pause(500);
  }
  expect(await works()).toBe(true);
  expect((await world.api('GET', '/v1/tasks/long-runner')).body).toMatchObject({ state: 'active' });

  await world.agent.kill9();
  await untilEmpty('Vault drops the role within leash + 5 s', world.pgRoles, LEASH_MS + 5_000);
  expect(await works()).toBe(false);
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);

  // Found by the next agent, it is closed and its files are gone.
  await world.agent.start();
  expect(world.taskDirs()).toEqual([]);
  await untilEmpty('the task is closed', async () => {
    const reply = await world.api('GET', '/v1/tasks/long-runner');
    return reply.body.state === 'closed' ? [] : [reply.body];
  });
}, 120_000);
