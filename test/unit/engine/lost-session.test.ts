// Owns what a lost session means for what is being raised under it: a token that was made meanwhile is never spent, and
// what does not hang under it is left alone.

import { expect, test } from 'vitest';
import { caller } from '../domain/samples.ts';
import { House, LEASH_MS, taskId, WORK } from './house.ts';

const me = caller();
const TASK = taskId('a');

/** A start whose token is on its way, and how the agent learns that the session above it has ended. */
async function losing() {
  const house = new House();
  const agent = await house.agent();
  // The last look is old enough for another.
  await house.clock.advance(10_000);
  const reads: string[] = [];
  house.vault.latency = (verb) => (verb === 'createToken' ? [0, 200] : [0, 0]);
  house.vault.fault = (verb, about) => {
    if (verb === 'readSecret') reads.push(about);
    return null;
  };
  const start = agent.start(TASK, { profile: WORK, params: {} }, 'd', me);
  start.catch(() => {});
  await house.clock.advance(190);
  const lose = async () => {
    const above = [...house.vault.model.tokens.values()].find(({ periodMs }) => periodMs !== null)!;
    house.vault.model.endToken(above.accessor, 'admin');
    void agent.look();
    await house.clock.advance(1);
  };
  return { house, agent, reads, start, lose };
}

const REFUSED = { code: 'VAULT_UNREACHABLE', retryable: true };

test('a start whose session is lost while its token is made is refused for now, and spends nothing', async () => {
  const { house, agent, reads, start, lose } = await losing();
  await lose();
  await house.clock.advance(6000);
  await expect(start).rejects.toMatchObject(REFUSED);
  expect(reads).toEqual([]);
  await house.clock.advance(6000);
  house.vault.latency = () => [0, 0];
  expect(await house.start(agent, 'b')).toMatchObject({ state: 'active', generation: 1 });
});

test('so is one whose session is lost while its token is put on record', async () => {
  const { house, reads, start, lose } = await losing();
  house.diskMs = 30;
  await house.clock.advance(15);
  await lose();
  await house.clock.advance(6000);
  await expect(start).rejects.toMatchObject(REFUSED);
  expect(reads).toEqual([]);
});

test('two sessions lost at once mean one new generation, not another right after it', async () => {
  const house = new House();
  await house.start(await house.agent(), 'a');
  await house.start(await house.agent(), 'b');
  const agent = await house.agent();
  for (const { accessor, periodMs } of [...house.vault.model.tokens.values()]) {
    if (periodMs !== null) house.vault.model.endToken(accessor, 'admin');
  }
  await house.clock.advance(LEASH_MS / 4);
  expect(agent.get(TASK, me)).toMatchObject({ state: 'active', generation: 2 });
});
