// How the agent itself logs in: AppRole, a wrapped secret id, a token from a file; and what it says when it
// cannot. After each login only the session is left at Vault: the login token is revoked.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { tokens } from '../harness/vault-lists.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ start: false });
});
beforeEach(async () => {
  if (world.agent.running) await world.agent.term();
});
afterAll(() => world?.close());

const paths = async (): Promise<string[]> => (await tokens(world.vault)).map(({ path }) => path);

const oneWholeTask = async (task: string): Promise<void> => {
  await startTask(world, task, 'database');
  await stopTask(world, task);
};

test('AppRole: one session, a periodic orphan with one policy, and no login token', async () => {
  await world.agent.start();
  await oneWholeTask('by-approle');
  const all = await tokens(world.vault);
  expect(all.map(({ path }) => path).toSorted()).toEqual([
    'auth/token/create/tasklease-session',
    'auth/token/root',
  ]);
  expect(all.find(({ path }) => path !== 'auth/token/root')).toMatchObject({
    orphan: true,
    role: 'tasklease-session',
    creation_ttl: 300,
    policies: ['tasklease-session'],
  });
  await world.agent.term();
  expect(await paths()).toEqual(['auth/token/root']);
});

test('a restarted agent leaves one session, not two', async () => {
  await world.agent.start();
  await world.agent.kill9();
  await world.agent.start();
  await oneWholeTask('after-restart');
  expect((await paths()).filter((path) => path.endsWith('tasklease-session'))).toHaveLength(1);
});

test('a wrapped secret id is unwrapped once and its file deleted', async () => {
  const file = join(world.paths.scratch, 'wrapped');
  await writeFile(file, await world.provisioned.wrappedSecretId(), { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth = { ...config.vault.auth, secret_id_file: file, secret_id_wrapped: true };
  });
  await world.agent.start();
  await oneWholeTask('by-wrapped');
  expect(existsSync(file)).toBe(false);
});

test('a wrapping token that was used already is refused, and the reason says so', async () => {
  const file = join(world.paths.scratch, 'stolen');
  const wrapped = await world.provisioned.wrappedSecretId();
  await world.vault.request('POST', 'sys/wrapping/unwrap', {}, wrapped);
  await writeFile(file, wrapped, { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth = { ...config.vault.auth, secret_id_file: file, secret_id_wrapped: true };
  });
  const before = world.logs().length;
  await world.agent.launch();
  await until('it says that the wrapping token is not valid', () => /wrap/i.test(world.logs().slice(before)));
  const metrics = async () => (await world.api('GET', '/v1/metrics')).text;
  const failures = async () =>
    [...(await metrics()).matchAll(/^tasklease_session_failures_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  await until('it has tried again', async () => (await failures()) >= 3);
  // One theft is one event, however often the login is tried.
  expect(await metrics()).toContain('tasklease_security_events_total{event="wrapping_token_used"} 1\n');
  expect(
    world
      .logs()
      .slice(before)
      .match(/"msg":"security event"/g),
  ).toHaveLength(1);
  expect(world.logs()).not.toContain(wrapped);
  if (world.agent.running) await world.agent.kill9();
});

test('token_file', async () => {
  const file = join(world.paths.scratch, 'login-token');
  await writeFile(file, `${await world.provisioned.loginToken()}\n`, { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth = { method: 'token_file', path: file };
  });
  await world.agent.start();
  await oneWholeTask('by-token-file');
});

test('a wrong secret id: health says so, starts are refused, and a right one is taken up', async () => {
  const file = join(world.paths.scratch, 'wrong-secret-id');
  await writeFile(file, '00000000-0000-0000-0000-000000000000', { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth = { method: 'approle', role_id_file: world.paths.roleId, secret_id_file: file };
  });
  await world.agent.launch();
  const notReady = await until('readiness has a reason', async () => {
    const reply = await world.api('GET', '/v1/health?ready');
    return reply.status === 503 && /approle|secret.id|login|log in/i.test(reply.text) && reply;
  });
  expect(notReady.text).not.toContain('00000000-0000');
  expect((await world.api('GET', '/v1/health')).status).toBe(200);
  const problem = expectProblem(
    await world.api('PUT', '/v1/tasks/locked-out', { profile: 'database' }),
    502,
    'VAULT_DENIED',
  );
  expect(problem.detail).toMatch(/auth\/approle\/login|log/i);
  await writeFile(file, await world.provisioned.secretId());
  await until(
    'it logs in with the right one',
    async () => (await world.api('GET', '/v1/health?ready')).status === 200,
  );
  await oneWholeTask('let-in');
});

test('an agent that starts before Vault becomes ready when Vault does', async () => {
  await world.vault.seal();
  await world.agent.launch();
  const reply = await until('not ready, and why', async () => {
    const health = await world.api('GET', '/v1/health?ready');
    return health.status === 503 && /seal/i.test(health.text) && health;
  });
  expect(reply.status).toBe(503);
  await world.vault.unseal();
  await world.agent.ready();
  await oneWholeTask('patience');
});

test('a session role whose period is not the leash is refused with both values', async () => {
  await world.configure((config) => {
    config.vault.leash = '7m';
  });
  const before = world.logs().length;
  await world.agent.launch();
  await until('it names the leash and the role', () => /leash/.test(world.logs().slice(before)) || undefined);
  if (world.agent.running) {
    const health = await world.api('GET', '/v1/health?ready');
    expect(health.status).toBe(503);
    expect(health.text).toMatch(/leash/);
    await world.agent.kill9();
  }
});
