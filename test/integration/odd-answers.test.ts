// Answers that are not what they seem: one odd reply of something between the agent and Vault, a secret with a
// field that looks like an end, a credential that Vault refuses. None of them may end or lock what is well.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FaultProxy, faultProxy } from '../harness/fault-proxy.ts';
import { profile } from '../harness/sample-profiles.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

type Odd = { status: number; type: string; body: string };

let world: World;
let proxy: FaultProxy;
beforeAll(async () => {
  world = await createWorld({
    start: false,
    audit: true,
    leash: '10s',
    profiles: {
      'key-value-1': profile({
        vault: { policies: ['tasklease-test-customer'] },
        secrets: { app: { path: 'kv1/app', files: { 'app.json': { format: 'json' } } } },
      }),
    },
  });
  for (const [path, body] of [
    ['sys/mounts/kv1', { type: 'kv', options: { version: '1' } }],
    ['sys/policies/acl/tasklease-test-customer', { policy: 'path "kv1/app" { capabilities = ["read"] }' }],
    // An instant long past, as Unix seconds; and a field that Vault itself takes for a TTL hint.
    ['kv1/app', { expiration: 1_700_000_000, ttl: '1s', password: 'canary-4711' }],
  ] as const) {
    const reply = await world.vault.request('POST', path, body);
    expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  }
  proxy = await faultProxy(world.vault.port);
  await world.configure((config) => {
    config.vault.address = proxy.address;
  });
});
afterAll(async () => {
  await proxy?.close();
  await world?.close();
});

const RENEWAL = 'auth/token/renew-self';
const renewals = (): number => proxy.seen.filter(({ path }) => path === RENEWAL).length;

const living = async (): Promise<void> => {
  if (!world.agent.running) await world.agent.start();
};

test('a wrong secret id locks nothing: a few logins in 20 s, and the right one is let in at once', async () => {
  const file = join(world.paths.scratch, 'secret-id');
  await writeFile(file, '00000000-0000-0000-0000-000000000000', { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth.secret_id_file = file;
  });
  await world.agent.launch();
  const logins = (): number =>
    readFileSync(world.paths.audit, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .filter(({ type, request }) => type === 'request' && request?.path === 'auth/approle/login').length;
  await until('it has tried', () => logins() > 0);
  const startedAt = performance.now();
  // Those who ask all the while, and starts that need the session, do not make it try again.
  await until(
    'twenty seconds have passed',
    async () => {
      const health = await world.api('GET', '/v1/health?ready');
      expect(health.status).toBe(503);
      expect((await world.api('PUT', '/v1/tasks/outside', { profile: 'database' })).status).toBe(502);
      return performance.now() - startedAt > 20_000;
    },
    40_000,
  );
  // Vault's default lockout threshold is five.
  expect(logins()).toBeLessThanOrEqual(3);
  await writeFile(file, await world.provisioned.secretId());
  await until(
    'the right one lets it in',
    async () => (await world.api('GET', '/v1/health?ready')).status === 200,
    30_000,
  );
  await startTask(world, 'let-in', 'database');
  expectProved(await stopTask(world, 'let-in'), 1);
});

test.each<[string, Odd]>([
  ['404 of a router', { status: 404, type: 'text/plain', body: '404 page not found' }],
  ['200 with a page', { status: 200, type: 'text/html', body: '<html>maintenance</html>' }],
  ['200 with nothing', { status: 200, type: 'application/json', body: '' }],
  ['200 with other JSON', { status: 200, type: 'application/json', body: '{"auth":null}' }],
  ['302 to a login page', { status: 302, type: 'text/html', body: '' }],
  ['400', { status: 400, type: 'application/json', body: '{"errors":["bad gateway config"]}' }],
  ['one 403', { status: 403, type: 'application/json', body: '{"errors":["permission denied"]}' }],
])('one odd answer to the renewal of the session, %s, ends no task', async (name, odd) => {
  const task = `odd-${name.replace(/[^a-z0-9]/g, '-')}`;
  await living();
  const { pid } = world.agent;
  const { dir } = await startTask(world, task, 'database');
  const { status, type, body } = odd;
  const headers = { 'content-type': type };
  const plan = proxy.on({ path: RENEWAL, times: 1 }, { do: 'answer', status, body, headers });
  await until('it was answered', () => plan.struck === 1, 20_000);
  const before = renewals();
  await until('the session is renewed after it', () => renewals() > before + 1, 20_000);
  expect((await world.api('GET', `/v1/tasks/${task}`)).body).toMatchObject({ task, state: 'active', dir });
  expect(await world.file(task, 'db.json')).toContain('"password"');
  await until('ready', async () => (await world.api('GET', '/v1/health?ready')).status === 200);
  expectProved(await stopTask(world, task), 1);
  expect(world.agent.pid).toBe(pid);
  expect(world.agent.running).toBe(true);
});

test('a KV version 1 secret with fields named expiration and ttl lives as long as its task', async () => {
  await living();
  await startTask(world, 'kv1', 'key-value-1');
  expect(JSON.parse(await world.file('kv1', 'app.json'))).toEqual({
    expiration: 1_700_000_000,
    ttl: '1s',
    password: 'canary-4711',
  });
  const before = renewals();
  await until('some seconds have passed', () => renewals() > before + 2, 20_000);
  expect((await world.api('GET', '/v1/tasks/kv1')).body).toMatchObject({ state: 'active' });
  const receipt = await stopTask(world, 'kv1');
  expect(receipt).toMatchObject({ outcome: 'completed' });
  await world.untilNothingLeft();
});
