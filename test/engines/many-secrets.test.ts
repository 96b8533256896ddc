// Owns the bar of a task with many secrets: they are asked for all at once, and one that is refused takes the others with
// it. The engines stand a fixed way off, as they do in a network, so that what is compared is waiting and not the speed
// of this machine.
import { connect, createServer, type Socket, type Server as TcpServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.ts';
import { administer } from '../harness/administer.ts';
import { profile } from '../harness/sample-profiles.ts';
import { type Mariadb, startMariadb } from '../harness/servers/mariadb.ts';
import { type Redis, startRedis } from '../harness/servers/redis.ts';
import { type Slapd, startSlapd } from '../harness/servers/slapd.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import type { World } from '../harness/world.ts';
import { engineWorld } from './engine-world.ts';

/** From Vault to each engine and back. */
const AWAY_MS = 150;
const ROUNDS = 5;

let world: World;
let mariadb: Mariadb;
let redis: Redis;
let slapd: Slapd;
const roads: TcpServer[] = [];

/** A port behind which `port` is, every byte that goes there AWAY_MS late. */
const farAway = async (port: number): Promise<number> => {
  const server = createServer((near) => {
    const far: Socket = connect(port, '127.0.0.1');
    near.on('data', (bytes) => setTimeout(() => far.writable && far.write(bytes), AWAY_MS));
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => setTimeout(() => other.destroy(), AWAY_MS));
    }
  });
  const at = await freePort();
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  roads.push(server);
  return at;
};

const PATHS = {
  'maria-a': 'database/creds/maria-a',
  'maria-b': 'database/creds/maria-b',
  'redis-a': 'database/creds/redis-a',
  'redis-b': 'database/creds/redis-b',
  'ldap-a': 'ldap/creds/a',
  'ldap-b': 'ldap/creds/b',
  'tls-a': 'pki/issue/app',
  'tls-b': 'pki/issue/other',
};
const secretAt = (name: string, path: string) => ({
  path,
  ...(path.startsWith('pki/') ? { method: 'write', body: { common_name: 'a.internal' } } : {}),
  files: { [`${name}.json`]: { format: 'json' } },
});
const all = Object.fromEntries(Object.entries(PATHS).map(([name, path]) => [name, secretAt(name, path)]));
const of = (secrets: Record<string, unknown>) =>
  profile({ vault: { policies: ['tasklease-test-engine'] }, secrets });

