// Owns what holds among tasks: a parent's end is its children's, a late answer about a grant that is gone touches nothing of
// its successor, a changed profile reaches those who live under it, and a full journal makes no storm.

import { describe, expect, test } from 'vitest';
import type { ProfileName } from '../../../src/domain/ids.ts';
import type { StartSignal } from '../../../src/domain/task-spec.ts';
import type { TaskView } from '../../../src/engine/view.ts';
import { caller } from '../domain/samples.ts';
import { House, taskId, WORK, work } from './house.ts';

const CHILD = 'child' as ProfileName;
const me = caller();
const admin = caller({ admin: true, uid: 0 });
const state = (agent: Awaited<ReturnType<House['agent']>>, task: string) => agent.get(taskId(task), me).state;

describe('an id that another caller uses', () => {
  const bob = caller({ uid: 1001, gid: 1001 });
  const asked = (agent: Awaited<ReturnType<House['agent']>>, task: string, profile = WORK) =>
    agent.start(taskId(task), { profile, params: {} }, `digest-${task}`, bob).then(
      () => 'started',
      ({ code, message }) => `${code} ${String(message).replaceAll(task, '*')}`,
    );

  test.each(['living', 'closed'])(
    '%s: whoever may not start it is told what any other id is answered',
    async (is) => {
      const house = new House();
      const agent = await house.agent();
      await house.start(agent, 'mine');
      if (is === 'closed') void agent.stop(taskId('mine'), me, 0);
      await house.clock.advance(5000);
      expect(await asked(agent, 'mine')).toMatch(/^PROFILE_DENIED/);
      expect(await asked(agent, 'mine')).toBe(await asked(agent, 'free'));
      const unknown = 'no-such' as ProfileName;
      expect(await asked(agent, 'mine', unknown)).toMatch(/^PROFILE_UNKNOWN/);
      expect(await asked(agent, 'mine', unknown)).toBe(await asked(agent, 'free', unknown));
    },
  );

  test.each([
    ['living', 'TASK_CONFLICT'],
    ['closed', 'TASK_SPENT'],
  ])('%s: whoever may start it is told to choose another', async (is, code) => {
    const house = new House();
    const agent = await house.agent([work({ allow: { uids: [1000, 1001], gids: [] } })]);
    await house.start(agent, 'mine');
    if (is === 'closed') void agent.stop(taskId('mine'), me, 0);
    await house.clock.advance(5000);
    expect(await asked(agent, 'mine')).toMatch(new RegExp(`^${code}`));
  });

  test('one’s own spent id says so, whatever its profile says by now', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'mine');
    void agent.stop(taskId('mine'), me, 0);
    await house.clock.advance(5000);
    agent.profiles.remove(WORK);
    await expect(house.start(agent, 'mine')).rejects.toMatchObject({ code: 'TASK_SPENT' });
  });
});

