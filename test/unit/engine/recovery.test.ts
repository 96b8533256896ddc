// Owns the verdicts on the tasks of an agent before: taken over when process, deadline, profile, parent and files are in
// order, and then no workload notices; ended otherwise, and then no file of them is left when callers may come.

import { describe, expect, test } from 'vitest';
import type { ProfileName } from '../../../src/domain/ids.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import { caller } from '../domain/samples.ts';
import { House, LEASH_MS, taskId, WORK, work } from './house.ts';

const TASK = 'build-1';
const CHILD = 'child' as ProfileName;
const SHORT = [
  { name: 'db', path: 'database/creds/short', method: 'read', files: [{ name: 'db.json', format: 'json' }] },
] as const;
const profiles = (overrides: Partial<Profile> = {}) => [work(overrides), work({ name: CHILD, children: [] })];

/** A house whose agent was killed while the task worked, bound to process 42. */
async function orphaned(bind: { pid: number } | { connection: true } = { pid: 42 }): Promise<House> {
  const house = new House();
  house.liveness.spawn(42, 1000);
  const agent = await house.agent();
  await house.start(agent, TASK, { bind });
  house.kill();
  return house;
}

const stateOf = (agent: Awaited<ReturnType<House['agent']>>, task = TASK) =>
  agent.get(taskId(task), caller());

describe('a task of an earlier agent, everything in order', () => {
  test('is taken over: the same generation, lease, token and file, and nothing is asked of Vault for it', async () => {
    const house = await orphaned();
    const leases = [...house.vault.model.leases.keys()];
    const file = house.files.read(taskId(TASK), 'db.json');
    await house.clock.advance(20_000);
    const agent = await house.agent();
    expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 1, files: ['db.json'] });
    await house.clock.advance(60_000);
    expect([...house.vault.model.leases.keys()]).toEqual(leases);
    expect(house.files.read(taskId(TASK), 'db.json')).toBe(file);
    expect(house.facts(TASK)).toContain('grant.adopted');
  });

  test.each([3_600_000, -3_600_000])(
    'is taken over although the wall clock was set by %d ms meanwhile',
    async (ms) => {
      const house = await orphaned();
      house.clock.jumpWall(ms);
      const agent = await house.agent();
      await house.clock.advance(LEASH_MS);
      expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 1 });
    },
  );

  test('keeps the session above it alive as long as it lives, and not longer', async () => {
    const house = await orphaned();
    const above = [...house.vault.model.tokens.values()].find(
      ({ parent, periodMs }) => parent === null && periodMs,
    )!;
    const agent = await house.agent();
    await house.clock.advance(LEASH_MS * 1.5);
    expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 1 });
    expect(house.vault.model.tokens.has(above.accessor)).toBe(true);
    const stopped = agent.stop(taskId(TASK), caller(), 10_000);
    await house.clock.advance(1000);
    expect(await stopped).toMatchObject({ receipt: { leases: [{ proof: 'revoked' }] } });
    expect(house.vault.model.tokens.has(above.accessor)).toBe(false);
  });

  test('is still bound: when its process ends, it stops', async () => {
    const house = await orphaned();
    const agent = await house.agent();
    house.liveness.kill(42);
    await house.clock.advance(1000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'lost' });
  });

  test('still ends at its deadline', async () => {
    const house = await orphaned();
    const agent = await house.agent();
    await house.clock.advance(620_000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'expired' });
  });

  test('bound to a connection has ten seconds to come back', async () => {
    const house = await orphaned({ connection: true });
    const agent = await house.agent();
    await house.clock.advance(9000);
    expect(stateOf(agent)).toMatchObject({ state: 'active' });
    await house.clock.advance(2000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'lost' });
  });

  test('and a connection that came back holds it', async () => {
    const house = await orphaned({ connection: true });
    const agent = await house.agent();
    await house.clock.advance(9000);
    await agent.hold(taskId(TASK), caller());
    await house.clock.advance(60_000);
    expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 1 });
  });

  test('under a changed profile is rotated to what it says now', async () => {
    const house = await orphaned();
    const agent = await house.agent(profiles({ description: 'x', overlapMs: 2000 }));
    await house.clock.advance(2000);
    expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 2 });
  });

  test('whose session no store has kept is rotated under the new one', async () => {
    const house = await orphaned();
    house.sessionStore.save([]);
    const agent = await house.agent();
    await house.clock.advance(40_000);
    expect(stateOf(agent)).toMatchObject({ state: 'active', generation: 2 });
    expect(house.vault.model.leases.size).toBe(1);
  });
});

/** Vault was away until the credential of TASK ended, and its files were taken away. */
async function withdrawn() {
  const house = new House();
  const first = await house.agent([work({ secrets: SHORT })]);
  await house.start(first, TASK);
  house.vault.fault = () => 'unreachable';
  await house.clock.advance(62_000);
  expect(first.get(taskId(TASK), caller())).toMatchObject({ dir: null });
  return { house, first };
}

