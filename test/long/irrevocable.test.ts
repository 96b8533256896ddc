// The one state that Vault reaches by long patience alone: it gives a lease up after six attempts, which takes it some
// ten minutes. Promise: what Vault itself has given up is revoked and proved all the same once its engine is back.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProved, receiptOf, startTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

/** Six attempts, from 10 s doubling, each half as long again at most (vault/expiration.go): 465 s, and what a machine adds. */
const GIVEN_UP_WITHIN_MS = 1_500_000;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

const irrevocable = async (): Promise<number> => {
  const { body } = await world.vault.request('GET', 'sys/leases/count?type=irrevocable');
  return (body as { data: { lease_count: number } }).data.lease_count;
};

test(
  'a lease that Vault itself gave up, its database away and no agent there, is revoked and proved once both are back',
  async () => {
    await startTask(world, 'given-up', 'short-lease');
    expect(await world.pgRoles()).toHaveLength(1);
    await world.agent.kill9();
    await world.postgres.stop();
    const startedAt = performance.now();
    await until(
      'Vault calls the lease irrevocable',
      async () => (await irrevocable()) === 1,
      GIVEN_UP_WITHIN_MS,
    );
    console.log(`given up by Vault after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    await world.postgres.start();
    expect(await world.pgRoles()).toHaveLength(1);
    await world.agent.start();
    const receipt = await receiptOf(world, 'given-up');
    expectProved(receipt, 1);
    expect(await world.pgRoles()).toEqual([]);
    expect(await irrevocable()).toBe(0);
    await world.untilNothingLeft();
  },
  GIVEN_UP_WITHIN_MS + 120_000,
);
