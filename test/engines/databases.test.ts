// Owns the bar of the database engine: PostgreSQL, MariaDB and Redis, each with its own client.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { administer } from '../harness/administer.ts';
import { type Mariadb, mariadbClient, startMariadb } from '../harness/servers/mariadb.ts';
import { type Redis, redisClient, startRedis } from '../harness/servers/redis.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { lookupLease } from '../harness/vault-lists.ts';
import type { World } from '../harness/world.ts';
import { cycles, engineWorld, secretOf } from './engine-world.ts';

let world: World;
let mariadb: Mariadb;
let redis: Redis;

beforeAll(async () => {
  [mariadb, redis, world] = await Promise.all([
    startMariadb(),
    startRedis(),
    engineWorld('path "database/creds/+" { capabilities = ["read"] }', {
      postgres: { path: 'database/creds/report' },
      mariadb: { path: 'database/creds/mariadb' },
      redis: { path: 'database/creds/redis' },
    }),
  ]);
  // https://developer.hashicorp.com/vault/docs/secrets/databases/mysql-maria
  await administer(world, 'POST', 'database/config/mariadb', {
    plugin_name: 'mysql-database-plugin',
    allowed_roles: ['mariadb'],
    connection_url: `{{username}}:{{password}}@tcp(127.0.0.1:${mariadb.port})/`,
    username: mariadb.user,
    password: mariadb.password,
  });
  await administer(world, 'POST', 'database/roles/mariadb', {
    db_name: 'mariadb',
    creation_statements: [
      "create user '{{name}}'@'127.0.0.1' identified by '{{password}}'",
      "grant select on app.* to '{{name}}'@'127.0.0.1'",
    ],
    revocation_statements: ["drop user if exists '{{name}}'@'127.0.0.1'"],
    default_ttl: '1h',
    max_ttl: '24h',
  });
  // https://developer.hashicorp.com/vault/docs/secrets/databases/redis
  await administer(world, 'POST', 'database/config/redis', {
    plugin_name: 'redis-database-plugin',
    allowed_roles: ['redis'],
    host: '127.0.0.1',
    port: redis.port,
    username: redis.user,
    password: redis.password,
  });
  await administer(world, 'POST', 'database/roles/redis', {
    db_name: 'redis',
    creation_statements: ['["~app:*", "+@read", "+@write", "+@connection"]'],
    default_ttl: '1h',
    max_ttl: '24h',
  });
});

afterAll(async () => {
  await Promise.all([world?.close(), mariadb?.stop(), redis?.stop()]);
});

/** Vault's own users, not those that were there before. */
const mariadbUsers = async (): Promise<string[]> =>
  (await mariadb.query("select user from mysql.user where user like 'v-%'")).flat();
const redisUsers = async (): Promise<string[]> =>
  (await redis.command('acl', 'users')).split('\n').filter((user) => user.startsWith('V_'));

describe('twenty tasks of each leave nothing', () => {
  test('PostgreSQL: each login works until its stop, and no role is left', async () => {
    await cycles(world, 'postgres', ({ username, password }) =>
      canLogin(world.postgres.port, 'postgres', username, password),
    );
    expect(await world.pgRoles()).toEqual([]);
  });

  test('MariaDB: each login works with its client until its stop, and no user is left', async () => {
    await cycles(world, 'mariadb', async ({ username, password }) => {
      const { code, stdout, stderr } = await mariadbClient(
        mariadb.port,
        username,
        password,
        'select 1+1',
        'app',
      );
      if (code !== 0) expect(stderr).toContain('Access denied');
      return code === 0 && stdout.trim() === '2';
    });
    expect(await mariadbUsers()).toEqual([]);
  });

  test('Redis: each ACL user works with redis-cli until its stop, and none is left', async () => {
    await cycles(world, 'redis', async ({ username, password }) => {
      const { stdout, stderr } = await redisClient(redis.port, username, password, ['set', 'app:x', '1']);
      if (stdout.trim() !== 'OK') expect(`${stdout}${stderr}`).toMatch(/WRONGPASS|NOAUTH/);
      return stdout.trim() === 'OK';
    });
    expect(await redisUsers()).toEqual([]);
  });
});

describe.each([
  ['postgres', 'database/creds/report'],
  ['mariadb', 'database/creds/mariadb'],
  ['redis', 'database/creds/redis'],
])('%s', (name, path) => {
  test('the lease is cut to the task that it is for, whatever its role gives', async () => {
    const task = `cut-${name}`;
    await startTask(world, task, name, { duration: '2m' });
    const [id] = await until('there is its lease', async () =>
      (await world.vaultLeases()).filter((lease) => lease.startsWith(`${path}/`)),
    );
    const cut = await until('it is cut', async () => {
      const lease = await lookupLease(world.vault, id!);
      return lease !== undefined && lease.ttl <= 120 ? lease : undefined;
    });
    expect(cut.ttl).toBeGreaterThan(60);
    if (name === 'postgres') {
      const { username } = await secretOf(world, task);
      const [row] = await world.postgres.query(
        `select extract(epoch from rolvaliduntil - now())::int as left from pg_roles where rolname = $1`,
        [username],
      );
      // Vault adds five seconds of its own.
      expect(row!.left).toBeLessThanOrEqual(126);
    }
    await stopTask(world, task);
  });
});

test('a user name fits MariaDB: 32 characters at most, whatever task and profile are called', async () => {
  const task = `a-task-with-a-name-of-many-words-${'x'.repeat(60)}`;
  await startTask(world, task, 'mariadb');
  const { username } = await secretOf(world, task);
  expect(username.length).toBeLessThanOrEqual(32);
  await stopTask(world, task);
});