describe('a task of an earlier agent is ended', () => {
  test.each<[string, (house: House) => unknown, Partial<Profile>, string]>([
    ['its process ended', ({ liveness }) => liveness.kill(42), {}, 'not a running process'],
    [
      'its process ended and another has its pid',
      ({ liveness }) => {
        liveness.kill(42);
        liveness.spawn(42, 1000);
      },
      {},
      'another one now',
    ],
    [
      'no agent ran for longer than the leash',
      ({ clock }) => clock.advance(LEASH_MS + 5000),
      {},
      'longer than the leash',
    ],
    ['its file was removed', ({ files }) => files.erase(taskId(TASK)), {}, 'its files are not as they were'],
    [
      'the machine was restarted',
      (house) => {
        house.boot = 'boot-2';
      },
      {},
      'the machine was restarted',
    ],
    [
      'its profile does not allow its uid any more',
      () => {},
      { allow: { uids: [1], gids: [] } },
      'may not start profile',
    ],
    [
      'its profile needs a parameter that it does not have',
      () => {},
      { params: { x: { optional: false } } },
      'params.x is missing',
    ],
    ['its profile is not there', () => {}, { name: 'other' as ProfileName }, 'there is no profile work'],
  ])('where %s', async (_case, happens, changed, why) => {
    const house = await orphaned();
    await happens(house);
    await house.agent(profiles(changed));
    expect(house.files.tasks()).toEqual([]);
    const stopping = house.disk.lines
      .map(({ fact }) => JSON.parse(fact))
      .find(({ type }) => type === 'grant.stopping');
    expect(stopping).toMatchObject({ reason: 'failed', detail: expect.stringContaining(why) });
    expect(house.facts(TASK)).not.toContain('grant.adopted');
    await house.clock.advance(60_000);
    expect(house.vault.model.leases.size).toBe(0);
    const tokens = [...house.vault.model.tokens.values()].filter(({ meta }) => meta.task === TASK);
    expect(tokens).toEqual([]);
  });

  test('where the journal is damaged: nothing can be recorded, all that it still names is revoked', async () => {
    const house = await orphaned();
    house.disk.damaged = 'page 7 is torn';
    const agent = await house.agent();
    expect(house.files.tasks()).toEqual([]);
    await house.clock.advance(60_000);
    expect(house.vault.model.leases.size).toBe(0);
    expect(agent.notReady()).toEqual([expect.objectContaining({ code: 'JOURNAL_UNWRITABLE' })]);
    await expect(house.start(agent, 'new')).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  });

  test('where its deadline passed: expired, as it would have been', async () => {
    const house = new House();
    await house.start(await house.agent(), TASK, { durationMs: 60_000 });
    house.kill();
    await house.clock.advance(76_000);
    const agent = await house.agent();
    expect(house.files.tasks()).toEqual([]);
    await house.clock.advance(20_000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'expired' });
    expect(house.facts(TASK)).not.toContain('grant.adopted');
  });

  test('but not where its files had been withdrawn: it gets the next credential', async () => {
    const { house } = await withdrawn();
    house.kill();
    house.vault.fault = () => null;
    const agent = await house.agent([work({ secrets: SHORT })]);
    await house.clock.advance(5000);
    expect(stateOf(agent)).toMatchObject({ state: 'active', files: ['db.json'] });
    await house.clock.advance(10_000);
    expect(house.vault.model.leases.size).toBe(1);
  });

  test('where its files had been withdrawn and it was stopped while no journal could be written', async () => {
    const { house, first } = await withdrawn();
    house.disk.broken = true;
    await first.revokeAll(0);
    house.kill();
    house.disk.broken = false;
    house.vault.fault = () => null;
    const agent = await house.agent([work({ secrets: SHORT })]);
    await house.clock.advance(30_000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'failed' });
    expect(house.facts(TASK)).not.toContain('grant.adopted');
    expect(house.vault.model.leases.size).toBe(0);
  });

  test('where the machine was restarted, also when its files had been withdrawn: all that it ran in is gone', async () => {
    const { house } = await withdrawn();
    house.kill();
    house.boot = 'boot-2';
    house.clock.jumpWall(-30_000);
    house.vault.fault = () => null;
    const agent = await house.agent([work({ secrets: SHORT })]);
    await house.clock.advance(30_000);
    expect(stateOf(agent)).toMatchObject({ state: 'closed', outcome: 'failed' });
    expect(house.facts(TASK)).not.toContain('grant.adopted');
  });

  test('where it had only started: nothing of it is left, and its id may be used again', async () => {
    const house = new House();
    house.vault.fault = (verb) => (verb === 'readSecret' ? 'silent' : null);
    const first = await house.agent();
    const lost = first.start(taskId(TASK), { profile: WORK, params: {} }, 'digest', caller());
    lost.catch(() => {});
    await house.clock.advance(10);
    house.kill();
    house.vault.fault = () => null;
    const agent = await house.agent();
    await house.clock.advance(20_000);
    expect([...house.vault.model.tokens.values()].filter(({ meta }) => meta.task === TASK)).toEqual([]);
    expect(await house.start(agent, TASK)).toMatchObject({ state: 'active' });
  });

  test('where it was stopping: the proof goes on', async () => {
    const house = new House();
    const first = await house.agent();
    await house.start(first, TASK);
    house.vault.fault = () => 'unreachable';
    void first.stop(taskId(TASK), caller(), 0);
    await house.clock.advance(100);
    house.kill();
    house.vault.fault = () => null;
    const agent = await house.agent();
    await house.clock.advance(30_000);
    expect(stateOf(agent)).toMatchObject({
      state: 'closed',
      outcome: 'completed',
      leases: [{ proof: 'revoked' }],
    });
  });

  test('and files that nobody owns are gone when callers may come', async () => {
    const house = await orphaned();
    house.files.leaveStray('nobody');
    await house.agent();
    expect(house.files.tasks()).toEqual([TASK]);
  });
});
