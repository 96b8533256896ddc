// Files for others than the agent: who may read them, on which directories, and what happens when they cannot
// be taken away. As root the tests act as other users; without root only what a user alone can see is checked.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherUser } from '../harness/other-user.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const isRoot = process.getuid?.() === 0;
/** Root of a container may lack the right to mount. */
const mayMount = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0;
const GROUP = 100;
const alice = otherUser(1000, 1000, [GROUP]);
const bob = otherUser(1001, 1001, [GROUP]);
const stranger = otherUser(1002, 1002);

const vault = { policies: ['tasklease-report-read'] };
const json = { format: 'json' };
const secrets = (files: Record<string, unknown>) => ({ db: { path: 'database/creds/report', files } });
const allow = { uids: [process.getuid?.() ?? 0, 1000] };

let world: World;
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      everybody: { allow, mode: '0444', unsafe: true, vault, secrets: secrets({ 'db.json': json }) },
      'one-for-everybody': {
        allow,
        vault,
        secrets: secrets({ 'db.json': json, 'open.json': { ...json, mode: '0444', unsafe: true } }),
      },
      'one-for-bob': {
        allow,
        vault,
        secrets: secrets({ 'db.json': json, 'bob.json': { ...json, owner: { uid: 1001, gid: 1001 } } }),
      },
    },
    ...(isRoot ? { config: { socket: { group: GROUP } } } : {}),
  });
});
afterAll(() => world?.close());

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
const secret = { text: expect.stringContaining('"password"') };
const refused = { error: 'EACCES' };

test('mode 0444 with unsafe: true is what the file has', async () => {
  const { dir } = await startTask(world, 'open', 'everybody');
  expect(modeOf(join(dir, 'db.json'))).toBe('444');
  await stopTask(world, 'open');
});

if (isRoot) {
  const asAlice = async (task: string, profile: string): Promise<string> => {
    const reply = await alice.call(world.paths.socket, 'PUT', `/v1/tasks/${task}`, { profile });
    expect(reply.status, reply.text).toBe(201);
    return reply.body.dir;
  };
  const stop = async (task: string): Promise<void> => {
    expect((await alice.call(world.paths.socket, 'DELETE', `/v1/tasks/${task}?wait=60s`)).status).toBe(200);
  };

  test('a profile that is open to everybody: another uid reads it, and can neither list nor change anything', async () => {
    const dir = await asAlice('for-all', 'everybody');
    for (const user of [alice, bob, stranger]) expect(await user.read(join(dir, 'db.json'))).toEqual(secret);
    const home = dirname(dir);
    for (const path of [home, join(home, 'gen-1')]) {
      expect(statSync(path).uid).toBe(0);
      expect(statSync(path).mode & 0o022).toBe(0);
      expect(await stranger.read(path)).toEqual({ error: expect.stringMatching(/EACCES|EISDIR/) });
    }
    await stop('for-all');
    expect(await stranger.read(join(dir, 'db.json'))).toEqual({ error: 'ENOENT' });
  });

  test('one open file beside a private one', async () => {
    const dir = await asAlice('mixed', 'one-for-everybody');
    expect(await stranger.read(join(dir, 'open.json'))).toEqual(secret);
    expect(await stranger.read(join(dir, 'db.json'))).toEqual(refused);
    expect(await alice.read(join(dir, 'db.json'))).toEqual(secret);
    await stop('mixed');
  });

  test("a file's own owner reads it, and no other file of the task", async () => {
    const dir = await asAlice('handed', 'one-for-bob');
    expect(await bob.read(join(dir, 'bob.json'))).toEqual(secret);
    expect(await bob.read(join(dir, 'db.json'))).toEqual(refused);
    expect(await alice.read(join(dir, 'bob.json'))).toEqual(refused);
    expect(await alice.read(join(dir, 'db.json'))).toEqual(secret);
    expect(await stranger.read(join(dir, 'bob.json'))).toEqual(refused);
    await stop('handed');
    await world.untilNothingLeft();
  });

  test.each([
    ['0777', 0o777],
    ['1777', 0o1777],
  ])(
    'a root-owned volume root of mode %s: a 0750 directory inside, which the caller passes and others do not',
    async (_octal, mode) => {
      const volume = join(dirname(world.paths.secrets), `volume-${mode}`);
      mkdirSync(volume);
      chmodSync(volume, mode);
      await world.agent.term();
      await world.configure((config) => {
        config.secrets_dir = volume;
      });
      await world.agent.start();
      const inside = join(volume, 'tasklease');
      expect(modeOf(inside)).toBe('750');
      const dir = await asAlice(`in-volume-${mode}`, 'one-for-bob');
      expect(dir.startsWith(`${inside}/`)).toBe(true);
      expect(await alice.read(join(dir, 'db.json'))).toEqual(secret);
      expect(await stranger.read(join(dir, 'db.json'))).toEqual(refused);
      expect(modeOf(inside)).toBe('750');
      expect(modeOf(volume)).toBe(mode.toString(8));
      await stop(`in-volume-${mode}`);
      expect(existsSync(dirname(dir))).toBe(false);
      await world.untilNothingLeft();
    },
  );
}

if (mayMount) {
  test('files that cannot be removed: 202 with the reason, told in the log too, and the lease is revoked all the same', async () => {
    await world.agent.term();
    await world.configure((config) => {
      config.secrets_dir = world.paths.secrets;
    });
    await world.agent.start();
    const { dir } = await startTask(world, 'stuck', 'database');
    const inTheWay = join(dirname(dir), 'gen-1', 'db.json');
    execFileSync('mount', ['--bind', inTheWay, inTheWay]);
    try {
      const startedAt = performance.now();
      const reply = await world.api('DELETE', '/v1/tasks/stuck?wait=2s');
      expect(performance.now() - startedAt).toBeLessThan(20_000);
      expect(reply.status, reply.text).toBe(202);
      expect(reply.body).toMatchObject({
        task: 'stuck',
        state: 'stopping',
        reason: { code: 'DELIVERY_FAILED' },
      });
      await until('the operator is told why', () => /files of stuck could not be .*busy/.test(world.logs()));
      await untilEmpty('Vault holds no lease', world.vaultLeases, 15_000);
      await untilEmpty('PostgreSQL holds no role', world.pgRoles, 15_000);
    } finally {
      execFileSync('umount', [inTheWay]);
    }
    expect(await stopTask(world, 'stuck')).toMatchObject({
      outcome: 'completed',
      leases: [{ proof: 'revoked' }],
    });
    await until('the files are gone', () => world.taskDirs().length === 0);
    await world.untilNothingLeft();
  });
}
