// Owns what a caller is refused because it could not be put on record: an extension has not happened, and does not happen
// later either, when the journal can be written again.

import { expect, test } from 'vitest';
import { caller } from '../domain/samples.ts';
import { House, taskId, work } from './house.ts';

const me = caller();
const admin = caller({ admin: true, uid: 0 });
const TASK = taskId('a');
const UNWRITABLE = { code: 'JOURNAL_UNWRITABLE' };
const ttl = { defaultMs: 60_000, maxMs: 3_600_000, graceMs: 0, extend: true };

test('an extension that was refused does not move the deadline: the task ends when it was to end', async () => {
  const house = new House();
  const agent = await house.agent([work({ ttl })]);
  const { deadline } = await house.start(agent, TASK);
  house.disk.broken = true;
  await expect(agent.extend(TASK, 600_000, me)).rejects.toMatchObject(UNWRITABLE);
  house.disk.broken = false;
  await house.clock.advance(5000);
  expect(agent.get(TASK, me)).toMatchObject({ state: 'active', deadline });
  await house.clock.advance(60_000);
  expect(agent.get(TASK, me)).toMatchObject({ state: 'closed', outcome: 'expired' });
});

test('a stop that is neither on record nor done is not answered as if it were; it is driven on all the same', async () => {
  const house = new House();
  const agent = await house.agent();
  await house.start(agent, TASK);
  house.disk.broken = true;
  house.files.stuck = true;
  const stopped = agent.stop(TASK, me, 0);
  await Promise.all([expect(stopped).rejects.toMatchObject(UNWRITABLE), house.clock.advance(50)]);
  house.files.stuck = false;
  await house.clock.advance(2000);
  expect(house.files.tasks()).toEqual([]);
  house.disk.broken = false;
  await house.clock.advance(20_000);
  expect(agent.get(TASK, me)).toMatchObject({ state: 'closed', outcome: 'completed' });
});

test('a stop whose file is gone is answered, on record or not: an agent after this one sees that', async () => {
  const house = new House();
  const agent = await house.agent();
  await house.start(agent, TASK);
  house.disk.broken = true;
  const stopped = agent.stop(TASK, me, 0);
  await house.clock.advance(50);
  expect(await stopped).toMatchObject({ pending: { state: 'stopping', dir: null } });
});

test('a proof whose abandonment was refused is not given up', async () => {
  const house = new House();
  const agent = await house.agent();
  await house.start(agent, TASK);
  house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
  await Promise.all([agent.stop(TASK, me, 0), house.clock.advance(1000)]);
  house.disk.broken = true;
  await expect(agent.abandon(TASK, 'in a hurry', admin)).rejects.toMatchObject(UNWRITABLE);
  house.disk.broken = false;
  house.vault.fault = () => null;
  await house.clock.advance(30_000);
  expect(house.facts(TASK)).not.toContain('revocation.abandoned');
  expect(agent.get(TASK, me)).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
});

test('the token of an abandoned revocation is not asked for again before the time that Vault named', async () => {
  const house = new House();
  const agent = await house.agent();
  await house.start(agent, TASK);
  house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
  await Promise.all([agent.stop(TASK, me, 0), house.clock.advance(1000)]);
  const asked: number[] = [];
  house.vault.fault = (verb) => {
    if (verb !== 'revokeToken') return null;
    asked.push(house.clock.at);
    return asked.length === 1 ? 30_000 : null;
  };
  await agent.abandon(TASK, 'its engine is deleted', admin);
  await house.clock.advance(60_000);
  expect(asked).toHaveLength(2);
  expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(30_000);
});
