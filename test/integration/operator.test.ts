// What an operator sees and can do: health with reasons, metrics, the schema, the admin calls, boot tasks,
// the end of the agent, one agent per state directory.
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../../src/dev/free-port.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeEach(async () => {
  world ??= await createWorld();
  if (!world.agent.running) await world.agent.start();
});
afterAll(() => world?.close());

test('health, readiness with reasons', async () => {
  const live = await world.api('GET', '/v1/health');
  expect(live.status).toBe(200);
  const ready = await world.api('GET', '/v1/health?ready');
  expect(ready.status).toBe(200);
  expect(await world.cli(['health'])).toMatchObject({ code: 0 });

  await world.vault.seal();
  try {
    const reasons = await until('readiness says that Vault is sealed', async () => {
      const reply = await world.api('GET', '/v1/health?ready');
      return reply.status === 503 && /seal/i.test(reply.text) && reply.text;
    });
    expect(reasons).toMatch(/seal/i);
    expect((await world.api('GET', '/v1/health')).status, 'alive all the same').toBe(200);
    expect(await world.cli(['health'])).not.toMatchObject({ code: 0 });
  } finally {
    await world.vault.unseal();
  }
  await until('it is ready again', async () => (await world.api('GET', '/v1/health?ready')).status === 200);
});

test('metrics are Prometheus text and count what happens', async () => {
  await startTask(world, 'counted', 'database');
  await stopTask(world, 'counted');
  const metrics = await world.api('GET', '/v1/metrics');
  expect(metrics.status).toBe(200);
  expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
  for (const line of metrics.text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    expect(line).toMatch(/^tasklease_[a-z_]+(\{[^{}]*\})? [-+.e\d]+$|^(process|nodejs)_/);
  }
  expect(metrics.text).toMatch(/^# TYPE tasklease_\w+ (counter|gauge)/m);
  expect(metrics.text).toMatch(/^tasklease_[a-z_]*task[a-z_]*(\{.*\})? [1-9]/m);
});

test('metrics on a TCP port of their own, where the configuration says so', async () => {
  await world.agent.term();
  const listen = `127.0.0.1:${await freePort()}`;
  await world.configure((config) => {
    config.metrics = { listen };
  });
  await world.agent.start();
  const reply = await fetch(`http://${listen}/metrics`);
  expect(reply.status).toBe(200);
  expect(await reply.text()).toMatch(/^tasklease_/m);
  // Nothing but metrics is served there.
  expect((await fetch(`http://${listen}/v1/tasks`)).status).toBe(404);
  await world.agent.term();
  await world.configure((config) => {
    delete config.metrics;
  });
});

test('openapi.json describes every call of the contract', async () => {
  const { status, body } = await world.api('GET', '/v1/openapi.json');
  expect(status).toBe(200);
  expect(body.openapi).toMatch(/^3\./);
  const calls = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => `${method.toUpperCase()} ${path.replace(/^\/v1|(?<=^)(?=\/tasks)/, '')}`,
    ),
  );
  for (const call of [
    ...['PUT /tasks/{task}', 'GET /tasks/{task}', 'DELETE /tasks/{task}', 'GET /tasks', 'DELETE /tasks'],
    ...[
      'GET /tasks/{task}/events',
      'GET /events',
      'GET /tasks/{task}/receipt',
      'GET /health',
      'GET /metrics',
    ],
    ...['POST /drain', 'POST /revoke-all'],
  ]) {
    expect(calls).toContain(call);
  }
});

test('admin calls are for the admin socket, which only its owner can open', async () => {
  expectProblem(await world.api('POST', '/v1/drain'), 403, 'ADMIN_ONLY');
  expectProblem(await world.api('POST', '/v1/revoke-all'), 403, 'ADMIN_ONLY');
  expect(((await stat(world.paths.admin)).mode & 0o777).toString(8)).toBe('600');
  expect(((await stat(world.paths.runtime)).mode & 0o777).toString(8)).toBe('700');
  expect(((await stat(world.paths.socket)).mode & 0o777).toString(8)).toBe('660');
});