beforeAll(async () => {
  [mariadb, redis, slapd, world] = await Promise.all([
    startMariadb(),
    startRedis(),
    startSlapd(),
    engineWorld(
      ['database/creds/+', 'ldap/creds/+']
        .map((path) => `path "${path}" { capabilities = ["read"] }`)
        .concat('path "pki/issue/+" { capabilities = ["update"] }')
        .join('\n'),
      {},
      {
        profiles: {
          eight: of(all),
          'one-refused': of({ ...all, 'ldap-b': secretAt('ldap-b', 'ldap/creds/no-such-role') }),
          ...Object.fromEntries(Object.entries(all).map(([name, secret]) => [name, of({ [name]: secret })])),
        },
      },
    ),
  ]);
  const [toMariadb, toRedis, toSlapd] = await Promise.all(
    [mariadb.port, redis.port, slapd.port].map(farAway),
  );
  // Two connections each: Vault lets one connection make one user at a time, whoever asks.
  for (const letter of ['a', 'b']) {
    await administer(world, 'POST', `database/config/maria-${letter}`, {
      plugin_name: 'mysql-database-plugin',
      allowed_roles: ['*'],
      connection_url: `{{username}}:{{password}}@tcp(127.0.0.1:${toMariadb})/`,
      username: mariadb.user,
      password: mariadb.password,
    });
    await administer(world, 'POST', `database/config/redis-${letter}`, {
      plugin_name: 'redis-database-plugin',
      allowed_roles: ['*'],
      host: '127.0.0.1',
      port: toRedis,
      username: redis.user,
      password: redis.password,
    });
    await administer(world, 'POST', `database/roles/maria-${letter}`, {
      db_name: `maria-${letter}`,
      creation_statements: ["create user '{{name}}'@'127.0.0.1' identified by '{{password}}'"],
      revocation_statements: ["drop user if exists '{{name}}'@'127.0.0.1'"],
      default_ttl: '1h',
    });
    await administer(world, 'POST', `database/roles/redis-${letter}`, {
      db_name: `redis-${letter}`,
      creation_statements: ['["~app:*", "+@read"]'],
      default_ttl: '1h',
    });
  }
  await administer(world, 'POST', 'sys/mounts/ldap', { type: 'ldap' });
  await administer(world, 'POST', 'ldap/config', {
    binddn: slapd.adminDn,
    bindpass: slapd.password,
    url: `ldap://127.0.0.1:${toSlapd}`,
    schema: 'openldap',
    userdn: slapd.people,
  });
  const dn = `dn: uid={{.Username}},${slapd.people}`;
  for (const letter of ['a', 'b']) {
    await administer(world, 'POST', `ldap/role/${letter}`, {
      creation_ldif: `${dn}\nobjectClass: inetOrgPerson\nuid: {{.Username}}\ncn: a\nsn: a\nuserPassword: {{.Password}}`,
      deletion_ldif: `${dn}\nchangetype: delete`,
      rollback_ldif: `${dn}\nchangetype: delete`,
      default_ttl: '1h',
    });
  }
  const { data } = await administer(world, 'GET', 'pki/roles/app');
  await administer(world, 'POST', 'pki/roles/other', data);
});

afterAll(async () => {
  await world?.close();
  for (const road of roads) road.close();
  await Promise.all([mariadb?.stop(), redis?.stop(), slapd?.stop()]);
});

let count = 0;
/** How long a start of this profile takes until it answers. */
const startMs = async (name: string): Promise<number> => {
  count += 1;
  const task = `${name}-${count}`;
  const before = performance.now();
  await startTask(world, task, name);
  const took = performance.now() - before;
  expectProved(await stopTask(world, task), name === 'eight' ? 8 : 1);
  return took;
};

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;

test('a start with eight secrets over four engines takes about as long as the slowest of them alone', async () => {
  for (const name of [...Object.keys(PATHS), 'eight']) await startMs(name);
  const alone = new Map<string, number[]>();
  const together: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of Object.keys(PATHS)) {
      alone.set(name, [...(alone.get(name) ?? []), await startMs(name)]);
    }
    together.push(await startMs('eight'));
  }
  const each = [...alone].map(([name, list]) => [name, median(list)] as const);
  const slowest = Math.max(...each.map(([, ms]) => ms));
  const sum = each.reduce((total, [, ms]) => total + ms, 0);
  const ratio = median(together) / slowest;
  const said = `${median(together).toFixed(0)} ms together, slowest ${slowest.toFixed(0)} ms, sum ${sum.toFixed(0)} ms`;
  console.log(`eight secrets: ${said}, ratio ${ratio.toFixed(2)}`);
  expect(ratio, said).toBeLessThanOrEqual(1.5);
  await world.untilNothingLeft();
});

test('one refused secret of eight leaves nothing of the other seven', async () => {
  for (let n = 1; n <= 5; n += 1) {
    const reply = await world.api('PUT', `/v1/tasks/refused-${n}`, { profile: 'one-refused' });
    expect(reply.body.detail).toContain('ldap/creds/no-such-role');
    expectProblem(reply, reply.status, reply.body.code);
    expect(world.taskDirs()).toEqual([]);
  }
  await world.untilNothingLeft();
  expect(await slapd.find('(uid=v_*)')).toEqual([]);
  expect((await mariadb.query("select user from mysql.user where user like 'v-%'")).flat()).toEqual([]);
  expect(await redis.command('acl', 'users')).not.toContain('V_');
});
