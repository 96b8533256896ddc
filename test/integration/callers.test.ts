// Who asks is what the kernel says. Another user's workload gets files that only it can read, and nobody
// learns of anybody else's tasks. As root the test acts as two other users; without root it can only be one.
import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherUser } from '../harness/other-user.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const isRoot = process.getuid?.() === 0;
/** A group that the socket is given to; both users are in it. */
const GROUP = 100;
const alice = otherUser(1000, 1000, [GROUP]);
const bob = otherUser(1001, 1001, [GROUP]);

const secrets = { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } };
const policies = { policies: ['tasklease-report-read'] };

/** A window that begins and ends so many minutes after the full minute that has begun. */
const hours = (from: number, to: number): string => {
  const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
  return `${at(from)}-${at(to)} UTC`;
};

let world: World;
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      'for-alice': { allow: { uids: [1000] }, vault: policies, secrets },
      'for-bob': { allow: { gids: [1001] }, vault: policies, secrets },
      'for-the-group': { allow: { gids: [GROUP] }, vault: policies, secrets },
      'for-this-program': {
        allow: { uids: [0, 1000], where: { exe: process.execPath, cgroup: '/**' } },
        vault: policies,
        secrets,
      },
      'for-another-program': {
        allow: { uids: [1000], where: { exe: ['/usr/bin/other', '/opt/**'] } },
        vault: policies,
        secrets,
      },
      'for-an-hour': { allow: { uids: [1000], when: { window: hours(0, 60) } }, vault: policies, secrets },
      'not-now': { allow: { uids: [1000], when: { window: hours(120, 180) } }, vault: policies, secrets },
      'for-owner': { allow: { uids: [1000] }, owner: { uid: 1001, gid: 1001 }, vault: policies, secrets },
    },
    ...(isRoot ? { config: { socket: { group: GROUP } } } : {}),
  });
});
afterAll(() => world?.close());

test('the admin socket sees all tasks, the workload socket its own caller', async () => {
  await startTask(world, 'own', 'database');
  const all = (await world.admin('GET', '/v1/tasks')).body.tasks;
  expect(all).toEqual([expect.objectContaining({ task: 'own' })]);
  await stopTask(world, 'own');
});