test('revoke-all stops all tasks now, and takes new ones afterwards', async () => {
  await Promise.all(['r-1', 'r-2', 'r-3'].map((task) => startTask(world, task, 'database')));
  const reply = await world.admin('POST', '/v1/revoke-all');
  expect([200, 202], reply.text).toContain(reply.status);
  expect(world.taskDirs()).toEqual([]);
  await world.untilNothingLeft();
  expect((await stopTask(world, 'r-1')).outcome).toBe('revoked');
  await startTask(world, 'r-4', 'database');
  await stopTask(world, 'r-4');
});

test('drain stops all tasks and takes no new one', async () => {
  await startTask(world, 'd-1', 'database');
  const reply = await world.admin('POST', '/v1/drain');
  expect([200, 202], reply.text).toContain(reply.status);
  await world.untilNothingLeft();
  const refused = expectProblem(
    await world.api('PUT', '/v1/tasks/d-2', { profile: 'database' }),
    503,
    'DRAINING',
  );
  expect(refused.retryable).toBe(true);
  expect((await world.api('GET', '/v1/health?ready')).status).toBe(503);
  expect((await world.api('GET', '/v1/tasks/d-1/receipt')).body).toMatchObject({
    leases: [{ proof: 'revoked' }],
  });
  await world.agent.term();
});

test('SIGTERM revokes everything, removes its files and ends with 0', async () => {
  await Promise.all(['s-1', 's-2', 's-3', 's-4'].map((task) => startTask(world, task, 'database')));
  const { code } = await world.agent.term();
  expect(code).toBe(0);
  expect(await world.pgRoles()).toEqual([]);
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);
  expect(world.taskDirs()).toEqual([]);
  expect(existsSync(world.paths.socket)).toBe(false);
  expect(existsSync(world.paths.admin)).toBe(false);
  await world.agent.start();
  expect((await world.api('GET', '/v1/tasks/s-1/receipt')).body).toMatchObject({
    leases: [{ proof: 'revoked' }],
  });
});

test('SIGTERM while Vault is sealed ends within stop_timeout and tells what is left', async () => {
  await world.agent.term();
  await world.configure((config) => {
    config.stop_timeout = '2s';
  });
  await world.agent.start();
  await startTask(world, 'left-over', 'database');
  await world.vault.seal();
  const before = world.logs().length;
  const { signal } = await world.agent.term(30_000);
  expect(signal, 'it ended by itself').toBe(null);
  expect(world.taskDirs()).toEqual([]);
  expect(world.logs().slice(before)).toContain('left-over');
  await world.vault.unseal();
  await world.agent.start();
  await world.untilNothingLeft();
  await until('the next agent finishes what was left', async () => {
    const reply = await world.api('GET', '/v1/tasks/left-over/receipt');
    return reply.status === 200 && reply.body.leases[0].proof === 'revoked';
  });
});

test('tasks of the configuration are started at boot and stopped at exit', async () => {
  await world.agent.term();
  await world.configure((config) => {
    config.tasks = [{ id: 'boot-task', profile: 'database' }];
  });
  await world.agent.start();
  await until('the boot task is active', async () => {
    const reply = await world.admin('GET', '/v1/tasks/boot-task');
    return reply.body.state === 'active' || undefined;
  });
  expect(await world.file('boot-task', 'db.env')).toContain('PGUSER=');
  await world.agent.term();
  expect(await world.pgRoles()).toEqual([]);
  // Its id is not spent: it starts anew with every agent, after a clean end and after a kill.
  await world.agent.start();
  await until('the boot task is active again', async () => {
    const reply = await world.admin('GET', '/v1/tasks/boot-task');
    return reply.body.state === 'active' || undefined;
  });
  await world.agent.kill9();
  await world.agent.start();
  await until('the boot task is active after a kill', async () => {
    const reply = await world.admin('GET', '/v1/tasks/boot-task');
    return reply.body.state === 'active' || undefined;
  });
  await world.configure((config) => {
    config.tasks = [];
  });
  await world.agent.term();
  await world.agent.start();
});

