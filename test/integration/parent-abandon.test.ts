// Children of a task, which have less than it and end with it; and the end of a revocation that can never be
// proved. On a real Vault.
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { otherUser } from '../harness/other-user.ts';
import type { ProfileBody } from '../harness/sample-profiles.ts';
import type { Json } from '../harness/socket-api.ts';
import {
  expectProblem,
  expectProved,
  extendTask,
  receiptOf,
  showTask,
  startTask,
  stopTask,
} from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const isRoot = process.getuid?.() === 0;
const GROUP = 100;
const alice = otherUser(1000, 1000, [GROUP]);

const login = { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } };
const report = { policies: ['tasklease-report-read'] };
const anybody = { uids: [process.getuid?.() ?? 0, 1000] };
const params = { env: { enum: ['staging', 'prod'] } };
const withTtl = (ttl: Json, more: ProfileBody = {}): ProfileBody => ({
  allow: anybody,
  ttl: { default: '10m', max: '1h', grace: '0s', ...ttl },
  vault: report,
  secrets: login,
  ...more,
});

let world: World;
const workloads: ChildProcess[] = [];
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      fixed: withTtl({}),
      parent: withTtl({ extend: true }, { params, children: ['child', 'extendable-child'] }),
      child: withTtl(
        {},
        { params: { ...params, own: { pattern: '[a-z]+', optional: true } }, children: ['grandchild'] },
      ),
      'extendable-child': withTtl({ extend: true }),
      grandchild: withTtl({}),
    },
    ...(isRoot ? { config: { socket: { group: GROUP } } } : {}),
  });
});
afterEach(() => {
  for (const workload of workloads.splice(0)) workload.kill('SIGKILL');
});
afterAll(() => world?.close());

const start = (task: string, profile: string, more: Json = {}) =>
  world.api('PUT', `/v1/tasks/${task}`, { profile, ...more });
const at = (time: string): number => Date.parse(time);
describe('children', () => {
  const prod = { params: { env: 'prod' } };
  const startParent = (task: string, more: Json = {}) =>
    startTask(world, task, 'parent', { ...prod, ...more });
  const childOf = (parent: string) => ({ parent, ...prod });

  test('have tokens, leases, files and receipts of their own, and stop with the parent, grandchildren too', async () => {
    await startParent('above');
    expect(await startTask(world, 'below', 'child', childOf('above'))).toMatchObject({ parent: 'above' });
    await startTask(world, 'below-that', 'grandchild', { parent: 'below' });
    expect(await world.taskTokens()).toHaveLength(3);
    expect(new Set(await world.pgRoles()).size).toBe(3);
    const stopped = await world.api('DELETE', '/v1/tasks/above');
    expect([200, 202]).toContain(stopped.status);
    expect(world.taskDirs()).toEqual([]);
    for (const task of ['above', 'below', 'below-that']) {
      const receipt = await receiptOf(world, task);
      expect(receipt).toMatchObject({ task, outcome: 'completed' });
      expectProved(receipt, 1);
    }
    await world.untilNothingLeft();
  });

  test('that stop leave the parent alone', async () => {
    await startParent('calm');
    await startTask(world, 'brief', 'child', childOf('calm'));
    await stopTask(world, 'brief');
    expect(await showTask(world, 'calm')).toMatchObject({ state: 'active' });
    expect(await world.pgRoles()).toHaveLength(1);
    await stopTask(world, 'calm');
  });

  test('are refused: a profile that is not listed, other parameters, no such parent, one that is over', async () => {
    await startParent('strict');
    const unlisted = expectProblem(
      await start('c', 'grandchild', { parent: 'strict' }),
      403,
      'PROFILE_DENIED',
    );
    expect(unlisted.hint).toContain('children: in parent.yaml');
    expectProblem(
      await start('c', 'child', { parent: 'strict', params: { env: 'staging' } }),
      403,
      'PROFILE_DENIED',
    );
    expectProblem(await start('c', 'child', childOf('nobody')), 404, 'TASK_UNKNOWN');
    expectProblem(await start('c', 'child', childOf('../x')), 400, 'SIGNAL_INVALID');
    await stopTask(world, 'strict');
    const late = await start('c', 'child', childOf('strict'));
    expect([403, 404, 409], late.text).toContain(late.status);
    expect(await world.taskTokens()).toEqual([]);
    // A parameter that only the child has is its own choice; a start that was refused spent nothing.
    await startTask(world, 'stricter', 'parent', { params: { env: 'prod' } });
    await startTask(world, 'c', 'child', { parent: 'stricter', params: { env: 'prod', own: 'x' } });
    await stopTask(world, 'stricter');
    await world.untilNothingLeft();
  });

  if (isRoot) {
    test("of another caller's task are refused as if it were not there", async () => {
      const path = '/v1/tasks/alices';
      const body = { profile: 'parent', params: { env: 'prod' } };
      const hers = await alice.call(world.paths.socket, 'PUT', path, body);
      expect(hers.status, hers.text).toBe(201);
      const foreign = expectProblem(await start('d', 'child', childOf('alices')), 404, 'TASK_UNKNOWN');
      const missing = expectProblem(await start('d', 'child', childOf('nobody')), 404, 'TASK_UNKNOWN');
      expect(foreign.detail.replace('alices', 'nobody')).toBe(missing.detail);
      expectProblem(await extendTask(world, 'alices', '1m'), 404, 'TASK_UNKNOWN');
      await alice.call(world.paths.socket, 'DELETE', `${path}?wait=30s`);
      await world.untilNothingLeft();
    });
  }

  test('never live longer than the parent, however they are extended', async () => {
    const { deadline } = await startParent('ending', { duration: '5m' });
    const child = await startTask(world, 'x', 'extendable-child', { parent: 'ending', duration: '30m' });
    expect(Math.abs(at(child.deadline) - at(deadline))).toBeLessThan(50);
    expect(Math.abs(at((await extendTask(world, 'x', '10m')).body.deadline) - at(deadline))).toBeLessThan(50);
    const longer = (await extendTask(world, 'ending', '10m')).body.deadline;
    expect(at((await extendTask(world, 'x', '5m')).body.deadline)).toBeGreaterThan(at(deadline) + 290_000);
    expect(at((await extendTask(world, 'x', '5h')).body.deadline)).toBeLessThan(at(longer) + 50);
    await stopTask(world, 'ending');
    await world.untilNothingLeft();
  });

  test('are stopped when the parent is lost or expires', async () => {
    const sleeper = spawn('sleep', ['600'], { stdio: 'ignore' });
    workloads.push(sleeper);
    await startParent('bound', { bind: { pid: sleeper.pid } });
    await startTask(world, 'left-behind', 'child', childOf('bound'));
    sleeper.kill('SIGKILL');
    await until('all files are gone within a second', () => world.taskDirs().length === 0, 1_000);
    for (const task of ['bound', 'left-behind']) expect((await receiptOf(world, task)).outcome).toBe('lost');

    await startTask(world, 'soon-over', 'parent', { params: { env: 'prod' }, duration: '2s' });
    await startTask(world, 'cut', 'child', childOf('soon-over'));
    for (const task of ['soon-over', 'cut']) expect((await receiptOf(world, task)).outcome).toBe('expired');
    await world.untilNothingLeft();
  });

  test('are taken over with their parent by the next agent, and stop with it; more time counts on', async () => {
    await startParent('tree', { duration: '5m' });
    await startTask(world, 'branch', 'child', childOf('tree'));
    await startTask(world, 'leaf', 'grandchild', { parent: 'branch' });
    const { deadline } = (await extendTask(world, 'tree', '10m')).body;
    await world.agent.kill9();
    await world.agent.start();
    for (const task of ['tree', 'branch', 'leaf'])
      expect(await showTask(world, task)).toMatchObject({ state: 'active' });
    expect(Math.abs(at((await showTask(world, 'tree')).deadline) - at(deadline))).toBeLessThan(50);
    expect(at((await extendTask(world, 'tree', '10m')).body.deadline)).toBeGreaterThan(
      at(deadline) + 590_000,
    );
    expect(await showTask(world, 'leaf')).toMatchObject({ parent: 'branch' });
    await world.api('DELETE', '/v1/tasks/tree');
    expect(world.taskDirs()).toEqual([]);
    for (const task of ['tree', 'branch', 'leaf']) expectProved(await receiptOf(world, task), 1);
    await world.untilNothingLeft();
  });

  test('end when their parent ended while no agent ran', async () => {
    const sleeper = spawn('sleep', ['600'], { stdio: 'ignore' });
    workloads.push(sleeper);
    await startParent('unseen', { bind: { pid: sleeper.pid } });
    await startTask(world, 'orphan', 'child', childOf('unseen'));
    await world.agent.kill9();
    sleeper.kill('SIGKILL');
    await world.agent.start();
    expect(world.taskDirs()).toEqual([]);
    for (const task of ['unseen', 'orphan']) expectProved(await receiptOf(world, task), 1);
    await world.untilNothingLeft();
  });
});

