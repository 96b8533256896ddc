// `tasklease run` and connections that hold a task, over an agent that is restarted: a run bound to its process
// does not notice; a connection has 10 s to come back.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import { keyValue, rotating } from '../harness/sample-profiles.ts';
import { expectProved, receiptOf, startTask, stopTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
const children: ChildProcess[] = [];
beforeAll(async () => {
  world = await createWorld({
    config: { on_exit: 'keep' },
    profiles: { reloading: { ...rotating, on_change: { signal: 'SIGHUP' } } },
  });
});
beforeEach(async () => {
  if (!world.agent.running) await world.agent.start();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => world?.close());

/** A CMD that says "up", then "missing" whenever it cannot read its file, until SIGTERM. */
const READER =
  'trap "exit 9" TERM; echo up; while :; do cat "$TASKLEASE_DIR/db.json" >/dev/null || echo missing; sleep 0.05; done';
/** A CMD that says "up" and ends with 3 once the file `$1` is there. */
const WAITER = 'echo up; while [ ! -e "$1" ]; do sleep 0.05; done; exit 3';
const runArgs = (task: string, ...cmd: string[]) => [
  ...['run', '--profile', 'database', '--task', task, '--', 'sh', '-c'],
  ...cmd,
];

test.each([
  ['SIGTERM with on_exit: keep', 'kept', () => world.agent.term()],
  ['kill -9', 'killed', () => world.agent.kill9()],
])('a run bound to its process does not notice a restart: %s', async (_what, task, end) => {
  const run = world.startCli(runArgs(task, READER));
  await until('the command runs', () => run.stdout().includes('up'));
  const roles = await world.pgRoles();
  const text = await world.file(task, 'db.json');
  await end();
  expect(await world.file(task, 'db.json')).toBe(text);
  await world.agent.start();
  expect((await world.api('GET', `/v1/tasks/${task}`)).body).toMatchObject({
    state: 'active',
    generation: 1,
  });
  expect(await world.pgRoles()).toEqual(roles);
  expect(await world.file(task, 'db.json')).toBe(text);
  process.kill(run.pid, 'SIGTERM');
  expect(await run.ended).toMatchObject({ code: 9, stdout: 'up\n', stderr: '' });
  const receipt = await receiptOf(world, task);
  expect(receipt.outcome).toBe('completed');
  expectProved(receipt, 1);
  await world.untilNothingLeft();
});

test('its last word waits for an agent that is coming back', async () => {
  const sign = join(world.paths.scratch, 'last-word');
  const run = world.startCli(runArgs('last-word', WAITER, 'sh', sign));
  await until('the command runs', () => run.stdout().includes('up'));
  await world.agent.kill9();
  await writeFile(sign, '');
  await pause(500);
  await world.agent.start();
  expect(await run.ended).toMatchObject({ code: 3, stderr: '' });
  expect((await receiptOf(world, 'last-word')).leases).toMatchObject([{ proof: 'revoked' }]);
  await world.untilNothingLeft();
});

test('a rotation is told to CMD through run: it gets the signal of on_change once a rotation', async () => {
  const run = world.startCli([
    ...['run', '--profile', 'reloading', '--task', 'told', '--', 'sh', '-c'],
    'trap "echo again" HUP; trap "exit 0" TERM; echo up; while :; do sleep 0.05; done',
  ]);
  await until('CMD was told of two rotations', () => run.stdout().split('again').length > 2);
  const { generation } = (await world.api('GET', '/v1/tasks/told')).body;
  await until('CMD was told of each', () => run.stdout().split('again').length - 1 >= generation - 1);
  process.kill(run.pid, 'SIGTERM');
  expect(await run.ended).toMatchObject({ code: 0, stderr: '' });
  await world.untilNothingLeft();
});

test('a rotation that brings the same contents is told to nobody, and says so; the next change is told', async () => {
  const round = (n: number) => ({ ...keyValue, on_change: { signal: 'SIGHUP' }, overlap: `${n + 1}s` });
  const task = async () => (await world.api('GET', '/v1/tasks/steady')).body;
  await world.writeProfile('steady', round(0));
  await until('the profile is known', async () => world.logs().includes('"steady"'));
  const run = world.startCli([
    ...['run', '--profile', 'steady', '--param', 'env=prod', '--task', 'steady', '--', 'sh', '-c'],
    'trap "echo again" HUP; trap "exit 0" TERM; echo up; while :; do sleep 0.05; done',
  ]);
  await until('CMD runs', () => run.stdout().includes('up'));
  const facts = await world.open('GET', '/v1/tasks/steady/events');
  const rotate = async (n: number) => {
    await world.writeProfile('steady', round(n));
    await until(`it has rotated ${n} times`, async () => (await task()).generation === n + 1, 60_000);
  };
  await rotate(1);
  await world.agent.kill9();
  await world.agent.start();
  await rotate(2);
  expect(await task()).toMatchObject({ generation: 3, files_since: 1 });
  await world.vault.request('POST', 'secret/data/app/prod', { data: { colour: 'green' } });
  await rotate(3);
  await until('CMD was told', () => run.stdout().includes('again'));
  expect(await task()).toMatchObject({ files_since: 4 });
  process.kill(run.pid, 'SIGTERM');
  expect(await run.ended).toMatchObject({ code: 0, stdout: 'up\nagain\n', stderr: '' });
  const published = facts.lines.filter(({ type }) => type === 'delivery.published');
  expect(published).toMatchObject([{ generation: 2, changed: false }]);
  await world.untilNothingLeft();
});

test('a task of the configuration is taken over too, and not started twice', async () => {
  await world.agent.term();
  await world.configure((config) => {
    config.tasks = [{ id: 'boot', profile: 'database' }];
  });
  await world.agent.start();
  const bootsActive = async () => (await world.api('GET', '/v1/tasks/boot')).body.state === 'active';
  await until('it has started', bootsActive);
  const roles = await world.pgRoles();
  for (const end of [world.agent.term, world.agent.kill9]) {
    await end();
    await world.agent.start();
    expect(await bootsActive()).toBe(true);
    expect(await world.pgRoles()).toEqual(roles);
  }
  expect(world.logs()).not.toContain('did not start');
  await world.configure((config) => {
    config.tasks = [];
  });
  await stopTask(world, 'boot');
  await world.untilNothingLeft();
});

const held = { profile: 'database', bind: { connection: true } };

test('a connection that held a task has 10 s to come back: by the same start, or by ?hold=true', async () => {
  const first = await world.open('PUT', '/v1/tasks/again', held);
  expect(first.status).toBe(201);
  const started = await first.next();
  await startTask(world, 'looked-at', 'database');
  await world.open('GET', '/v1/tasks/looked-at/events?hold=true');
  await world.open('PUT', '/v1/tasks/gone', held);
  await world.agent.term();
  while ((await first.next()) !== undefined);
  expect(first.lines.map(({ type }) => type)).not.toContain('grant.stopping');
  await world.agent.start();

  const startedAt = Date.now();
  const again = await world.open('PUT', '/v1/tasks/again', held);
  expect(again.status).toBe(200);
  expect(again.headers['content-type']).toMatch(/^application\/x-ndjson/);
  expect(await again.next()).toMatchObject({
    task: 'again',
    state: 'active',
    dir: started.dir,
    generation: 1,
  });
  const looking = await world.open('GET', '/v1/tasks/looked-at/events?hold=true');
  expect(looking.status).toBe(200);
  expect((await world.api('GET', '/v1/tasks/gone')).body).toMatchObject({ state: 'active' });

  const receipt = await receiptOf(world, 'gone');
  expect(receipt.outcome).toBe('lost');
  expectProved(receipt, 1);
  expect(Date.parse(receipt.closed_at) - startedAt).toBeGreaterThan(7_000);
  for (const [task, stream] of [
    ['again', again],
    ['looked-at', looking],
  ] as const) {
    expect((await world.api('GET', `/v1/tasks/${task}`)).body).toMatchObject({ state: 'active' });
    stream.close();
    expect((await receiptOf(world, task)).outcome).toBe('lost');
  }
  await world.untilNothingLeft();
});

test('another body does not take a held task over', async () => {
  await world.open('PUT', '/v1/tasks/mine', held);
  await world.agent.kill9();
  await world.agent.start();
  const other = await world.open('PUT', '/v1/tasks/mine', { ...held, duration: '1m' });
  expect(other.status).toBe(409);
  const again = await world.open('PUT', '/v1/tasks/mine', held);
  expect(again.status).toBe(200);
  again.close();
  expect((await receiptOf(world, 'mine')).outcome).toBe('lost');
  await world.untilNothingLeft();
});

const inNamespace = ['--pid', '--fork', '--mount-proc', '--kill-child'];

/** Root of a container may lack the right to make namespaces. */
if (process.getuid?.() === 0 && spawnSync('unshare', [...inNamespace, 'true']).status === 0) {
  /** A run whose pid the agent cannot see. */
  const runThere = (task: string, sign: string) => {
    const child = spawn('unshare', [...inNamespace, TASKLEASE, ...runArgs(task, WAITER, 'sh', sign)], {
      env: { ...bareEnvironment(), TASKLEASE_SOCKET: world.paths.socket },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => {
      said.stdout += text;
    });
    child.stderr.on('data', (text) => {
      said.stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
    return { said, ended };
  };

  test('a run bound to its connection holds its task again, and CMD goes on', async () => {
    const sign = join(world.paths.scratch, 'there');
    const { said, ended } = runThere('there', sign);
    await until('the command runs', () => said.stdout.includes('up'));
    const timesBack = () => said.stderr.split('the agent is back').length - 1;
    for (const [n, end] of [world.agent.kill9, world.agent.term].entries()) {
      await end();
      await world.agent.start();
      await until('it holds its task again', () => timesBack() === n + 1);
      expect((await world.api('GET', '/v1/tasks/there')).body).toMatchObject({ state: 'active' });
    }
    await writeFile(sign, '');
    expect(await ended).toBe(3);
    expect((await receiptOf(world, 'there')).outcome).toBe('completed');
    await world.untilNothingLeft();
  });

  test('a run bound to its connection loses its task when the agent stays away: SIGTERM, 125', async () => {
    const { said, ended } = runThere('abandoned', join(world.paths.scratch, 'never'));
    await until('the command runs', () => said.stdout.includes('up'));
    await world.agent.kill9();
    expect(await ended).toBe(125);
    expect(said.stderr).toContain('abandoned is lost: the agent did not come back within 10 s');
    await world.agent.start();
    expect((await receiptOf(world, 'abandoned')).outcome).toBe('lost');
    await world.untilNothingLeft();
  });
}
