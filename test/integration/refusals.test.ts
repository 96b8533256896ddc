// Vault says no, or says nothing: each has its own code, within a short time, and leaves nothing behind.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({
    storage: 'file',
    profiles: {
      'nobody-listed': {
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
      },
      'for-others': {
        allow: { uids: [4242], gids: [4242] },
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
      },
      'needs-event': {
        allow: { uids: [process.getuid?.() ?? 0] },
        event: { required: true, types: ['pull_request'] },
        bind: 'optional',
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
      },
      'needs-bind': {
        allow: { uids: [process.getuid?.() ?? 0] },
        bind: 'required',
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
      },
      'no-such-field': {
        allow: { uids: [process.getuid?.() ?? 0] },
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { f: { format: 'raw', field: 'nope' } } } },
      },
    },
  });
});
afterAll(() => world?.close());

const start = (task: string, profile: string, more = {}) =>
  world.api('PUT', `/v1/tasks/${task}`, { profile, ...more });

test('a path that the policy does not allow: VAULT_DENIED names it; what was issued is taken back', async () => {
  const problem = expectProblem(await start('half', 'half-denied'), 502, 'VAULT_DENIED');
  expect(problem.detail).toContain('database/creds/forbidden');
  expect(problem.hint).toMatch(/policy|policies/);
  expect(problem.retryable).toBe(false);
  await world.untilNothingLeft();
  // The id was not spent.
  await startTask(world, 'half', 'database');
  expectProved(await stopTask(world, 'half'), 1);
});

test('a policy that the token role does not allow: VAULT_DENIED', async () => {
  const problem = expectProblem(await start('foreign', 'foreign-policy'), 502, 'VAULT_DENIED');
  expect(problem.detail).toContain('auth/token/create/tasklease');
  await world.untilNothingLeft();
});

test('a field that the secret does not have: DELIVERY_FAILED, and the lease is taken back', async () => {
  const problem = expectProblem(await start('fieldless', 'no-such-field'), 500, 'DELIVERY_FAILED');
  expect(problem.detail).toContain('nope');
  await world.untilNothingLeft();
});

test('profiles for others, for the admin, with event, with bind', async () => {
  expectProblem(await start('other', 'for-others'), 403, 'PROFILE_DENIED');
  expectProblem(await start('admins', 'nobody-listed'), 403, 'PROFILE_DENIED');
  const byAdmin = await world.admin('PUT', '/v1/tasks/admins', { profile: 'nobody-listed' });
  expect(byAdmin.status, byAdmin.text).toBe(201);
  expect((await world.admin('DELETE', '/v1/tasks/admins?wait=30s')).status).toBe(200);
  expect(expectProblem(await start('ev', 'needs-event'), 400, 'SIGNAL_INVALID').detail).toMatch(/event/);
  expect(expectProblem(await start('bi', 'needs-bind'), 400, 'SIGNAL_INVALID').detail).toMatch(/bind/);
  expectProblem(await start('un', 'unheard-of'), 404, 'PROFILE_UNKNOWN');
  await world.untilNothingLeft();
});

test('Vault is sealed: VAULT_SEALED, retryable; the same start works afterwards', async () => {
  await world.vault.seal();
  const problem = expectProblem(await start('sealed', 'database'), 503, 'VAULT_SEALED');
  expect(problem.retryable).toBe(true);
  await world.vault.unseal();
  await until('the start is granted', async () => {
    const reply = await start('sealed', 'database');
    return reply.status === 201;
  });
  await stopTask(world, 'sealed');
});

test('Vault is down: VAULT_UNREACHABLE, soon; a stop takes the files at once and is finished later', async () => {
  await startTask(world, 'survivor', 'database');
  await world.vault.kill();
  const startedAt = performance.now();
  const problem = expectProblem(await start('early', 'database'), 503, 'VAULT_UNREACHABLE');
  expect(problem.retryable).toBe(true);
  expect(problem.detail).toContain(String(world.vault.port));
  // One Vault request may take 10 s (vault.timeout); nobody waits longer than a few of them.
  expect(performance.now() - startedAt).toBeLessThan(35_000);

  const stopped = await world.api('DELETE', '/v1/tasks/survivor');
  expect(stopped.status).toBe(202);
  expect(world.taskDirs()).toEqual([]);
  expect(await world.pgRoles()).toHaveLength(1);

  await world.vault.start();
  const receipt = await until('the receipt', async () => {
    const reply = await world.api('GET', '/v1/tasks/survivor/receipt');
    return reply.status === 200 && reply.body;
  });
  expectProved(receipt, 1);
  await world.untilNothingLeft();
});

test('Vault restarts under a living task: the task keeps its lease, and its end is proved', async () => {
  await startTask(world, 'through', 'database');
  await world.vault.kill();
  await world.vault.start();
  await until('the agent is ready', async () => (await world.api('GET', '/v1/health?ready')).status === 200);
  // Degraded for as long as a renewal fails, and then good again.
  await until('the task is active', async () => {
    return (await world.api('GET', '/v1/tasks/through')).body.state === 'active';
  });
  expectProved(await stopTask(world, 'through'), 1);
  await world.untilNothingLeft();
});

test('a lease that somebody else revoked is called unproved or proved, never forgotten', async () => {
  await startTask(world, 'meddled', 'database');
  const [lease] = await world.vaultLeases();
  await world.vault.request('PUT', 'sys/leases/revoke', { lease_id: lease, sync: true });
  const receipt = await stopTask(world, 'meddled');
  // Vault did not know it when the stop began, and its time had not come: nothing was proved.
  expect(receipt.leases).toEqual([expect.objectContaining({ proof: 'unproved' })]);
  await world.untilNothingLeft();
});

test('limits: CAPACITY, and nothing is leased for what is over', async () => {
  await world.agent.term();
  await world.configure((config) => {
    config.limits = { tasks: 2, tasks_per_uid: 2, starts_per_minute: 600 };
  });
  await world.agent.start();
  await startTask(world, 'one', 'database');
  await startTask(world, 'two', 'database');
  const problem = expectProblem(await start('three', 'database'), 429, 'CAPACITY');
  expect(problem.retryable).toBe(true);
  expect(problem.detail).toMatch(/2/);
  expect(await world.vaultLeases()).toHaveLength(2);
  await stopTask(world, 'one');
  await startTask(world, 'three', 'database');
  await Promise.all(['two', 'three'].map((task) => stopTask(world, task)));
  await world.untilNothingLeft(1_000);
});
