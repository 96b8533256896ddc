// Servers that hang or break in the middle. Invariant under test: what was begun at Vault is never
// abandoned; an answer comes in bounded time; what comes late is revoked; a stop takes the files at once.
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Reply } from '../harness/socket-api.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

/** One Vault request of the agent may take so long; a start waits for two of them, and then some. */
const TIMEOUT = '2s';
const PATIENCE_MS = 20_000;

let world: World;
beforeAll(async () => {
  world = await createWorld({ config: { vault: { timeout: TIMEOUT } } });
});
beforeEach(async () => {
  await world.agent.ready();
});
afterAll(async () => {
  process.kill(world.vault.pid, 'SIGCONT');
  await world.close();
});

/** Until the agent itself has nothing more to end: only then does an empty Vault mean something. */
const untilSettled = async (): Promise<void> => {
  await until('no task is stopping', async () => {
    const { text } = await world.api('GET', '/v1/metrics');
    return /^tasklease_tasks\{state="stopping"\} 0$/m.test(text);
  });
  await world.untilNothingLeft(1_000);
};

test('Vault hangs during a start: an answer in time, and what Vault issues late is revoked', async () => {
  process.kill(world.vault.pid, 'SIGSTOP');
  const startedAt = performance.now();
  const problem = expectProblem(
    await world.api('PUT', '/v1/tasks/hung', { profile: 'database' }),
    503,
    'VAULT_UNREACHABLE',
  );
  expect(performance.now() - startedAt).toBeLessThan(PATIENCE_MS);
  expect(problem.retryable).toBe(true);
  expect(world.taskDirs()).toEqual([]);
  process.kill(world.vault.pid, 'SIGCONT');
  await untilSettled();
  // Neither spent nor in the way.
  await until('the same start is granted', async () => {
    return (await world.api('PUT', '/v1/tasks/hung', { profile: 'database' })).status === 201;
  });
  expectProved(await stopTask(world, 'hung'), 1);
});

