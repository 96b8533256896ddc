// One task's life through the API (README, API): start, repeat, conflict, look, stop, receipt, spent.
import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test('nothing is leased before a start', async () => {
  expect(await world.pgRoles()).toEqual([]);
  expect(await world.vaultLeases()).toEqual([]);
  expect(await world.taskTokens()).toEqual([]);
});

test('a start answers the grant, and the same start again answers the same grant', async () => {
  const body = {
    profile: 'database',
    duration: '15m',
    event: { type: 'pull_request', id: 'acme/shop#412' },
  };
  const before = Date.now();
  const first = await world.api('PUT', '/v1/tasks/build-81', body);
  expect(first.status, first.text).toBe(201);
  expect(first.headers['content-type']).toMatch(/^application\/json/);
  expect(first.body).toMatchObject({
    task: 'build-81',
    state: 'active',
    profile: 'database',
    dir: join(world.paths.secrets, 'build-81', 'current'),
    generation: 1,
    leases: [{ secret: 'db', renewable: true, revocable: true }],
  });
  expect(first.body.files.toSorted()).toEqual(['db.env', 'db.json', 'db.password', 'db.url']);
  const deadline = Date.parse(first.body.deadline);
  expect(deadline).toBeGreaterThan(before + 14 * 60_000);
  expect(deadline).toBeLessThanOrEqual(Date.now() + 15 * 60_000 + 1_000);
  expect(Date.parse(first.body.leases[0].expires_at)).toBeGreaterThan(before);

  // Another order of keys is the same body.
  const again = await world.api('PUT', '/v1/tasks/build-81', {
    event: { id: 'acme/shop#412', type: 'pull_request' },
    duration: '15m',
    profile: 'database',
  });
  expect(again.status, again.text).toBe(200);
  expect(again.body).toEqual(first.body);
  expect(await world.vaultLeases()).toHaveLength(1);

  const shown = await world.api('GET', '/v1/tasks/build-81');
  expect(shown.status).toBe(200);
  expect(shown.body).toMatchObject({ task: 'build-81', state: 'active', profile: 'database', generation: 1 });
  const { tasks } = (await world.api('GET', '/v1/tasks')).body;
  expect(tasks).toEqual([expect.objectContaining({ task: 'build-81', state: 'active' })]);
});

test('the files hold the secret in each format, for the caller alone', async () => {
  const dir = join(world.paths.secrets, 'build-81', 'current');
  const secret = JSON.parse(await readFile(join(dir, 'db.json'), 'utf8'));
  expect(secret).toEqual({
    username: expect.stringMatching(/^v-/),
    password: expect.stringMatching(/^\S{12,}$/),
  });
  const { username, password } = secret;
  expect(await readFile(join(dir, 'db.env'), 'utf8')).toBe(`PGUSER=${username}\nPGPASSWORD=${password}\n`);
  expect(await readFile(join(dir, 'db.password'), 'utf8')).toBe(password);
  expect(await readFile(join(dir, 'db.url'), 'utf8')).toBe(`postgres://${username}:${password}@db/app\n`);
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(true);

  for (const [file, mode] of [
    ['db.env', 0o400],
    ['db.json', 0o400],
    ['db.url', 0o440],
  ] as const) {
    const { mode: bits, uid } = await stat(join(dir, file));
    expect((bits & 0o777).toString(8), file).toBe(mode.toString(8));
    expect(uid).toBe(process.getuid?.());
  }
  expect(await readlink(dir)).toMatch(/^(\.\/)?gen-1$/);
  expect((await readdir(dir)).toSorted()).toEqual([
    'db.env',
    'db.json',
    'db.password',
    'db.url',
    'manifest.json',
  ]);
  const manifest = await readFile(join(dir, 'manifest.json'), 'utf8');
  expect(JSON.parse(manifest)).toBeTypeOf('object');
  expect(manifest).not.toContain(password);
  expect(((await lstat(dirname(dir))).mode & 0o777).toString(8)).toBe('750');
});

test('another body under the same id is a conflict', async () => {
  const other = await world.api('PUT', '/v1/tasks/build-81', { profile: 'database', duration: '5m' });
  expectProblem(other, 409, 'TASK_CONFLICT');
  expect((await world.api('GET', '/v1/tasks/build-81')).body).toMatchObject({ state: 'active' });
});

