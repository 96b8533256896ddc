// Tells what a workload sees of five hundred rotations: a reader that opens the files in a loop never finds one
// missing, never a mixture of two generations, never a login that PostgreSQL refuses. Rotations are forced by
// profiles that change while the tasks live.

import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { refused } from '../harness/file-login.ts';
import { rotating } from '../harness/sample-profiles.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const TASKS = 50;
const ROTATIONS = 500;

/** Leases that live long enough for the reload to be the only reason to rotate. */
const stable = (round: number) => ({
  ...rotating,
  vault: { policies: ['tasklease-report-read'] },
  secrets: {
    db: {
      path: 'database/creds/report',
      files: {
        'db.json': { format: 'json' },
        'db.env': { format: 'dotenv', fields: { PGUSER: 'username', PGPASSWORD: 'password' } },
        [`round-${round}`]: { format: 'raw', field: 'username' },
      },
    },
  },
});

let world: World;
beforeAll(async () => {
  world = await createWorld({ profiles: { stable: stable(0) } });
});
afterAll(() => world?.close());

interface Look {
  readonly readAt: number;
  readonly generation: string;
  readonly login: { username: string; password: string };
}

/** One look of a careful reader: it resolves `current` once and reads everything from there. */
async function look(task: string): Promise<Look> {
  const readAt = performance.now();
  const generation = await realpath(join(world.paths.secrets, task, 'current'));
  const [json, env] = await Promise.all([
    readFile(join(generation, 'db.json'), 'utf8'),
    readFile(join(generation, 'db.env'), 'utf8'),
  ]);
  const login = JSON.parse(json);
  expect(env).toContain(login.username);
  expect(env).toContain(login.password);
  return { readAt, generation, login };
}

test('500 rotations: no missing file, no mixture, no login that PostgreSQL refuses', async () => {
  const tasks = Array.from({ length: TASKS }, (_, n) => `reader-${n}`);
  await inParallel(tasks, 8, (task) => startTask(world, task, 'stable'));

  let reading = true;
  let looks = 0;
  let logins = 0;
  const seen = new Map(tasks.map((task) => [task, new Set<string>()]));
  const reader = async (own: readonly string[]): Promise<void> => {
    while (reading) {
      for (const task of own) {
        const { readAt, generation, login } = await look(task);
        // The plain path, as most workloads read it: whatever it shows is there.
        await readFile(join(world.paths.secrets, task, 'current', 'db.json'));
        looks += 1;
        if (seen.get(task)!.has(generation) && looks % 50 > 0) continue;
        seen.get(task)!.add(generation);
        logins += 1;
        expect(await refused(world, readAt, login)).toBe(false);
      }
    }
  };
  const readers = [0, 1, 2, 3].map((lane) => reader(tasks.filter((_, n) => n % 4 === lane)));

  const generations = async (): Promise<number[]> =>
    (await world.api('GET', '/v1/tasks')).body.tasks.map(
      ({ generation }: { generation: number }) => generation,
    );
  const stuck = Promise.race(readers);
  for (let round = 1; round <= ROTATIONS / TASKS; round += 1) {
    await world.writeProfile('stable', stable(round));
    const rotated = until(
      `every task shows generation ${round + 1}`,
      async () => (await generations()).every((generation) => generation > round),
      120_000,
    );
    await Promise.race([rotated, stuck]);
  }
  reading = false;
  await Promise.all(readers);
  console.log(`${looks} looks, ${logins} logins, ${ROTATIONS} rotations`);
  expect(looks).toBeGreaterThan(ROTATIONS);

  await inParallel(tasks, 8, async (task) =>
    expectProved(await stopTask(world, task), ROTATIONS / TASKS + 1),
  );
  await world.untilNothingLeft();
}, 300_000);

test('a lease that no renewal prolongs is replaced before it ends, again and again, until the task is stopped', async () => {
  await startTask(world, 'long-run', 'rotating');
  const logins = new Set<string>();
  const spoiled: string[] = [];
  await until(
    'four generations were in use',
    async () => {
      try {
        const { readAt, login } = await look('long-run');
        if (await refused(world, readAt, login)) spoiled.push(`${login.username} is refused`);
        logins.add(login.username);
      } catch (error) {
        spoiled.push((error as Error).message);
      }
      return logins.size >= 4;
    },
    60_000,
  );
  expect(spoiled).toEqual([]);
  expect((await world.pgRoles()).length).toBeLessThanOrEqual(2);
  const receipt = await stopTask(world, 'long-run');
  for (const lease of receipt.leases) expect(lease).toMatchObject({ proof: 'revoked' });
  expect(receipt.leases.length).toBeGreaterThanOrEqual(4);
  await world.untilNothingLeft();
}, 120_000);