test.each(['state_dir', 'runtime_dir', 'secrets_dir', 'socket'])(
  'two agents on one %s: the second is refused, the first lives on',
  async (shared) => {
    const task = `mine-${shared}`;
    await startTask(world, task, 'database');
    const config = parse(await readFile(world.paths.config, 'utf8'));
    const apart = {
      state_dir: `${world.paths.state}-${shared}`,
      runtime_dir: `${world.paths.runtime}-${shared}`,
      secrets_dir: `${world.paths.secrets}-${shared}`,
      socket: { path: `${world.paths.socket}-${shared}` },
    };
    const other = join(world.paths.scratch, 'other.yaml');
    await writeFile(other, stringify({ ...config, ...apart, [shared]: config[shared] }));
    const second = await world.cli(['agent', '--config', other]);
    expect(second.code, second.stderr).toBe(78);
    expect(second.stderr).toContain(shared === 'socket' ? world.paths.socket : config[shared]);
    expect((await world.api('GET', `/v1/tasks/${task}`)).body).toMatchObject({ state: 'active' });
    expect(await world.file(task, 'db.env')).toContain('PGUSER=');
    await stopTask(world, task);
  },
);

test('stray entries in the secrets directory are erased before the socket opens', async () => {
  await world.agent.kill9();
  const { mkdir } = await import('node:fs/promises');
  await mkdir(join(world.paths.secrets, 'stray', 'gen-1'), { recursive: true });
  await writeFile(join(world.paths.secrets, 'stray', 'gen-1', 'secret'), stringify({ left: 'behind' }));
  await world.agent.start();
  expect(world.taskDirs()).toEqual([]);
});

test('profiles are followed: a change is in force, a bad file keeps the last good version and says so', async () => {
  const path = join(world.paths.profiles, 'followed.yaml');
  const profile = (ttl: string) => ({
    profile: 'followed',
    allow: { uids: [process.getuid!()] },
    ttl: { default: ttl, grace: '0s' },
    vault: { policies: ['tasklease-report-read'] },
    secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
  });
  const seconds = async (task: string): Promise<number> => {
    const reply = await startTask(world, task, 'followed');
    await stopTask(world, task);
    return Math.round((Date.parse(reply.deadline) - Date.parse(reply.started_at)) / 1000);
  };
  const faults = async (): Promise<string[]> => (await world.admin('GET', '/v1/health')).body.profiles.faults;
  await writeFile(path, stringify(profile('60s')));
  await until('the new profile is there', async () => {
    const reply = await world.admin('GET', '/v1/health');
    return reply.body.profiles.names.includes('followed');
  });
  expect(await seconds('followed-1')).toBe(60);

  await writeFile(path, 'profile: followed\nttl: { default: 90 }\n');
  await until('the fault is told', async () => (await faults()).length > 0);
  expect((await faults())[0]).toMatch(/followed\.yaml:2: .*ttl\.default/);
  expect(await seconds('followed-2')).toBe(60);

  await writeFile(path, stringify(profile('90s')));
  await until('the fault is gone', async () => (await faults()).length === 0);
  expect(await seconds('followed-3')).toBe(90);

  await rm(path);
  let attempt = 3;
  await until('the profile is gone', async () => {
    attempt += 1;
    // An id of its own each time: a grant that was still given would be answered again.
    const task = `followed-${attempt}`;
    const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile: 'followed' });
    if (reply.status === 201) await stopTask(world, task);
    return reply.body.code === 'PROFILE_UNKNOWN';
  });
});
