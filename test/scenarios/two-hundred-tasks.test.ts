// Bar 2: two hundred tasks, sixteen at a time, over three profiles and three engines, leave nothing: no
// role in PostgreSQL, no lease and no task token in Vault, no file; each has a receipt that proves it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROFILES = ['database', 'certificate', 'one-time-password'] as const;
const TASKS = Array.from({ length: 200 }, (_, n) => ({ id: `t-${n}`, profile: PROFILES[n % 3]! }));

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test('200 tasks, 16 at a time, leave nothing behind and a proof for every lease', async () => {
  const receipts = await inParallel(TASKS, 16, async ({ id, profile }) => {
    const answer = await startTask(world, id, profile);
    expect(answer.leases).toHaveLength(1);
    expect(await world.file(id, answer.files[0])).not.toBe('');
    return stopTask(world, id);
  });

  // At the very end, not a moment later: an answer "closed" means that it is so.
  expect(await world.pgRoles()).toEqual([]);
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);
  expect(world.taskDirs()).toEqual([]);
  receipts.forEach((receipt, n) => {
    expect(receipt).toMatchObject({ task: TASKS[n]!.id, profile: TASKS[n]!.profile, outcome: 'completed' });
    expectProved(receipt, 1);
  });
  for (const { id } of TASKS.slice(0, 6)) {
    const again = await world.api('GET', `/v1/tasks/${id}/receipt`);
    expect(again.body).toEqual(receipts.find(({ task }) => task === id));
  }
}, 240_000);

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
