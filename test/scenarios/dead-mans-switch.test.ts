// Bar 5: while the agent lives, a task keeps its role for longer than the leash; once the agent is dead and
// stays dead, Vault itself drops the role within leash + 5 s. The same for a task that is rotated every few seconds, by
// a profile that changes, and that has two generations when the agent dies.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fileLogsIn, loginOf } from '../harness/file-login.ts';
import { inRound, letIn, overlapping, rotate } from '../harness/rotations.ts';
import { database } from '../harness/sample-profiles.ts';
import { startTask } from '../harness/tasks.ts';
import { pause, untilEmpty } from '../harness/until.ts';
import type { Login } from '../harness/vault-audit.ts';
import { createWorld, type World } from '../harness/world.ts';

const LEASH_MS = 10_000;

const reloaded = (round: number) => inRound(database, 1, round);

let world: World;
beforeAll(async () => {
  world = await createWorld({ leash: '10s', profiles: { reloaded: reloaded(0) } });
});
afterAll(() => world?.close());

/** The agent dies and stays dead for the leash; a next one finds `task`. */
const expectEndedByVault = async (task: string, logins: readonly Login[]): Promise<void> => {
  await world.agent.kill9();
  await untilEmpty('Vault drops every role within leash + 5 s', world.pgRoles, LEASH_MS + 5_000);
  expect(await letIn(world, logins)).toEqual(logins.map(() => false));
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);

  // Found by the next agent, it is closed and its files are gone.
  await world.agent.start();
  expect(world.taskDirs()).toEqual([]);
  await untilEmpty('the task is closed', async () => {
    const reply = await world.api('GET', `/v1/tasks/${task}`);
    return reply.body.state === 'closed' ? [] : [reply.body];
  });
};

test('a task outlives the leash with its agent, and not without', async () => {
  await startTask(world, 'long-runner', 'database');
  const login = await loginOf(world, 'long-runner');

  // Longer than two leashes: one renewal more than luck.
  const until = performance.now() + 2.2 * LEASH_MS;
  while (performance.now() < until) {
    expect(await world.pgRoles()).toEqual([login.username]);
    await pause(500);
  }
  expect(await letIn(world, [login])).toEqual([true]);
  expect((await world.api('GET', '/v1/tasks/long-runner')).body).toMatchObject({ state: 'active' });

  await expectEndedByVault('long-runner', [login]);
}, 120_000);

test('a task that is rotated every few seconds outlives the leash with its agent, and neither of two generations does without', async () => {
  await startTask(world, 'rotated', 'reloaded');
  // Longer than the leash.
  const until = performance.now() + 1.2 * LEASH_MS;
  let round = 1;
  for (; performance.now() < until; round += 1) {
    await rotate(world, 'rotated', 'reloaded', reloaded(round));
    expect(await fileLogsIn(world, 'rotated')).toBe(true);
    await pause(1_500);
  }
  await untilEmpty('the last superseded role is dropped', async () => (await world.pgRoles()).slice(1));

  const before = await loginOf(world, 'rotated');
  await rotate(world, 'rotated', 'reloaded', overlapping(round));
  const logins = [before, await loginOf(world, 'rotated')];
  expect(await letIn(world, logins)).toEqual([true, true]);
  await expectEndedByVault('rotated', logins);
}, 120_000);
