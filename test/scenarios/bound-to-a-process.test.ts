// Bar 6, first half: a task bound to a process or a connection ends with it, kill -9 included: its file is
// gone and its lease proved gone within one second; both leases, when it was just rotated and both generations live.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loginOf } from '../harness/file-login.ts';
import { letIn, overlapping, rotate } from '../harness/rotations.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import type { Login } from '../harness/vault-audit.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROMISED_MS = 1_000;

let world: World;
const workloads: ChildProcess[] = [];
beforeAll(async () => {
  world = await createWorld({ profiles: { overlapping: overlapping(0) } });
});
afterEach(() => {
  for (const workload of workloads.splice(0)) workload.kill('SIGKILL');
});
afterAll(() => world?.close());

const workload = (): ChildProcess & { pid: number } => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  workloads.push(child);
  return child as ChildProcess & { pid: number };
};

/** Ends the thing that `task` is bound to, and measures until file, roles and leases are gone. */
const expectGoneInTime = async (task: string, end: () => void, leases = 1): Promise<void> => {
  expect(existsSync(join(world.paths.secrets, task))).toBe(true);
  const startedAt = performance.now();
  end();
  await until(
    'the file is gone within a second',
    () => !existsSync(join(world.paths.secrets, task)),
    PROMISED_MS,
  );
  const left = PROMISED_MS - (performance.now() - startedAt);
  await until(
    'every role is gone and its end is proved within a second',
    async () =>
      (await world.pgRoles()).length === 0 &&
      (await world.api('GET', `/v1/tasks/${task}/receipt`)).status === 200,
    left,
  );
  const receipt = (await world.api('GET', `/v1/tasks/${task}/receipt`)).body;
  expect(receipt).toMatchObject({ outcome: 'lost' });
  expectProved(receipt, leases);
  expect(await world.vaultLeases()).toEqual([]);
};

test('a bound process killed with -9', async () => {
  const { pid } = workload();
  await startTask(world, 'bound', 'database', { bind: { pid } });
  await expectGoneInTime('bound', () => process.kill(pid, 'SIGKILL'));
});

/** Rotates a task that was started of `overlapping`; the logins of both generations, which work. */
const raiseSecond = async (task: string): Promise<Login[]> => {
  const before = await loginOf(world, task);
  rounds += 1;
  await rotate(world, task, 'overlapping', overlapping(rounds));
  const logins = [before, await loginOf(world, task)];
  expect(await letIn(world, logins)).toEqual([true, true]);
  return logins;
};
let rounds = 0;

test('a bound process killed with -9 while two generations live', async () => {
  const { pid } = workload();
  await startTask(world, 'bound-twice', 'overlapping', { bind: { pid } });
  const logins = await raiseSecond('bound-twice');
  await expectGoneInTime('bound-twice', () => process.kill(pid, 'SIGKILL'), 2);
  expect(await letIn(world, logins)).toEqual([false, false]);
});

test('a bound connection that is cut while two generations live', async () => {
  const held = await world.open('PUT', '/v1/tasks/conn-twice', {
    profile: 'overlapping',
    bind: { connection: true },
  });
  expect(held.status).toBe(201);
  expect(await held.next()).toMatchObject({ task: 'conn-twice', state: 'active' });
  const logins = await raiseSecond('conn-twice');
  await expectGoneInTime('conn-twice', () => held.close(), 2);
  expect(await letIn(world, logins)).toEqual([false, false]);
});

test('a bound process that ends by itself', async () => {
  const child = spawn('sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
  workloads.push(child);
  await startTask(world, 'ends', 'database', { bind: { pid: child.pid } });
  await expectGoneInTime('ends', () => void child.stdin?.end('\n'));
});

test('a bound connection that is cut', async () => {
  const held = await world.open('PUT', '/v1/tasks/conn', { profile: 'database', bind: { connection: true } });
  expect(held.status).toBe(201);
  expect(held.headers['content-type']).toMatch(/^application\/x-ndjson/);
  expect(await held.next()).toMatchObject({ task: 'conn', state: 'active', files: expect.any(Array) });
  await expectGoneInTime('conn', () => held.close());
});

test('a bound connection shows the stop, and a refusal has its own status', async () => {
  const held = await world.open('PUT', '/v1/tasks/conn-2', {
    profile: 'database',
    bind: { connection: true },
  });
  expect(held.status).toBe(201);
  const receipt = await stopTask(world, 'conn-2');
  expect(receipt).toMatchObject({ outcome: 'completed' });
  while ((await held.next()) !== undefined);

  const refused = await world.api('PUT', '/v1/tasks/conn-3', {
    profile: 'half-denied',
    bind: { connection: true },
  });
  expectProblem(refused, 502, 'VAULT_DENIED');
});

test('binding to a process that does not live is refused, and leases nothing', async () => {
  const { pid } = workload();
  const dead = workloads.pop()!;
  const ended = new Promise((resolve) => dead.once('exit', resolve));
  dead.kill('SIGKILL');
  await ended;
  const problem = expectProblem(
    await world.api('PUT', '/v1/tasks/late', { profile: 'database', bind: { pid } }),
    400,
    'SIGNAL_INVALID',
  );
  expect(problem.detail).toMatch(/pid|process/);
  await world.untilNothingLeft(5_000);
});

test('a task that is stopped in good order lets its process live', async () => {
  const child = workload();
  await startTask(world, 'polite', 'database', { bind: { pid: child.pid } });
  await stopTask(world, 'polite');
  expect(child.exitCode).toBe(null);
  expect(child.signalCode).toBe(null);
});
