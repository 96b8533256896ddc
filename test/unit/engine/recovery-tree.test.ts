// Owns what a restart means for a tree of tasks: a child is taken over with its parent or ended with it, also when the
// parent ends in the very moment in which its child is looked at.

import { describe, expect, test } from 'vitest';
import type { ProfileName } from '../../../src/domain/ids.ts';
import { caller } from '../domain/samples.ts';
import { House, taskId } from './house.ts';

const CHILD = 'child' as ProfileName;
const me = caller();

/** A house whose agent was killed while a parent, bound to process 42, and its child worked. */
async function orphans(): Promise<House> {
  const house = new House();
  house.liveness.spawn(42, 1000);
  const agent = await house.agent();
  await house.start(agent, 'parent', { bind: { pid: 42 } });
  await house.start(agent, 'kid', { profile: CHILD, parent: taskId('parent') });
  house.kill();
  return house;
}

describe('a child of an earlier agent', () => {
  test('is taken over with its parent, and still stops with it', async () => {
    const house = await orphans();
    const agent = await house.agent();
    for (const task of ['parent', 'kid']) {
      expect(agent.get(taskId(task), me)).toMatchObject({ state: 'active', generation: 1 });
    }
    house.liveness.kill(42);
    await house.clock.advance(5000);
    expect(agent.get(taskId('kid'), me)).toMatchObject({ state: 'closed', outcome: 'lost' });
    expect(house.vault.model.leases.size).toBe(0);
  });

  test('is ended with its parent, also when it is in order itself', async () => {
    const house = await orphans();
    house.liveness.kill(42);
    const agent = await house.agent();
    expect(house.files.tasks()).toEqual([]);
    await house.clock.advance(20_000);
    expect(agent.get(taskId('kid'), me)).toMatchObject({ state: 'closed' });
    expect(house.facts('kid')).not.toContain('grant.adopted');
    expect(house.vault.model.leases.size).toBe(0);
  });

  test('is ended when its parent ends while it is looked at', async () => {
    const house = await orphans();
    const restore = house.files.restore.bind(house.files);
    house.files.restore = async (task, n, files) => {
      if (task === 'kid') await new Promise<void>((resolve) => house.clock.after(500, resolve));
      return restore(task, n, files);
    };
    const opening = house.agent();
    await house.clock.advance(100);
    house.liveness.kill(42);
    await house.clock.advance(10_000);
    const agent = await opening;
    await house.clock.advance(10_000);
    expect(agent.get(taskId('kid'), me)).toMatchObject({ state: 'closed' });
    expect(house.files.tasks()).toEqual([]);
    expect(house.vault.model.leases.size).toBe(0);
  });
});