if (isRoot) {
  const start = (user: typeof alice, task: string, profile: string, more = {}) =>
    user.call(world.paths.socket, 'PUT', `/v1/tasks/${task}`, { profile, ...more });

  test("a task's file is readable by its caller and by nobody else", async () => {
    const started = await start(alice, 'alices', 'for-alice');
    expect(started.status, started.text).toBe(201);
    const file = join(started.body.dir, 'db.json');
    const { uid, mode } = await stat(file);
    expect(uid).toBe(1000);
    expect((mode & 0o777).toString(8)).toBe('400');
    expect(await alice.read(file)).toEqual({ text: expect.stringContaining('"password"') });
    expect(await bob.read(file)).toEqual({ error: 'EACCES' });
  });

  test("other callers' tasks do not exist", async () => {
    const socket = world.paths.socket;
    for (const [method, path] of [
      ['GET', '/v1/tasks/alices'],
      ['DELETE', '/v1/tasks/alices'],
      ['GET', '/v1/tasks/alices/receipt'],
      ['GET', '/v1/tasks/alices/events'],
    ] as const) {
      expectProblem(await bob.call(socket, method, path), 404, 'TASK_UNKNOWN');
    }
    expect((await bob.call(socket, 'GET', '/v1/tasks')).body).toEqual({ tasks: [] });
    expect((await alice.call(socket, 'GET', '/v1/tasks')).body.tasks).toHaveLength(1);
    expect(
      (await world.api('GET', '/v1/tasks')).body.tasks.map(({ task }: { task: string }) => task),
    ).not.toContain('alices');
    // Neither is it stopped by somebody else's business event.
    await bob.call(socket, 'DELETE', '/v1/tasks?event=pull_request:a');
    expect((await alice.call(socket, 'GET', '/v1/tasks/alices')).body).toMatchObject({ state: 'active' });
    const stopped = await alice.call(socket, 'DELETE', '/v1/tasks/alices?wait=30s');
    expect(stopped.body).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
  });

  test('profiles are for the uids and gids that they list', async () => {
    expectProblem(await start(bob, 'denied', 'for-alice'), 403, 'PROFILE_DENIED');
    expectProblem(await start(alice, 'denied', 'for-bob'), 403, 'PROFILE_DENIED');
    expect((await start(bob, 'bobs', 'for-bob')).status).toBe(201);
    // By a supplementary group.
    expect((await start(alice, 'groups', 'for-the-group')).status).toBe(201);
    // Root is no member of anything by itself.
    expectProblem(await world.api('PUT', '/v1/tasks/roots', { profile: 'for-alice' }), 403, 'PROFILE_DENIED');
    expect((await world.admin('POST', '/v1/revoke-all')).status).toBeLessThan(300);
    await world.untilNothingLeft();
  });

  test('profiles are for the executables and cgroups that they list, and the grant says what was seen', async () => {
    expectProblem(await start(alice, 'another', 'for-another-program'), 403, 'PROFILE_DENIED');
    const started = await start(alice, 'this', 'for-this-program');
    expect(started.status, started.text).toBe(201);
    await alice.call(world.paths.socket, 'DELETE', '/v1/tasks/this?wait=30s');
    const events = await world.open('GET', '/v1/events');
    await startTask(world, 'seen', 'for-this-program');
    const accepted = await events.find((line) => line.type === 'grant.accepted');
    expect(accepted).toMatchObject({
      task: 'seen',
      evidence: {
        pid: process.pid,
        exe: await realpath(process.execPath),
        cgroup: /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1],
      },
    });
    events.close();
    await stopTask(world, 'seen');
  });

  test('a profile with hours is for these alone, and its tasks end with them', async () => {
    const started = await start(alice, 'in-time', 'for-an-hour', { duration: '1h' });
    expect(started.status, started.text).toBe(201);
    const leftMs = Date.parse(started.body.deadline) - Date.now();
    expect(leftMs).toBeLessThanOrEqual(3_600_000);
    expect(started.body.deadline).toMatch(/:00\.000Z$/);
    const refused = await start(alice, 'out-of-time', 'not-now');
    expectProblem(refused, 403, 'PROFILE_DENIED');
    expect(refused.body).toMatchObject({ retryable: true, hint: expect.stringMatching(/opens at 2/) });
    await alice.call(world.paths.socket, 'DELETE', '/v1/tasks/in-time?wait=30s');
  });

  test('the profile may name another owner', async () => {
    const started = await start(alice, 'handed-over', 'for-owner');
    expect(started.status, started.text).toBe(201);
    const file = join(started.body.dir, 'db.json');
    expect((await stat(file)).uid).toBe(1001);
    expect(await bob.read(file)).toEqual({ text: expect.any(String) });
    expect(await alice.read(file)).toEqual({ error: 'EACCES' });
    await alice.call(world.paths.socket, 'DELETE', '/v1/tasks/handed-over?wait=30s');
  });

  test("a caller may bind its own processes, not another user's", async () => {
    const refused = await start(alice, 'not-mine', 'for-alice', { bind: { pid: process.pid } });
    expectProblem(refused, 400, 'SIGNAL_INVALID');
    expect(refused.body.detail).toMatch(/pid|process/);
    await world.untilNothingLeft();
  });

  test('an id of one caller is a conflict for another, and says nothing of the task', async () => {
    expect((await start(alice, 'popular', 'for-alice')).status).toBe(201);
    const clash = await start(bob, 'popular', 'for-bob');
    expect(clash.status).toBe(409);
    expect(clash.text).not.toMatch(/for-alice|1000/);
    await alice.call(world.paths.socket, 'DELETE', '/v1/tasks/popular?wait=30s');
  });

  test('the admin socket is out of their reach', async () => {
    await until('refused', async () => {
      const said = await alice.call(world.paths.admin, 'GET', '/v1/tasks').then(
        () => 'answered',
        (error: Error) => error.message,
      );
      return /EACCES/.test(said);
    });
  });
} else {
  test('without root the file belongs to the caller, which is the agent itself', async () => {
    const started = await startTask(world, 'ours', 'database');
    const { uid, mode } = await stat(join(started.dir, 'db.json'));
    expect(uid).toBe(process.getuid?.());
    expect((mode & 0o777).toString(8)).toBe('400');
    await stopTask(world, 'ours');
  });
}