describe('a tree of tasks', () => {
  async function family() {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'top');
    await house.start(agent, 'kid', { profile: CHILD, parent: taskId('top') });
    await house.start(agent, 'other', { profile: CHILD });
    return { house, agent };
  }

  test('stops with its parent, children first gone when the stop answers', async () => {
    const { house, agent } = await family();
    const stopped = agent.stop(taskId('top'), me, 0);
    await house.clock.advance(0);
    await stopped;
    expect(house.files.tasks()).toEqual(['other']);
    await house.clock.advance(5000);
    expect([state(agent, 'top'), state(agent, 'kid'), state(agent, 'other')]).toEqual([
      'closed',
      'closed',
      'active',
    ]);
    expect(agent.get(taskId('kid'), me)).toMatchObject({ outcome: 'completed' });
  });

  test('a stop is not answered before the files of the children are gone too', async () => {
    const { house, agent } = await family();
    const erase = house.files.erase.bind(house.files);
    house.files.erase = async (task) => {
      if (task === 'kid') await new Promise<void>((resolve) => house.clock.after(500, resolve));
      return erase(task);
    };
    let answered = false;
    void agent.stop(taskId('top'), me, 0).then(() => (answered = true));
    await house.clock.advance(400);
    expect(answered).toBe(false);
    await house.clock.advance(200);
    expect(answered).toBe(true);
    expect(house.files.tasks()).toEqual(['other']);
  });

  test('ends with its parent at the deadline, never later', async () => {
    const { house, agent } = await family();
    const long = { profile: CHILD, parent: taskId('top'), durationMs: 3_000_000 };
    await house.start(agent, 'long', long);
    const deadline = (task: string) => (agent.get(taskId(task), me) as TaskView).deadline;
    expect(deadline('long')).toBe(deadline('top'));
  });

  test('a child may stop without its parent', async () => {
    const { house, agent } = await family();
    void agent.stop(taskId('kid'), me, 0);
    await house.clock.advance(5000);
    expect([state(agent, 'top'), state(agent, 'kid')]).toEqual(['active', 'closed']);
  });

  test.each<[string, Partial<StartSignal>, typeof me, string]>([
    ['a parent that is not there', { parent: taskId('nobody') }, me, 'TASK_UNKNOWN'],
    [
      'the parent of another caller',
      { parent: taskId('top') },
      caller({ uid: 1001, gid: 1000 }),
      'TASK_UNKNOWN',
    ],
    [
      'a profile that the parent does not list',
      { parent: taskId('top'), profile: WORK },
      me,
      'PROFILE_DENIED',
    ],
    ['a parent whose profile lists none', { parent: taskId('kid') }, me, 'PROFILE_DENIED'],
  ])('%s is refused, and nothing is asked of Vault', async (_what, signal, who, code) => {
    const { house, agent } = await family();
    const before = house.vault.model.tokens.size;
    for (const each of ['work', 'child'])
      agent.profiles.put(
        work({
          name: each as ProfileName,
          allow: { uids: [], gids: [1000] },
          children: each === 'work' ? [CHILD] : [],
        }),
      );
    const start = agent.start(taskId('new'), { profile: CHILD, params: {}, ...signal }, 'd', who);
    await expect(start).rejects.toMatchObject({ code });
    expect(house.vault.model.tokens.size).toBe(before);
  });

  test('a parent that ends while its child starts takes it along', async () => {
    const { house, agent } = await family();
    const start = agent.start(taskId('late'), { profile: CHILD, params: {}, parent: taskId('top') }, 'd', me);
    start.catch(() => {});
    void agent.stop(taskId('top'), me, 0);
    await house.clock.advance(10_000);
    expect(house.files.tasks()).toEqual(['other']);
    expect(house.vault.model.leases.size).toBe(1);
  });
});

describe('extension', () => {
  test('reaches as far as the profile and the parent allow', async () => {
    const house = new House();
    const ttl = { defaultMs: 600_000, maxMs: 1_200_000, graceMs: 15_000, extend: true };
    const agent = await house.agent([work({ ttl }), work({ name: CHILD, ttl, children: [] })]);
    await house.start(agent, 'top');
    await house.start(agent, 'kid', { profile: CHILD, parent: taskId('top') });
    const deadline = async (task: string, byMs: number) =>
      Date.parse((await agent.extend(taskId(task), byMs, me)).deadline);
    const top = Date.parse((agent.get(taskId('top'), me) as TaskView).deadline);
    expect(await deadline('kid', 900_000)).toBe(top);
    expect(await deadline('top', 100_000)).toBe(top + 100_000);
    expect(await deadline('kid', 900_000)).toBe(top + 100_000);
    expect(await deadline('top', 86_400_000)).toBe(top + 600_000);
  });

  test('is refused where the profile does not allow it, and of a task that is over', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'top');
    await expect(agent.extend(taskId('top'), 1000, me)).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
    await expect(agent.extend(taskId('none'), 1000, me)).rejects.toMatchObject({ code: 'TASK_UNKNOWN' });
    void agent.stop(taskId('top'), me, 0);
    await house.clock.advance(5000);
    await expect(agent.extend(taskId('top'), 1000, me)).rejects.toMatchObject({ code: 'TASK_SPENT' });
    await expect(agent.extend(taskId('top'), 1000, caller({ uid: 7 }))).rejects.toMatchObject({
      code: 'TASK_UNKNOWN',
    });
  });
});

