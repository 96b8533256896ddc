// Tells what a workload notices of a restart of its agent: nothing, when its process, deadline, profile and files
// are in order; a clean end or a new credential when they are not. Judged by the files, the process and PostgreSQL.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { database } from '../harness/sample-profiles.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
const processes: ChildProcess[] = [];
beforeAll(async () => {
  world = await createWorld({ storage: 'file' });
});
beforeEach(async () => {
  await world.configure((config) => {
    config.on_exit = 'revoke';
  });
  if (!world.agent.running) await world.agent.start();
});
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  await world.admin('POST', '/v1/revoke-all?wait=30s');
  await world.untilNothingLeft();
});
afterAll(() => world?.close());

const workload = (command = 'exec sleep 600'): ChildProcess & { pid: number } => {
  const child = spawn('sh', ['-c', command], { stdio: 'ignore' });
  processes.push(child);
  return child as ChildProcess & { pid: number };
};
const fileOf = (task: string): string => join(world.paths.secrets, task, 'current', 'db.json');
const inode = (task: string): number => statSync(fileOf(task)).ino;
const login = async (task: string): Promise<{ username: string; works: () => Promise<boolean> }> => {
  const { username, password } = JSON.parse(await world.file(task, 'db.json'));
  return { username, works: () => canLogin(world.postgres.port, 'postgres', username, password) };
};
const view = async (task: string) => (await world.api('GET', `/v1/tasks/${task}`)).body;
const restart = async (): Promise<void> => {
  await world.agent.kill9();
  await world.agent.start();
};

test('kill -9 and a restart: the same file, the same login, the same process, and an end that is proved', async () => {
  const { pid } = workload();
  await startTask(world, 'living', 'database', { bind: { pid } });
  const before = { inode: inode('living'), ...(await login('living')) };
  await restart();
  expect(inode('living')).toBe(before.inode);
  expect(await view('living')).toMatchObject({ state: 'active', generation: 1 });
  expect(await before.works()).toBe(true);
  process.kill(pid, 'SIGKILL');
  await untilEmpty('what was bound to the process ends with it', world.pgRoles, 1000);
  const receipt = await until('the receipt', async () => {
    const reply = await world.api('GET', '/v1/tasks/living/receipt');
    return reply.status === 200 && reply.body;
  });
  expect(receipt).toMatchObject({ outcome: 'lost' });
  expectProved(receipt, 1);
});

test('SIGTERM with on_exit: keep leaves the tasks to the next agent, ten times in a row', async () => {
  await world.configure((config) => {
    config.on_exit = 'keep';
  });
  await restart();
  await startTask(world, 'kept', 'database');
  const before = inode('kept');
  for (let round = 0; round < 10; round += 1) {
    expect(await world.agent.term()).toMatchObject({ code: 0 });
    expect(existsSync(fileOf('kept'))).toBe(true);
    await world.agent.start();
    expect(inode('kept')).toBe(before);
  }
  expectProved(await stopTask(world, 'kept'), 1);
});

test('an adopted lease is renewed on: the task lives for longer than the lease it was taken over with', async () => {
  await startTask(world, 'renewed', 'short-lease');
  const { works } = await login('renewed');
  await restart();
  const endsAt = Date.parse((await view('renewed')).leases[0].expires_at);
  await until(
    'the lease was renewed',
    async () => Date.parse((await view('renewed')).leases[0].expires_at) > endsAt,
  );
  expect(await works()).toBe(true);
  expect(await view('renewed')).toMatchObject({ state: 'active', generation: 1 });
});

test('a process that ended while no agent ran: the task is over before anybody can ask', async () => {
  const { pid } = workload();
  await startTask(world, 'ended', 'database', { bind: { pid } });
  await world.agent.kill9();
  process.kill(pid, 'SIGKILL');
  await until('the process is gone', () => !existsSync(`/proc/${pid}`));
  await world.agent.start();
  expect(existsSync(join(world.paths.secrets, 'ended'))).toBe(false);
  await untilEmpty('its role is gone', world.pgRoles);
});