// Last: it takes the database away from Vault.
test('abandon: a revocation that can never be proved ends on record, and the receipt says unproved', async () => {
  await startTask(world, 'living', 'fixed');
  const reason = { reason: 'the connection of database/ was deleted: OPS-712' };
  expectProblem(await world.admin('POST', '/v1/tasks/living/abandon', reason), 400, 'SIGNAL_INVALID');
  await world.vault.request('DELETE', 'database/config/sample');
  const pending = await world.api('DELETE', '/v1/tasks/living?wait=2s');
  expect(pending.status, pending.text).toBe(202);
  expect(pending.body).toMatchObject({ state: 'stopping', dir: null, reason: expect.any(Object) });
  expectProblem(await extendTask(world, 'living', '1m'), 409, 'TASK_SPENT');
  expectProblem(await world.api('POST', '/v1/tasks/living/abandon', reason), 403, 'ADMIN_ONLY');
  expectProblem(await world.admin('POST', '/v1/tasks/living/abandon', {}), 400, 'SIGNAL_INVALID');
  expectProblem(await world.admin('POST', '/v1/tasks/nobody/abandon', reason), 404, 'TASK_UNKNOWN');

  const env = { TASKLEASE_ADMIN_SOCKET: world.paths.admin };
  const told = await world.cli(['abandon', 'living', '--reason', reason.reason], { env });
  expect(told, told.stderr).toMatchObject({ code: 0 });
  expect(told.stdout).toContain('not proved revoked');
  const receipt = await receiptOf(world, 'living');
  expect(receipt).toMatchObject({ outcome: 'completed', leases: [{ secret: 'db', proof: 'unproved' }] });
  // What can be ended is: the token is gone, and the agent asks no more.
  await until('the token is gone', async () => (await world.taskTokens()).length === 0);
  expect((await world.admin('POST', '/v1/tasks/living/abandon', reason)).body).toEqual(receipt);
  expect((await world.api('GET', '/v1/tasks')).body.tasks).toEqual([]);
  expect((await world.agent.term()).code).toBe(0);
});
