// Owns when a stop is answered: not before the files are gone, or their removal was tried and failed; whatever the task
// was in the middle of.

import { describe, expect, test } from 'vitest';
import { caller } from '../domain/samples.ts';
import { House, taskId, work } from './house.ts';

const me = caller();
const TASK = taskId('a');
const short = work({
  secrets: [
    {
      name: 'db',
      path: 'database/creds/short',
      method: 'read',
      files: [{ name: 'db.json', format: 'json' }],
    },
  ],
});

/** A house whose Vault went away until the lease of its task ended and its files could not be withdrawn. */
async function withdrawing() {
  const house = new House();
  const agent = await house.agent([short]);
  await house.start(agent, TASK);
  house.vault.fault = () => 'unreachable';
  house.files.stuck = true;
  await house.clock.advance(62_000);
  return { house, agent };
}

describe('a stop', () => {
  test('of a task whose files could not be withdrawn is answered when they are gone', async () => {
    const { house, agent } = await withdrawing();
    expect(agent.get(TASK, me)).toMatchObject({ state: 'degraded' });
    expect(house.files.tasks()).toEqual([TASK]);
    house.files.stuck = false;
    house.diskMs = 5;
    const stopped = agent.stop(TASK, me, 0).then(() => house.files.tasks());
    await house.clock.advance(50);
    expect(await stopped).toEqual([]);
  });

  test('whose files cannot be removed is answered all the same, and goes on trying', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, TASK);
    house.files.stuck = true;
    const stopped = agent.stop(TASK, me, 0);
    await house.clock.advance(10);
    expect(await stopped).toMatchObject({
      pending: { state: 'stopping', reason: { code: 'DELIVERY_FAILED' } },
    });
    await house.clock.advance(5000);
    expect(house.vault.model.leases.size).toBe(0);
    house.files.stuck = false;
    await house.clock.advance(20_000);
    expect(house.files.tasks()).toEqual([]);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'closed' });
  });

  test('while a start is under way refuses that start, and nothing is left of it', async () => {
    const house = new House();
    const agent = await house.agent();
    house.vault.latency = () => [200, 200];
    const start = agent.start(TASK, { profile: short.name, params: {} }, 'd', me);
    const refused = expect(start).rejects.toMatchObject({ code: 'TASK_SPENT', retryable: true });
    await house.clock.advance(300);
    void agent.stop(TASK, me, 0);
    await house.clock.advance(10_000);
    await refused;
    expect(house.vault.model.leases.size).toBe(0);
    expect([...house.vault.model.tokens.values()].filter(({ meta }) => meta.task === TASK)).toEqual([]);
  });

  test('of everything waits for the proof as long as it is told to, and says what is pending', async () => {
    const house = new House();
    const agent = await house.agent();
    for (const task of ['x', 'y']) await house.start(agent, task);
    house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
    const all = agent.revokeAll(3000);
    await house.clock.advance(3000);
    expect(await all).toMatchObject([{ pending: { task: 'x' } }, { pending: { task: 'y' } }]);
    house.vault.fault = () => null;
    const again = agent.revokeAll(30_000);
    await house.clock.advance(30_000);
    expect(await again).toMatchObject([
      { receipt: { outcome: 'revoked', leases: [{ proof: 'revoked' }] } },
      { receipt: { outcome: 'revoked', leases: [{ proof: 'revoked' }] } },
    ]);
  });
});

describe('a credential that ended while Vault was away', () => {
  test('is replaced once it is back, and the task is well again', async () => {
    const { house, agent } = await withdrawing();
    house.files.stuck = false;
    house.vault.fault = () => null;
    await house.clock.advance(10_000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'active', files: ['db.json'] });
    expect(house.files.read(TASK, 'db.json')).toContain('CANARY');
    await house.clock.advance(20_000);
    expect(house.vault.model.leases.size).toBe(1);
  });

  test('is not shown any more meanwhile, and given up after half a minute', async () => {
    const { house, agent } = await withdrawing();
    house.files.stuck = false;
    await house.clock.advance(16_000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'degraded', dir: null, files: [] });
    expect(house.files.generations(TASK)).toEqual([]);
    await house.clock.advance(16_000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'stopping', outcome: 'failed' });
    expect(house.files.tasks()).toEqual([]);
  });

  test('is replaced whole, also when its secrets come in the very moment in which the files are withdrawn', async () => {
    const house = new House();
    const agent = await house.agent();
    await house.start(agent, TASK);
    await house.clock.advance(10_000);
    const above = [...house.vault.model.tokens.values()].find(({ periodMs }) => periodMs !== null)!;
    house.vault.model.endToken(above.accessor, 'admin');
    house.vault.latency = (verb) => (verb === 'readSecret' ? [0, 703] : [0, 0]);
    void agent.look();
    await house.clock.advance(695);
    expect(house.facts(TASK).filter((type) => type === 'generation.opened')).toHaveLength(2);
    // Something else is being recorded while the moment to withdraw passes and the secrets arrive.
    house.diskMs = 10;
    void agent.hold(TASK, me);
    await house.clock.advance(200);
    expect(house.facts(TASK)).toContain('files.withdrawn');
    expect(agent.get(TASK, me)).toMatchObject({ state: 'active', generation: 2, files: ['db.json'] });
    expect(house.files.read(TASK, 'db.json')).toContain('CANARY');
  });

  test('giving up is for revocations alone', async () => {
    const { house, agent } = await withdrawing();
    const admin = caller({ admin: true, uid: 0 });
    await expect(agent.abandon(TASK, 'why', admin)).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    void agent.stop(TASK, me, 0);
    house.files.stuck = false;
    await house.clock.advance(20_000);
    const abandoned = agent.abandon(TASK, 'Vault is gone for good', admin);
    await house.clock.advance(10);
    expect(await abandoned).toMatchObject({ receipt: { leases: [{ proof: 'unproved' }] } });
    expect(house.facts(TASK)).toContain('revocation.abandoned');
  });
});
