// Owns the order of an end at Vault and what counts as its proof: leases first and synchronously, the token only after all
// of them, the look-up last; a Vault that says "done" and still knows the lease is not believed.

import { describe, expect, test } from 'vitest';
import { caller } from '../domain/samples.ts';
import { House, taskId, work } from './house.ts';

const me = caller();
const TASK = taskId('a');

async function working() {
  const house = new House();
  const agent = await house.agent();
  await house.start(agent, TASK);
  const asked: string[] = [];
  house.vault.fault = (verb) => {
    asked.push(verb);
    return null;
  };
  const stop = async (waitMs: number) => {
    const stopped = agent.stop(TASK, me, waitMs);
    await house.clock.advance(Math.max(waitMs, 1000));
    return stopped;
  };
  const token = () => [...house.vault.model.tokens.values()].find(({ meta }) => meta.task === TASK);
  return { house, agent, asked, stop, token };
}

describe('an end', () => {
  test('asks in this order: known, revoke the lease, revoke the token, known still', async () => {
    const { asked, stop } = await working();
    expect(await stop(1000)).toMatchObject({ receipt: { leases: [{ proof: 'revoked' }] } });
    expect(asked).toEqual(['lookupLease', 'revokeLease', 'revokeToken', 'lookupLease', 'lookupToken']);
  });

  test('keeps the token while a lease under it cannot be revoked: its own revocation would be lazy', async () => {
    const { house, agent, stop, token } = await working();
    house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
    expect(await stop(1000)).toMatchObject({ pending: { state: 'stopping' } });
    await house.clock.advance(30_000);
    expect(token()).toBeDefined();
    house.vault.fault = () => null;
    await house.clock.advance(16_000);
    expect(token()).toBeUndefined();
    expect(agent.get(TASK, me)).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
  });

  test('does not believe a Vault that says done and still knows the lease', async () => {
    const { house, agent, stop } = await working();
    const revoke = house.vault.revokeLease.bind(house.vault);
    const revokeToken = house.vault.revokeToken.bind(house.vault);
    house.vault.revokeLease = async () => {};
    house.vault.revokeToken = async () => {};
    expect(await stop(5000)).toMatchObject({
      pending: { state: 'stopping', reason: { code: 'VAULT_CONTRACT' } },
    });
    house.vault.revokeLease = revoke;
    house.vault.revokeToken = revokeToken;
    await house.clock.advance(16_000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'closed' });
  });

  test('calls what a restored Vault does not know unproved, and revokes the token all the same', async () => {
    const { house, stop, token } = await working();
    house.vault.model.leases.clear();
    expect(await stop(1000)).toMatchObject({ receipt: { leases: [{ proof: 'unproved' }] } });
    expect(token()).toBeUndefined();
  });

  test('of a superseded generation leaves the one in use alone', async () => {
    const { house, agent, asked } = await working();
    const before = [...house.vault.model.leases.keys()];
    agent.profiles.put(work({ overlapMs: 1000 }));
    await house.clock.advance(5000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'active', generation: 2 });
    expect(house.vault.model.leases.size).toBe(1);
    expect([...house.vault.model.leases.keys()]).not.toEqual(before);
    expect(house.files.generations(TASK)).toEqual([2]);
    expect(asked.filter((verb) => verb === 'revokeToken')).toHaveLength(1);
  });
});

describe('a renewal', () => {
  test('that waited for a session until the task was stopped is not sent', async () => {
    const secrets = [
      {
        name: 'db',
        path: 'database/creds/short',
        method: 'read',
        files: [{ name: 'db.json', format: 'json' }],
      },
    ] as const;
    const house = new House();
    await house.start(await house.agent([work({ secrets })]), TASK);
    house.kill();
    await house.clock.advance(45_000);
    house.vault.latency = (verb) => (verb.endsWith('Session') ? [0, 2000] : [0, 0]);
    const asked: string[] = [];
    house.vault.fault = (verb) => {
      asked.push(verb);
      return null;
    };
    const agent = await house.agent([work({ secrets })]);
    await house.clock.advance(500);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'active' });
    void agent.stop(TASK, me, 0);
    await house.clock.advance(10_000);
    expect(agent.get(TASK, me)).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
    expect(asked).not.toContain('renewLease');
  });
});

describe('an agent that leaves its tasks to the next', () => {
  test('waits for what is being issued, and revokes nothing', async () => {
    const { house, agent } = await working();
    await house.clock.advance(2000);
    house.vault.latency = (verb) => (verb === 'readSecret' ? [0, 800] : [0, 0]);
    agent.profiles.put(work({ overlapMs: 1000 }));
    await house.clock.advance(100);
    let ended = false;
    const closing = agent.close(20_000, true).then((left) => {
      ended = true;
      return left;
    });
    await house.clock.advance(300);
    expect(ended).toBe(false);
    await house.clock.advance(2000);
    expect(await closing).toBe(0);
    expect(house.files.shown(TASK)).toBe(2);
    const next = await house.agent([work({ overlapMs: 1000 })]);
    await house.clock.advance(5000);
    expect(next.get(TASK, me)).toMatchObject({ state: 'active', generation: 2 });
    expect(house.vault.model.leases.size).toBe(1);
  });

  test('or revokes all of them, and its session with them', async () => {
    const { house, agent } = await working();
    const closing = agent.close(20_000);
    await house.clock.advance(5000);
    expect(await closing).toBe(0);
    expect(house.vault.model.leases.size).toBe(0);
    expect(house.vault.model.tokens.size).toBe(0);
  });

  test('tells how many it could not prove, and leaves its session for them', async () => {
    const { house, agent } = await working();
    house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
    const closing = agent.close(3000);
    await house.clock.advance(4000);
    expect(await closing).toBe(1);
    expect(house.sessionStore.load()).toHaveLength(1);
  });
});
