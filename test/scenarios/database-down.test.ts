// Bar 3: PostgreSQL is down while a task is stopped, and the agent is killed on top. The files go at once;
// the role goes as soon as it can, with nobody asking; only then does the receipt exist, and says so.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { expectProblem, expectProved, startTask } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test('a stop that cannot be finished is finished after kill -9, when the database is back', async () => {
  await startTask(world, 'nightly', 'database');
  const { username, password } = JSON.parse(await world.file('nightly', 'db.json'));
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(true);

  await world.postgres.stop();
  const stopped = await world.api('DELETE', '/v1/tasks/nightly');
  expect(existsSync(join(world.paths.secrets, 'nightly')), 'files are gone when the stop answers').toBe(
    false,
  );
  expect(stopped.status).toBe(202);
  expect(stopped.body).toMatchObject({ task: 'nightly', state: 'stopping' });
  expectProblem(await world.api('GET', '/v1/tasks/nightly/receipt'), 409, 'NOT_CLOSED');
  // Waiting does not help, and does not lie either.
  expect((await world.api('DELETE', '/v1/tasks/nightly?wait=1s')).status).toBe(202);
  expect(await world.vaultLeases()).toHaveLength(1);

  await world.agent.kill9();
  await world.agent.start();
  expect((await world.api('GET', '/v1/tasks/nightly')).body).toMatchObject({ state: 'stopping' });
  expectProblem(await world.api('PUT', '/v1/tasks/nightly', { profile: 'database' }), 409, 'TASK_SPENT');

  await world.postgres.start();
  await untilEmpty('the role is dropped with nobody asking', world.pgRoles);
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(false);
  const receipt = await until('the receipt', async () => {
    const reply = await world.api('GET', '/v1/tasks/nightly/receipt');
    return reply.status === 200 && reply.body;
  });
  expect(receipt).toMatchObject({ task: 'nightly', state: 'closed', outcome: 'completed' });
  expectProved(receipt, 1);
  await world.untilNothingLeft();
}, 150_000);
