// Owns the promises of limits.* on a real agent: the uid's own limit decides, a full minute is told with when to
// come back, and an agent that crashes again and again cannot flood Vault. Judged by Vault's own lists.

import { afterEach, expect, test } from 'vitest';
import { otherUser } from '../harness/other-user.ts';
import { database } from '../harness/sample-profiles.ts';
import { expectProblem, startTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

const OTHER = 4711;
const root = process.getuid?.() === 0;
let world: World;

// A world a test: the starts of one would count in the next.
afterEach(() => world?.close());

const limited = async (limits: Record<string, number>): Promise<void> => {
  const allow = { uids: [process.getuid?.() ?? 0, OTHER] };
  world = await createWorld({
    storage: 'file',
    config: { limits },
    profiles: { shared: { ...database, allow } },
  });
};
const start = (task: string) => world.api('PUT', `/v1/tasks/${task}`, { profile: 'shared' });
const seconds = (header: string | undefined): number => {
  expect(header, 'Retry-After').toMatch(/^[1-9]\d*$/);
  return Number(header);
};

test('limits.tasks_per_uid refuses a uid that has its share, and nobody else', async () => {
  await limited({ tasks: 100, tasks_per_uid: 2, starts_per_minute: 100_000 });
  await startTask(world, 'own-1', 'shared');
  await startTask(world, 'own-2', 'shared');
  const reply = await start('own-3');
  expect(expectProblem(reply, 429, 'CAPACITY')).toMatchObject({
    retryable: true,
    detail: expect.stringContaining('2 tasks of this uid'),
    hint: expect.stringContaining('limits.tasks_per_uid'),
  });
  seconds(reply.headers['retry-after']);
  expect(await world.vaultLeases()).toHaveLength(2);
  if (!root) return;
  const others = await otherUser(OTHER, OTHER, [0]).call(world.paths.socket, 'PUT', '/v1/tasks/other-1', {
    profile: 'shared',
  });
  expect(others.status, others.text).toBe(201);
});

test('starts made before kill -9 count after it: a crash loop gets no more leases than limits.starts_per_minute', async () => {
  const most = 3;
  await limited({ tasks: 100, tasks_per_uid: 100, starts_per_minute: most });
  const began = performance.now();
  let started = 0;
  for (let life = 0; life < 5; life += 1) {
    // More than one life may start, so that each that forgets the last one's starts shows.
    for (let n = 0; n < most + 1; n += 1) {
      const reply = await start(`life-${life}-${n}`);
      if (reply.status === 201) {
        started += 1;
        continue;
      }
      expect(expectProblem(reply, 429, 'CAPACITY')).toMatchObject({
        retryable: true,
        hint: expect.stringContaining('limits.starts_per_minute'),
      });
      expect(seconds(reply.headers['retry-after'])).toBeLessThanOrEqual(60 / most);
    }
    await world.agent.kill9();
    await world.agent.start();
  }
  // The minute refills evenly while a slow machine is at it.
  const refilled = Math.floor(((performance.now() - began) / 60_000) * most);
  expect(started).toBeGreaterThanOrEqual(most);
  expect(started, `${refilled} came back meanwhile`).toBeLessThanOrEqual(most + refilled);
  expect(await world.vaultLeases()).toHaveLength(started);
  expect(await world.taskTokens()).toHaveLength(started);
});
