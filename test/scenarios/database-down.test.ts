// Bar 3: PostgreSQL is down while a task is stopped, and the agent is killed on top. The files go at once;
// the role goes as soon as it can, with nobody asking; only then does the receipt exist, and says so. The same for a task
// that has just been rotated, whose two generations both live, while its profile goes on changing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loginOf } from '../harness/file-login.ts';
import { letIn, overlapping, rotate } from '../harness/rotations.ts';
import { expectProblem, expectProved, receiptOf, startTask } from '../harness/tasks.ts';
import { untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ profiles: { overlapping: overlapping(0) } });
});
afterAll(() => world?.close());

test.each([
  { task: 'nightly', profile: 'database', generations: 1 },
  { task: 'rotated', profile: 'overlapping', generations: 2 },
])(
  'a stop that cannot be finished is finished after kill -9, when the database is back: generations alive: $generations',
  async ({ task, profile, generations }) => {
    await startTask(world, task, profile);
    const logins = [await loginOf(world, task)];
    if (generations === 2) {
      await rotate(world, task, profile, overlapping(1));
      logins.push(await loginOf(world, task));
    }
    expect(await letIn(world, logins)).toEqual(logins.map(() => true));

    await world.postgres.stop();
    const stopped = await world.api('DELETE', `/v1/tasks/${task}`);
    expect(existsSync(join(world.paths.secrets, task)), 'files are gone when the stop answers').toBe(false);
    expect(stopped.status).toBe(202);
    expect(stopped.body).toMatchObject({ task, state: 'stopping' });
    expectProblem(await world.api('GET', `/v1/tasks/${task}/receipt`), 409, 'NOT_CLOSED');
    // Waiting does not help, and does not lie either.
    expect((await world.api('DELETE', `/v1/tasks/${task}?wait=1s`)).status).toBe(202);
    expect(await world.vaultLeases()).toHaveLength(generations);

    await world.agent.kill9();
    // Another plan, which no task that is stopping follows.
    await world.writeProfile('overlapping', overlapping(2));
    await world.agent.start();
    expect((await world.api('GET', `/v1/tasks/${task}`)).body).toMatchObject({ state: 'stopping' });
    expectProblem(await world.api('PUT', `/v1/tasks/${task}`, { profile }), 409, 'TASK_SPENT');

    await world.postgres.start();
    await untilEmpty('every role is dropped with nobody asking', world.pgRoles);
    expect(await letIn(world, logins)).toEqual(logins.map(() => false));
    const receipt = await receiptOf(world, task);
    expect(receipt).toMatchObject({ task, state: 'closed', outcome: 'completed' });
    expectProved(receipt, generations);
    await world.untilNothingLeft();
  },
  150_000,
);
