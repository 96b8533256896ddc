// The agent in surroundings that are short of something: callers whose pids mean nothing to it, a standard
// error that nobody reads, and hardly any file descriptors.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import type { Json } from '../harness/socket-api.ts';
import { expectProved, receiptOf, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROMISED_MS = 1_000;
const CLIENT = new URL('../../dist/client.js', import.meta.url).href;
const SOCKET_API = new URL('../harness/socket-api.ts', import.meta.url).href;

let world: World;
const children: ChildProcess[] = [];
const sockets: Socket[] = [];
beforeAll(async () => {
  world = await createWorld({ config: { log: { level: 'debug' } } });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => world?.close());

const run = (command: string, args: readonly string[], stderr: 'pipe' | number = 'pipe'): ChildProcess => {
  const child = spawn(command, args, {
    env: { ...bareEnvironment(), TASKLEASE_SOCKET: world.paths.socket },
    stdio: ['ignore', 'pipe', stderr],
  });
  children.push(child);
  return child;
};

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** kill -9 of the first process in a namespace, as of a container; its file and role are gone within a second. */
const killedAndGone = async (unshare: ChildProcess, task: string): Promise<void> => {
  const [first] = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').trim().split(' ');
  process.kill(Number(first), 'SIGKILL');
  await until(
    'file, role and lease are gone within a second',
    async () => !existsSync(join(world.paths.secrets, task)) && (await world.pgRoles()).length === 0,
    PROMISED_MS,
  );
};

/** An agent of our own making, in the place of the world's. */
const agentBy = async (
  command: string,
  args: readonly string[],
  stderr: number | 'pipe',
): Promise<ChildProcess> => {
  if (world.agent.running) await world.agent.term();
  const child = run(command, args, stderr);
  child.stderr?.resume();
  child.stdout?.resume();
  await until('the agent is ready', async () => {
    if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}`);
    return (await world.api('GET', '/v1/health?ready')).status === 200;
  });
  return child;
};

const inNamespace = ['--pid', '--fork', '--mount-proc', '--kill-child'];

/** Root of a container may lack the right to make namespaces. */
if (process.getuid?.() === 0 && spawnSync('unshare', [...inNamespace, 'true']).status === 0) {
  test('a pid of another pid namespace cannot be bound, and the answer names pid', async () => {
    const source = `
      import { call } from ${JSON.stringify(SOCKET_API)};
      const put = (task, bind) => call(${JSON.stringify(world.paths.socket)}, 'PUT', '/v1/tasks/' + task, { profile: 'database', bind });
      const answers = [await put('ns-own', { pid: process.pid }), await put('ns-other', { pid: ${process.pid} })];
      console.log(JSON.stringify({ pid: process.pid, answers }));`;
    const child = run('unshare', [...inNamespace, process.execPath, '--input-type=module', '--eval', source]);
    let out = '';
    for await (const chunk of child.stdout!.setEncoding('utf8')) out += chunk;
    const { pid, answers } = JSON.parse(out);
    expect(pid).toBeLessThan(100);
    for (const answer of answers) {
      expect(answer, answer.text).toMatchObject({ status: 400, body: { code: 'SIGNAL_INVALID' } });
      expect(answer.body.detail).toMatch(/\bpid\b/);
      expect(`${answer.body.detail} ${answer.body.hint}`).toMatch(/connection/);
    }
    await world.untilNothingLeft(5_000);
  });

  test('run there holds its task by the connection, and is told apart by kill -9 within a second', async () => {
    const started = join(world.paths.scratch, 'ns-started');
    const unshare = run('unshare', [
      ...inNamespace,
      ...[TASKLEASE, 'run', '--profile', 'database', '--task', 'ns-run', '--'],
      ...['sh', '-c', 'cat "$TASKLEASE_DIR/db.env" > /dev/null && : > "$1" && exec sleep 600', 'sh', started],
    ]);
    await until('the command has read its file', () => existsSync(started));
    const shown: Json = (await world.api('GET', '/v1/tasks/ns-run')).body;
    expect(shown).toMatchObject({ task: 'ns-run', state: 'active' });
    expect(await world.pgRoles()).toHaveLength(1);

    await killedAndGone(unshare, 'ns-run');
    const receipt = await receiptOf(world, 'ns-run');
    expect(receipt).toMatchObject({ outcome: 'lost' });
    expectProved(receipt, 1);
    await world.untilNothingLeft(5_000);
  });

  test('the TypeScript client there holds its tasks by the connection, and kill -9 ends them within a second', async () => {
    const source = `
      import { connect } from ${JSON.stringify(CLIENT)};
      { await using task = await connect().start({ profile: 'database' }); await task.read('db.json'); }
      const task = await connect().start({ profile: 'database', task: 'ns-client' });
      console.log('started');
      await new Promise((resolve) => setTimeout(resolve, 600_000));`;
    const unshare = run('unshare', [
      ...inNamespace,
      process.execPath,
      '--input-type=module',
      '--eval',
      source,
    ]);
    let out = '';
    unshare.stdout!.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await until('the second task is started', () => out.includes('started'));
    expect(await world.pgRoles()).toHaveLength(1);
    await killedAndGone(unshare, 'ns-client');
    await world.untilNothingLeft(5_000);
  });

  test('run there in good order: the exit code of the command, and a proof', async () => {
    const child = run('unshare', [
      ...inNamespace,
      ...[TASKLEASE, 'run', '--profile', 'database', '--task', 'ns-good', '--', 'sh', '-c', 'exit 7'],
    ]);
    await ended(child);
    expect(child.exitCode).toBe(7);
    const receipt = (await world.api('GET', '/v1/tasks/ns-good/receipt')).body;
    expect(receipt).toMatchObject({ outcome: 'completed' });
    expectProved(receipt, 1);
  });
}

test('standard error is a pipe that nobody reads: 300 starts and stops later it still answers', async () => {
  const path = join(world.paths.scratch, 'stderr');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  try {
    const agent = await agentBy(TASKLEASE, ['agent', '--config', world.paths.config], writer);
    for (let n = 0; n < 300; n += 1) {
      const task = `unread-${n}`;
      await startTask(world, task, 'key-value', { params: { env: 'prod' } });
      await stopTask(world, task);
    }
    // Full: what it had to say no longer fits.
    const lay = readSync(reader, Buffer.alloc(1024 * 1024));
    expect(lay).toBeGreaterThan(50_000);
    expect(agent.exitCode).toBeNull();
    await world.untilNothingLeft(10_000);
    agent.kill('SIGTERM');
    await ended(agent);
    expect(agent.exitCode).toBe(0);
  } finally {
    closeSync(reader);
    closeSync(writer);
  }
}, 180_000);

test('64 descriptors and 200 idle connections: the admin socket still answers revoke-all', async () => {
  const agent = await agentBy(
    'sh',
    ['-c', 'ulimit -n 64 && exec "$0" agent --config "$1"', TASKLEASE, world.paths.config],
    'pipe',
  );
  expect(await readFile(`/proc/${agent.pid}/limits`, 'utf8')).toMatch(/^Max open files\s+64\b/m);
  await startTask(world, 'crowded', 'database');
  const idle = Array.from({ length: 200 }, () => connect(world.paths.socket).on('error', () => undefined));
  sockets.push(...idle);
  await until('all were taken or refused', () => idle.every(({ connecting }) => !connecting));
  const reply = await world.admin('POST', '/v1/revoke-all?wait=30s');
  expect(reply.status, reply.text).toBe(200);
  expect(reply.body.tasks).toEqual([
    expect.objectContaining({ task: 'crowded', state: 'closed', outcome: 'revoked' }),
  ]);
  await world.untilNothingLeft(10_000);
  for (const socket of idle) socket.destroy();
  await until('workloads are served again', async () => (await world.api('GET', '/v1/tasks')).status === 200);
  expect(agent.exitCode).toBeNull();
  agent.kill('SIGTERM');
  await ended(agent);
});