/** Runs `work` while PostgreSQL answers nothing to Vault: creating a role begins and does not end. */
const whilePostgresHangs = async (task: string, work: () => Promise<void>): Promise<void> => {
  await startTask(world, task, 'database');
  await stopTask(world, task);
  // The connections that Vault keeps open between two requests, and the one who would make new ones.
  const backends = await world.postgres.query(
    `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  expect(backends.length).toBeGreaterThan(0);
  const pids = [world.postgres.pid, ...backends.map(({ pid }) => Number(pid))];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
};

test('PostgreSQL hangs while the role is made: the lease that nobody waited for is revoked', async () => {
  await whilePostgresHangs('warm-1', async () => {
    const startedAt = performance.now();
    const reply = await world.api('PUT', '/v1/tasks/slow', { profile: 'database' });
    expect(performance.now() - startedAt).toBeLessThan(PATIENCE_MS);
    expectProblem(reply, 503, 'VAULT_UNREACHABLE');
    expect(world.taskDirs()).toEqual([]);
  });
  await untilSettled();
});

test('a stop during a start that hangs: 202 while it hangs, then a receipt', async () => {
  let waiting: Promise<Reply> | undefined;
  await whilePostgresHangs('warm-2', async () => {
    const starting = world.api('PUT', '/v1/tasks/regretted', { profile: 'database' });
    await until('the start is under way', async () => (await world.taskTokens()).length === 1);
    const stopped = await world.api('DELETE', '/v1/tasks/regretted');
    expect(stopped.status, stopped.text).toBe(202);
    expect(stopped.body).toMatchObject({ state: 'stopping' });
    waiting = world.api('DELETE', '/v1/tasks/regretted?wait=60s');
    expect((await starting).status).toBeGreaterThanOrEqual(400);
  });
  const proved = await waiting!;
  expect(proved.status, proved.text).toBe(200);
  expect(proved.body).toMatchObject({ task: 'regretted', state: 'closed' });
  await untilSettled();
});

test('streams asked for ahead of their turn, over two lives of one id, do the agent no harm', async () => {
  const { pid } = world.agent;
  // The second stream waits for its turn on the connection until the first one ends, which is never.
  const ahead = connect(world.paths.socket);
  ahead.on('error', () => undefined).resume();
  ahead.write('GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n');
  try {
    await whilePostgresHangs('warm-3', async () => {
      const starting = world.api('PUT', '/v1/tasks/two-lives', { profile: 'database' });
      await until('the start is under way', async () => (await world.taskTokens()).length === 1);
      for (const path of ['/v1/tasks/two-lives/events', '/v1/tasks/two-lives/events?hold=true']) {
        ahead.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      }
      await world.api('DELETE', '/v1/tasks/two-lives');
      await starting;
    });
    await untilSettled();
    await startTask(world, 'two-lives', 'database');
    ahead.destroy();
    expect((await world.api('GET', '/v1/tasks/two-lives')).body).toMatchObject({ state: 'active' });
    await stopTask(world, 'two-lives');
  } finally {
    ahead.destroy();
  }
  expect(world.agent.pid).toBe(pid);
  expect(world.agent.running).toBe(true);
  await untilSettled();
});

test('one engine that hangs does not starve the others', async () => {
  let hanging: Promise<Reply>[] = [];
  await startTask(world, 'bystander', 'certificate');
  await whilePostgresHangs('warm-4', async () => {
    hanging = Array.from({ length: 80 }, (_, n) =>
      world.api('PUT', `/v1/tasks/hang-${n}`, { profile: 'database' }),
    );
    await until('many reads hang', async () => (await world.taskTokens()).length > 30);
    expectProved(await stopTask(world, 'bystander'), 1);
    await startTask(world, 'newcomer', 'one-time-password');
    expectProved(await stopTask(world, 'newcomer'), 1);
  });
  for (const { status } of await Promise.all(hanging)) expect([201, 503]).toContain(status);
  await world.admin('POST', '/v1/revoke-all');
  await untilSettled();
});

test('Vault hangs during a stop: the files are gone at once, the proof comes when Vault is back', async () => {
  await startTask(world, 'frozen', 'database');
  process.kill(world.vault.pid, 'SIGSTOP');
  const stopped = await world.api('DELETE', '/v1/tasks/frozen');
  expect(stopped.status).toBe(202);
  expect(world.taskDirs()).toEqual([]);
  const metrics = (await world.api('GET', '/v1/metrics')).text;
  expect(metrics).toMatch(/^tasklease_tasks\{state="stopping"\} 1$/m);
  process.kill(world.vault.pid, 'SIGCONT');
  expectProved(await stopTask(world, 'frozen'), 1);
  await world.untilNothingLeft();
});

test('PostgreSQL is down at the start: refused, nothing left, and the id is not spent', async () => {
  await world.postgres.stop();
  const reply = await world.api('PUT', '/v1/tasks/too-early', { profile: 'database' });
  expect(reply.status).toBeGreaterThanOrEqual(500);
  expect(expectProblem(reply, reply.status, reply.body.code).detail).toContain('database/creds/report');
  await world.postgres.start();
  await world.untilNothingLeft();
  await until('the same start is granted', async () => {
    return (await world.api('PUT', '/v1/tasks/too-early', { profile: 'database' })).status === 201;
  });
  expectProved(await stopTask(world, 'too-early'), 1);
});

test('Vault is killed and comes back during a stop of many', async () => {
  const ids = Array.from({ length: 8 }, (_, n) => `many-${n}`);
  await Promise.all(ids.map((id) => startTask(world, id, 'one-time-password')));
  await world.vault.seal();
  const stops = await Promise.all(ids.map((id) => world.api('DELETE', `/v1/tasks/${id}`)));
  for (const { status } of stops) expect(status).toBe(202);
  expect(world.taskDirs()).toEqual([]);
  await world.vault.unseal();
  for (const id of ids) expectProved(await stopTask(world, id), 1);
  await world.untilNothingLeft();
});
