// Bar 1 of the deployment: up, fifty tasks from the workload's container, kill -9 of each container in turn, down.
// Nothing is left in PostgreSQL, in Vault and in volumes.
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until, untilEmpty } from '../harness/until.ts';
import { Deployment } from './deployment.ts';
import { standing } from './profiles.ts';

const TASKS = 50;

let box: Deployment;
beforeAll(async () => {
  box = await Deployment.open({ leash: 60, profiles: { standing: standing() } });
  await box.up();
  await box.startWorkload();
}, 900_000);
afterAll(() => box?.close());

const start = (first: number, last: number): Promise<string> =>
  box.sh(`for n in $(seq ${first} ${last}); do tasklease.sh start --profile standing --task bar-$n; done`);

const active = async (): Promise<number> =>
  (await box.api('GET', '/v1/tasks')).body.tasks.filter(({ state }: { state: string }) => state === 'active')
    .length;

test('fifty tasks, each container killed with -9 in turn, down: nothing is left', async () => {
  await start(1, TASKS);
  expect(await active()).toBe(TASKS);
  expect(await box.pgRoles()).toHaveLength(TASKS);

  await box.kill9('workload');
  await box.removeWorkload();
  await box.startWorkload();
  expect(await active()).toBe(TASKS);

  await box.kill9('agent');
  await box.healthy();
  expect(await active()).toBe(TASKS);

  // Stops are asked for while PostgreSQL is away, and later while Vault is: they are proved all the same.
  await box.kill9('postgres');
  await box.sh(
    'for n in $(seq 1 10); do tasklease.sh stop bar-$n --wait 0s >/dev/null || [ $? -eq 4 ]; done',
  );
  await until('the stops are proved once PostgreSQL is back', async () => (await active()) === TASKS - 10);
  await untilEmpty('roles of stopped tasks', async () => (await box.pgRoles()).slice(TASKS - 10));

  await box.kill9('vault');
  await box.sh(
    'for n in $(seq 11 20); do tasklease.sh stop bar-$n --wait 0s >/dev/null || [ $? -eq 4 ]; done',
  );
  await box.compose('run', '-T', '--rm', 'setup'); // the restarted Vault is sealed
  await untilEmpty('roles of stopped tasks', async () => (await box.pgRoles()).slice(TASKS - 20));
  expect(await active()).toBe(TASKS - 20);

  await box.compose('stop', 'agent');
  expect(await box.vaultLeases()).toEqual([]);
  expect(await box.taskTokens()).toEqual([]);
  expect(await box.pgRoles()).toEqual([]);
  expect(readdirSync(await box.volume('secrets'))).toEqual([]);
  await box.removeWorkload();
  await box.down();
  expect(await box.left()).toEqual([]);
}, 300_000);
