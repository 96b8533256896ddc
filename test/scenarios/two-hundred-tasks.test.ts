// Bar 2: two hundred tasks, sixteen at a time, over three profiles and three engines, leave nothing: no
// role in PostgreSQL, no lease and no task token in Vault, no file; each has a receipt that proves it.
// The same while their profiles change every few seconds and some leases come to their max TTL: each task is rotated.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loginOf, refused } from '../harness/file-login.ts';
import { inRound } from '../harness/rotations.ts';
import { certificate, database, oneTimePassword } from '../harness/sample-profiles.ts';
import { expectProved, showTask, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROFILES = ['database', 'certificate', 'one-time-password'] as const;
const TASKS = Array.from({ length: 200 }, (_, n) => ({ id: `t-${n}`, profile: PROFILES[n % 3]! }));

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

/** At the very end, not a moment later: an answer "closed" means that it is so. */
const expectNothing = async (): Promise<void> => {
  expect(await world.pgRoles()).toEqual([]);
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);
  expect(world.taskDirs()).toEqual([]);
};

test('200 tasks, 16 at a time, leave nothing behind and a proof for every lease', async () => {
  const receipts = await inParallel(TASKS, 16, async ({ id, profile }) => {
    const answer = await startTask(world, id, profile);
    expect(answer.leases).toHaveLength(1);
    expect(await world.file(id, answer.files[0])).not.toBe('');
    return stopTask(world, id);
  });

  await expectNothing();
  receipts.forEach((receipt, n) => {
    expect(receipt).toMatchObject({ task: TASKS[n]!.id, profile: TASKS[n]!.profile, outcome: 'completed' });
    expectProved(receipt, 1);
  });
  for (const { id } of TASKS.slice(0, 6)) {
    const again = await world.api('GET', `/v1/tasks/${id}/receipt`);
    expect(again.body).toEqual(receipts.find(({ task }) => task === id));
  }
}, 240_000);

/** Every two seconds in another plan, which rotates each living task of theirs. */
const RELOADED = { database, certificate, 'one-time-password': oneTimePassword };
const RELOAD_MS = 2_000;

test('200 tasks whose profiles change and whose leases come to their max TTL while they live leave nothing either, and no file is ever missing or refused', async () => {
  let running = true;
  let rounds = 0;
  const reload = async (): Promise<void> => {
    while (running) {
      rounds += 1;
      for (const [name, body] of Object.entries(RELOADED)) {
        await world.writeProfile(name, inRound(body, 1, rounds));
      }
      await pause(RELOAD_MS);
    }
  };
  const reloading = reload();

  let logins = 0;
  const spoiled: string[] = [];
  const look = async (task: string, profile: string, file: string): Promise<void> => {
    try {
      if ((await world.file(task, file)) === '') spoiled.push(`${task}: ${file} is empty`);
      if (profile !== 'keeping' && profile !== 'database') return;
      const readAt = performance.now();
      const login = await loginOf(world, task);
      if (await refused(world, readAt, login)) spoiled.push(`${task}: ${login.username} is refused`);
      logins += 1;
    } catch (error) {
      spoiled.push(`${task}: ${(error as Error).message}`);
    }
  };
  // Nobody rewrites the profile `keeping`: its leases end.
  const profileOf = (n: number): string => (n % 20 === 0 ? 'keeping' : PROFILES[n % 3]!);
  const receipts = await inParallel(TASKS, 16, async ({ id }, n) => {
    const task = `rotated-${id}`;
    const profile = profileOf(n);
    const answer = await startTask(world, task, profile);
    await until(`${task} of ${profile} is rotated`, async () => {
      await look(task, profile, answer.files[0]);
      return (await showTask(world, task)).generation > 1;
    });
    return stopTask(world, task);
  });
  running = false;
  await expectNothing();
  await reloading;

  expect(spoiled).toEqual([]);
  receipts.forEach((receipt, n) => {
    expect(receipt).toMatchObject({ profile: profileOf(n), outcome: 'completed' });
    expect(receipt.leases.length, receipt.task).toBeGreaterThanOrEqual(2);
    expectProved(receipt, receipt.leases.length);
  });
  const leases = receipts.reduce((sum, { leases }) => sum + leases.length, 0);
  console.log(`${leases} leases of ${TASKS.length} tasks, ${rounds} reloads, ${logins} logins`);
}, 400_000);

test('no two living tasks share a token, a lease, a directory or a credential', async () => {
  const ids = Array.from({ length: 12 }, (_, n) => `live-${n}`);
  const answers = await Promise.all(ids.map((id) => startTask(world, id, 'database')));
  expect(new Set(answers.map(({ dir }) => dir)).size).toBe(12);
  expect(new Set(await Promise.all(ids.map((id) => world.file(id, 'db.password')))).size).toBe(12);
  expect(await world.vaultLeases()).toHaveLength(12);
  const tokens = await world.taskTokens();
  expect(tokens).toHaveLength(12);
  for (const token of tokens) {
    expect(token).toMatchObject({
      policies: ['tasklease-report-read'],
      type: 'service',
      orphan: false,
    });
    expect(token.renewable).not.toBe(true);
    expect(token.ttl).toBeLessThanOrEqual(600);
  }
  await Promise.all(ids.map((id) => stopTask(world, id)));
  await world.untilNothingLeft(1_000);
});