describe('a late answer about a grant that is gone', () => {
  test('leaves the alarm of its successor alone: that still ends at its deadline', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'same');
    house.vault.fault = (verb) => (verb === 'lookupLease' ? 'silent' : null);
    const first = agent.stop(taskId('same'), me, 0);
    await house.clock.advance(10);
    await first;
    // The proof is given up while a look-up is under way; its answer comes ten seconds later.
    await agent.abandon(taskId('same'), 'engine deleted', admin);
    house.vault.fault = () => null;
    await house.clock.advance(10);
    const again = agent.start(taskId('same'), { profile: WORK, params: {} }, 'other', me, true);
    await house.clock.advance(100);
    expect((await again).view).toMatchObject({ state: 'active' });
    await house.clock.advance(12_000);
    expect(state(agent, 'same')).toBe('active');
    await house.clock.advance(620_000);
    expect(agent.get(taskId('same'), me)).toMatchObject({ state: 'closed', outcome: 'expired' });
    expect(house.vault.model.leases.size).toBe(0);
  });
});

describe('a profile that comes into force', () => {
  test('rotates those who live under it when it says something else, and no others', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'a');
    await house.start(agent, 'b', { profile: CHILD });
    agent.profiles.put(work({ overlapMs: 1000 }));
    await house.clock.advance(3000);
    expect(agent.get(taskId('a'), me)).toMatchObject({ generation: 2, state: 'active' });
    expect(agent.get(taskId('b'), me)).toMatchObject({ generation: 1, state: 'active' });
    expect(house.vault.model.leases.size).toBe(2);
    agent.profiles.put(work({ overlapMs: 1000 }));
    await house.clock.advance(3000);
    expect(agent.get(taskId('a'), me)).toMatchObject({ generation: 2 });
  });

  test('ends those whom it refuses', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'a');
    agent.profiles.put(work({ allow: { uids: [1], gids: [] } }));
    await house.clock.advance(3000);
    expect(agent.get(taskId('a'), me)).toMatchObject({ state: 'closed', outcome: 'revoked' });
  });

  test('that is removed leaves them as they are', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'a');
    agent.profiles.remove(WORK);
    await house.clock.advance(60_000);
    expect(agent.get(taskId('a'), me)).toMatchObject({ state: 'active', generation: 1 });
  });
});

describe('a journal that cannot be written', () => {
  test('is tried once a second, however much happens meanwhile', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'a');
    house.disk.broken = true;
    for (let n = 0; n < 20; n += 1) agent.hold(taskId('a'), me).catch(() => {});
    await house.clock.advance(10_000);
    const tries = house.logs.filter(({ message }) => message === 'the journal cannot be written');
    const before = tries.length;
    house.logs.length = 0;
    await house.clock.advance(60_000);
    const later = house.logs.filter(({ message }) => message === 'the journal cannot be written').length;
    expect(before).toBeLessThan(40);
    expect(later).toBeGreaterThan(50);
    expect(later).toBeLessThanOrEqual(61);
  });

  test('revokes all the same, and writes everything once it can', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, 'a');
    house.disk.broken = true;
    void agent.stop(taskId('a'), me, 0);
    await house.clock.advance(5000);
    expect(house.vault.model.leases.size).toBe(0);
    expect(house.files.tasks()).toEqual([]);
    house.disk.broken = false;
    await house.clock.advance(5000);
    expect(house.facts('a').at(-1)).toBe('grant.closed');
  });

  test('refuses a start, and who asks for the same meanwhile is told too', async () => {
    const house = new House();
    const agent = await house.agent();
    house.disk.broken = true;
    const start = () => agent.start(taskId('a'), { profile: WORK, params: {} }, 'd', me);
    const both = Promise.allSettled([start(), start(), agent.hold(taskId('a'), me)]);
    await house.clock.advance(1000);
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(house.vault.model.leases.size).toBe(0);
    house.disk.broken = false;
    expect(await house.start(agent, 'a')).toMatchObject({ state: 'active' });
  });
});
