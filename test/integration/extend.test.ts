// More time for a task: as far as its profile says and no further, on a real Vault, which must agree about every
// end.
import { afterAll, beforeAll, expect, test } from 'vitest';
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

const login = { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } };
const report = { policies: ['tasklease-report-read'] };
const anybody = { uids: [process.getuid?.() ?? 0] };
const withTtl = (ttl: Json): ProfileBody => ({
  allow: anybody,
  ttl: { default: '10m', max: '1h', grace: '0s', ...ttl },
  vault: report,
  secrets: login,
});

let world: World;
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      extendable: withTtl({ extend: true, grace: '5s' }),
      short: withTtl({ default: '3s', max: '9s', extend: true }),
      fixed: withTtl({}),
    },
  });
});
afterAll(() => world?.close());

const at = (time: string): number => Date.parse(time);
/** The one task token's own end, as Vault has it. */
const tokenEndsAt = async (): Promise<number> => {
  const [token, ...others] = await world.taskTokens();
  expect(others).toEqual([]);
  expect(token).toMatchObject({ renewable: false });
  return at((token as Json).expire_time);
};

test('extend moves both ends later by the duration, within the max', async () => {
  const before = await startTask(world, 'longer', 'extendable');
  const after = await extendTask(world, 'longer', '10m');
  expect(after.status, after.text).toBe(200);
  expect(after.body).toMatchObject({ task: 'longer', state: 'active', generation: 1, dir: before.dir });
  for (const end of ['expires_at', 'deadline'] as const) {
    expect(Math.abs(at(after.body[end]) - at(before[end]) - 600_000)).toBeLessThan(50);
  }
  expect((await showTask(world, 'longer')).deadline).toBe(after.body.deadline);
  // Nothing was leased anew for it.
  expect(await world.taskTokens()).toHaveLength(1);
  expect(await world.pgRoles()).toHaveLength(1);
  expectProved(await stopTask(world, 'longer'), 1);
});

test('it never goes past the max and grace, where the token ends in Vault too; asking again changes nothing', async () => {
  const before = await startTask(world, 'longest', 'extendable');
  const latest = at(before.started_at) + 3_600_000 + 5_000;
  for (const duration of ['50m', '5h', '1s']) {
    const { status, body } = await extendTask(world, 'longest', duration);
    expect(status).toBe(200);
    expect(Math.abs(at(body.deadline) - latest)).toBeLessThan(50);
    expect(Math.abs(at(body.expires_at) - (latest - 5_000))).toBeLessThan(50);
  }
  expect(await tokenEndsAt()).toBeGreaterThanOrEqual(latest - 1_000);
  expect(await tokenEndsAt()).toBeLessThan(latest + 2_000);
  await stopTask(world, 'longest');
});

test('the lease lives on past the first deadline, and everything ends at the last', async () => {
  const before = await startTask(world, 'outlives', 'short');
  const { body } = await extendTask(world, 'outlives', '5s');
  expect(at(body.deadline) - at(before.deadline)).toBeGreaterThan(4_900);
  await until('the first deadline is over', () => Date.now() > at(before.deadline) + 1_000);
  expect(await showTask(world, 'outlives')).toMatchObject({ state: 'active' });
  expect(await world.file('outlives', 'db.json')).toContain('"password"');
  expect(await world.pgRoles()).toHaveLength(1);
  const receipt = await receiptOf(world, 'outlives');
  expect(receipt.outcome).toBe('expired');
  expect(Math.abs(at(receipt.closed_at) - at(body.deadline))).toBeLessThan(2_000);
  await world.untilNothingLeft();
});

test('without the agent, Vault ends the token at the max and not before the extended deadline', async () => {
  const { started_at } = await startTask(world, 'alone', 'short');
  const { body } = await extendTask(world, 'alone', '6s');
  const max = at(started_at) + 9_000;
  expect(Math.abs(at(body.deadline) - max)).toBeLessThan(50);
  expect(await tokenEndsAt()).toBeGreaterThanOrEqual(at(body.deadline) - 1_000);
  await world.agent.kill9();
  await until('the token is gone', async () => (await world.taskTokens()).length === 0, 20_000);
  expect(Date.now()).toBeGreaterThan(at(body.deadline) - 1_000);
  await until('the login went with it', async () => (await world.pgRoles()).length === 0, 20_000);
  await world.agent.start();
  await world.untilNothingLeft();
});

test('it is refused where the profile does not say so: 403 with the key to set', async () => {
  const before = await startTask(world, 'as-it-is', 'fixed');
  const problem = expectProblem(await extendTask(world, 'as-it-is', '1m'), 403, 'PROFILE_DENIED');
  expect(problem.hint).toContain('ttl.extend: true in fixed.yaml');
  expect((await showTask(world, 'as-it-is')).deadline).toBe(before.deadline);
  await stopTask(world, 'as-it-is');
});

test('it is refused after the stop: 409; of an unknown task: 404; with a bad body: 400', async () => {
  await startTask(world, 'over', 'extendable');
  await stopTask(world, 'over');
  expectProblem(await extendTask(world, 'over', '1m'), 409, 'TASK_SPENT');
  expectProblem(await extendTask(world, 'nobody', '1m'), 404, 'TASK_UNKNOWN');
  expectProblem(await extendTask(world, 'over', 'soon'), 400, 'SIGNAL_INVALID');
  expectProblem(await world.api('POST', '/v1/tasks/over/extend', {}), 400, 'SIGNAL_INVALID');
});

test('a `run` whose task is extended outlives its first duration', async () => {
  const run = world.startCli([
    ...['run', '--profile', 'extendable', '--task', 'worked', '--duration', '3s', '--'],
    ...['sh', '-c', 'echo up; sleep 6; exit 5'],
  ]);
  await until('the command runs', () => run.stdout().includes('up'));
  expect(await world.cli(['extend', 'worked', '--duration', '1m'])).toMatchObject({ code: 0, stderr: '' });
  expect(await run.ended).toMatchObject({ code: 5, stderr: '' });
  await world.untilNothingLeft();
});