test('files that somebody changed while no agent ran are not taken over', async () => {
  await startTask(world, 'tampered', 'database');
  await world.agent.kill9();
  const { ino } = statSync(fileOf('tampered'));
  await rm(fileOf('tampered'));
  await world.agent.start();
  expect(existsSync(join(world.paths.secrets, 'tampered'))).toBe(false);
  expect(ino).toBeGreaterThan(0);
  await untilEmpty('its role is gone', world.pgRoles);
});

test('a profile that gave less while no agent ran rotates the task, one that is gone ends it', async () => {
  await world.writeProfile('changing', { ...database, mode: '0440' });
  await world.writeProfile('leaving', database);
  await until('both profiles are known', async () => {
    const { profiles } = (await world.admin('GET', '/v1/health')).body;
    return profiles.names.includes('changing') && profiles.names.includes('leaving');
  });
  await startTask(world, 'changes', 'changing');
  await startTask(world, 'leaves', 'leaving');
  const { username } = await login('changes');
  await world.agent.kill9();
  await world.writeProfile('changing', { ...database, overlap: '2s', mode: '0400' });
  await rm(join(world.paths.profiles, 'leaving.yaml'));
  await world.agent.start();
  expect(existsSync(join(world.paths.secrets, 'leaves'))).toBe(false);
  await until('the next generation is in use', async () => (await view('changes')).generation === 2);
  expect((await login('changes')).username).not.toBe(username);
});

test('without the session token in runtime_dir the tasks get new credentials under a new session', async () => {
  await startTask(world, 'resessioned', 'database');
  const old = await login('resessioned');
  await world.agent.kill9();
  await rm(join(world.paths.runtime, 'session-token'));
  await world.agent.start();
  await until(
    'another login is in the file',
    async () => (await login('resessioned')).username !== old.username,
  );
  expect(await (await login('resessioned')).works()).toBe(true);
  expect(readlinkSync(join(world.paths.secrets, 'resessioned', 'current'))).toBe('gen-2');
});

test('a task bound to its connection: held again within ten seconds it lives on, else it is lost', async () => {
  const body = { profile: 'database', bind: { connection: true } };
  const first = await world.open('PUT', '/v1/tasks/reconnects', body);
  const second = await world.open('PUT', '/v1/tasks/stays-away', body);
  expect([first.status, second.status]).toEqual([201, 201]);
  const before = inode('reconnects');
  await restart();
  const again = await world.open('PUT', '/v1/tasks/reconnects', body);
  expect(again.status).toBe(200);
  await until(
    'the one that stayed away is gone',
    () => !existsSync(join(world.paths.secrets, 'stays-away')),
    15_000,
  );
  expect((await world.api('GET', '/v1/tasks/stays-away')).body).toMatchObject({ outcome: 'lost' });
  expect(inode('reconnects')).toBe(before);
  expect(await view('reconnects')).toMatchObject({ state: 'active', generation: 1 });
  again.close();
  await until(
    'it ends with its connection',
    () => !existsSync(join(world.paths.secrets, 'reconnects')),
    1000,
  );
});

test('a restart while Vault is away: files stay, the tasks go on when it is back', async () => {
  await startTask(world, 'outage', 'database');
  const before = inode('outage');
  await world.agent.kill9();
  await world.vault.kill();
  await world.agent.launch();
  await until('the agent answers', async () => (await world.api('GET', '/v1/health')).status === 200);
  expect(inode('outage')).toBe(before);
  // Degraded at most: cutting its lease to the deadline has to wait.
  expect((await view('outage')).state).toMatch(/^(?:active|degraded)$/);
  await world.vault.start();
  await world.agent.ready();
  await until('all is well again', async () => (await view('outage')).state === 'active');
  expect(inode('outage')).toBe(before);
  expectProved(await stopTask(world, 'outage'), 1);
});
