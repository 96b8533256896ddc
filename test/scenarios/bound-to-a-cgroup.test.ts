// Tells what becomes of a task that is bound to a cgroup: it lives as long as a process is in it, also over the
// agent's own end. What ends one needs a cgroup2 that the tests may write to (root, or a delegated tree).

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cleanUp, closeAll, mayMakeCgroups, onThisMachine } from '../contract/liveness-subjects.ts';
import { expectProblem, expectProved, receiptOf, showTask, startTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ storage: 'file' });
});
afterEach(cleanUp);
afterAll(async () => {
  await closeAll();
  await world?.close();
});

const endsLost = async (task: string): Promise<void> => {
  const receipt = await receiptOf(world, task);
  expect(receipt).toMatchObject({ task, outcome: 'lost' });
  expectProved(receipt, 1);
  await world.untilNothingLeft();
};

test('a cgroup that is not there is refused, and nothing is leased for it', async () => {
  const start = { profile: 'database', bind: { cgroup: '/no/such/cgroup' } };
  expectProblem(await world.api('PUT', '/v1/tasks/nowhere', start), 400, 'SIGNAL_INVALID');
  await world.untilNothingLeft();
});

if (mayMakeCgroups) {
  test('the last process of the cgroup ends: the task is lost, and revoked', async () => {
    const { makeCgroup, spawn } = onThisMachine();
    const cgroup = makeCgroup('bound');
    const [first, last] = [await spawn(cgroup), await spawn(cgroup)];
    await startTask(world, 'bound', 'database', { bind: { cgroup } });
    await first.kill();
    expect(await showTask(world, 'bound')).toMatchObject({ state: 'active' });
    await last.kill();
    await endsLost('bound');
  });

  test('a restarted agent takes over what is bound to a cgroup, and ends it with the cgroup', async () => {
    const { makeCgroup, spawn } = onThisMachine();
    const cgroup = makeCgroup('kept');
    const last = await spawn(cgroup);
    await startTask(world, 'kept', 'database', { bind: { cgroup } });
    const before = await world.file('kept', 'db.json');
    await world.agent.kill9();
    await world.agent.start();
    expect(await showTask(world, 'kept')).toMatchObject({ state: 'active', generation: 1 });
    expect(await world.file('kept', 'db.json')).toBe(before);
    await last.kill();
    await endsLost('kept');
  });
}