test('a living task has no receipt; a stopped one has, for ever the same', async () => {
  expectProblem(await world.api('GET', '/v1/tasks/build-81/receipt'), 409, 'NOT_CLOSED');
  const { username, password } = JSON.parse(await world.file('build-81', 'db.json'));
  const stopped = await world.api('DELETE', '/v1/tasks/build-81?wait=30s');
  expect(stopped.status, stopped.text).toBe(200);
  expect(stopped.body).toMatchObject({
    task: 'build-81',
    profile: 'database',
    state: 'closed',
    outcome: 'completed',
    event: { type: 'pull_request', id: 'acme/shop#412' },
    started_at: expect.any(String),
    closed_at: expect.any(String),
    exposure_seconds: expect.any(Number),
    leases: [{ secret: 'db', path: 'database/creds/report', proof: 'revoked' }],
  });
  expectProved(stopped.body, 1);
  expect(stopped.body.leases[0]).toHaveProperty('ends_at');
  expect(existsSync(join(world.paths.secrets, 'build-81'))).toBe(false);
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(false);
  await world.untilNothingLeft(1_000);

  expect((await world.api('GET', '/v1/tasks/build-81/receipt')).body).toEqual(stopped.body);
  const again = await world.api('DELETE', '/v1/tasks/build-81');
  expect(again.status).toBe(200);
  expect(again.body).toEqual(stopped.body);
  expect((await world.api('GET', '/v1/tasks/build-81')).body).toMatchObject({ state: 'closed' });
});

test('a task id is spent, after a restart too', async () => {
  const body = { profile: 'database', duration: '15m', event: { type: 'pull_request', id: 'acme/shop#412' } };
  expectProblem(await world.api('PUT', '/v1/tasks/build-81', body), 409, 'TASK_SPENT');
  expectProblem(await world.api('PUT', '/v1/tasks/build-81', { profile: 'key-value' }), 409, 'TASK_SPENT');
  await world.agent.kill9();
  await world.agent.start();
  expectProblem(await world.api('PUT', '/v1/tasks/build-81', body), 409, 'TASK_SPENT');
  expect((await world.api('GET', '/v1/tasks/build-81/receipt')).body).toMatchObject({ outcome: 'completed' });
  await world.untilNothingLeft(1_000);
});

test('a stop without wait has removed the files when it answers', async () => {
  await startTask(world, 'quick', 'database');
  const stopped = await world.api('DELETE', '/v1/tasks/quick');
  expect([200, 202]).toContain(stopped.status);
  expect(existsSync(join(world.paths.secrets, 'quick'))).toBe(false);
  await stopTask(world, 'quick');
});

test('two starts of one id at the same moment make one grant', async () => {
  const both = await Promise.all(
    [1, 2, 3, 4].map(() => world.api('PUT', '/v1/tasks/twins', { profile: 'database' })),
  );
  expect(both.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
  expect(await world.vaultLeases()).toHaveLength(1);
  await stopTask(world, 'twins');
});

test('a stop during the start ends it, whatever comes of the start', async () => {
  const starting = world.api('PUT', '/v1/tasks/regret', { profile: 'database' });
  const stopping = world.api('DELETE', '/v1/tasks/regret?wait=30s');
  await Promise.all([starting, stopping]);
  const last = await world.api('DELETE', '/v1/tasks/regret?wait=30s');
  expect([200, 404]).toContain(last.status);
  await world.untilNothingLeft(10_000);
});

test('a secret without a lease ends with its file, and the receipt says what that means', async () => {
  const started = await startTask(world, 'settings', 'key-value', { params: { env: 'prod' } });
  expect(started.leases).toEqual([
    expect.objectContaining({ secret: 'app', renewable: false, revocable: false }),
  ]);
  expect(JSON.parse(await world.file('settings', 'app.json'))).toMatchObject({ API_KEY: 'sample-prod' });
  const receipt = await stopTask(world, 'settings');
  expect(receipt.leases).toEqual([
    expect.objectContaining({ path: 'secret/data/app/prod', proof: 'expires' }),
  ]);
  expect(await world.taskTokens()).toEqual([]);
});

test('stopping by the business event stops its tasks and no other', async () => {
  const event = { type: 'pull_request', id: 'acme/shop#7' };
  await startTask(world, 'by-event-1', 'database', { event });
  await startTask(world, 'by-event-2', 'key-value', { event, params: { env: 'prod' } });
  await startTask(world, 'by-event-3', 'database', { event: { ...event, id: 'acme/shop#77' } });
  const query = `event=${encodeURIComponent('pull_request:acme/shop#7')}`;
  const stopped = await world.api('DELETE', `/v1/tasks?${query}&wait=30s`);
  expect([200, 202], stopped.text).toContain(stopped.status);
  expect((await stopTask(world, 'by-event-1')).outcome).toBe('completed');
  await stopTask(world, 'by-event-2');
  expect((await world.api('GET', '/v1/tasks/by-event-3')).body).toMatchObject({ state: 'active' });
  await stopTask(world, 'by-event-3');
  await world.untilNothingLeft(1_000);
});
