// Owns the proof that the MariaDB client, redis-cli and an AMQP client log in with their delivered files, whatever the
// password is made of.

import { join } from 'node:path';
import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Mariadb, startMariadb } from '../harness/servers/mariadb.ts';
import { program } from '../harness/servers/program.ts';
import { type Rabbitmq, startRabbitmq } from '../harness/servers/rabbitmq.ts';
import { type Redis, startRedis } from '../harness/servers/redis.ts';
import { asReader, type Desk, HURTING, openDesk } from './desk.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

describe('my.cnf', () => {
  let mariadb: Mariadb;
  let client: string;
  beforeAll(async () => {
    client = program('mariadb', 'mariadb-client');
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb.stop());

  const literal = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
  const QUERY = ['--batch', '--skip-column-names', '--execute=select current_user(), database()'];

  async function whoAmI(username: string, password: string): Promise<string> {
    await mariadb.query(
      `create or replace user ${literal(username)}@'127.0.0.1' identified by ${literal(password)};
       grant all on app.* to ${literal(username)}@'127.0.0.1'`,
    );
    const dir = await desk.deliver(
      { 'my.cnf': { format: 'my.cnf', host: '127.0.0.1', port: mariadb.port, database: 'app' } },
      { username, password },
    );
    const ran = await asReader(client, [`--defaults-file=${join(dir, 'my.cnf')}`, ...QUERY]);
    return ran.code === 0 ? ran.stdout : ran.stderr;
  }

  test.each([
    ...HURTING,
    'line\nbreak\r\ttab\bbell',
    '"',
    "'",
    '"quoted"',
    ' ',
    '\\n',
    '\\',
    'x'.repeat(4084),
    '"'.repeat(2041),
  ])('the MariaDB client logs in with the password %j', async (password) => {
    expect(await whoAmI('app', password)).toBe('app@127.0.0.1\tapp\n');
  });

  test.each(['us#er', '"us er"', "us'er", 'us\\er'])('and as the user %j', async (username) => {
    expect(await whoAmI(username, 'pw')).toContain('@127.0.0.1\tapp\n');
  });

  test('a line is no longer than the clients read', async () => {
    const refused = await desk.deliverOrNot(
      { f: { format: 'my.cnf' } },
      { username: 'u', password: 'x'.repeat(4085) },
    );
    expect(refused).toEqual({
      refused: expect.stringContaining('password of secret db makes a line of more than 4094 bytes'),
    });
  });

  test('a user name that clients would send in character sets of their own is refused', async () => {
    const refused = await desk.deliverOrNot(
      { 'my.cnf': { format: 'my.cnf' } },
      { username: 'üser', password: 'p' },
    );
    expect(refused).toEqual({
      refused: expect.stringContaining('field username of secret db holds a character that is not'),
    });
  });

  test('a program that is no mysql client reads [client] alone, and finds no database there to refuse', async () => {
    await whoAmI('app', 'p#w');
    const dir = await desk.deliver(
      { 'my.cnf': { format: 'my.cnf', database: 'app' } },
      { username: 'a', password: 'p#w' },
    );
    const admin = program('mariadb-admin', 'mariadb-client');
    const ran = await asReader(admin, [`--defaults-file=${join(dir, 'my.cnf')}`, '--help']);
    expect([ran.code, ran.stderr]).toEqual([0, '']);
  });
});

describe('redis-url', () => {
  let redis: Redis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  const ask = (dir: string) =>
    asReader('sh', [
      '-c',
      '"$1" --no-auth-warning -u "$(cat "$2")" acl whoami',
      'sh',
      program('redis-cli', 'redis-tools'),
      join(dir, 'url'),
    ]);

  // Redis' ACL takes passwords without blanks at its command line only; here they come as one argument.
  test.each(HURTING)('redis-cli logs in with the password %j', async (password) => {
    await redis.command('acl', 'setuser', 'us:er@x', 'reset', 'on', `>${password}`, '~*', '+@all');
    const dir = await desk.deliver(
      { url: { format: 'redis-url', host: '127.0.0.1', port: redis.port, db: 3 } },
      { username: 'us:er@x', password },
    );
    expect(await ask(dir)).toEqual({ code: 0, stdout: 'us:er@x\n', stderr: '' });
  });

  test('a password alone is that of the default user', async () => {
    await redis.command('acl', 'setuser', 'default', 'reset', 'on', '>p@ss/w:rd', '~*', '+@all');
    const dir = await desk.deliver(
      { url: { format: 'redis-url', port: redis.port } },
      { password: 'p@ss/w:rd' },
    );
    expect((await ask(dir)).stdout).toBe('default\n');
    await redis.command('acl', 'setuser', 'default', 'off');
  });
});

describe('amqp-url', () => {
  let rabbitmq: Rabbitmq;
  beforeAll(async () => {
    rabbitmq = await startRabbitmq();
    await rabbitmq.manage('PUT', 'vhosts/jobs%2Fde');
  });
  afterAll(() => rabbitmq.stop());

  test.each([...HURTING, 'line\nbreak'])(
    'an AMQP client logs in with the password %j, or it is refused',
    async (password) => {
      const username = 'us:er@x/y';
      await rabbitmq.manage('PUT', `users/${encodeURIComponent(username)}`, { password, tags: '' });
      await rabbitmq.manage('PUT', `permissions/jobs%2Fde/${encodeURIComponent(username)}`, {
        ...{ configure: '.*', write: '.*', read: '.*' },
      });
      const delivered = await desk.deliverOrNot(
        { url: { format: 'amqp-url', host: '127.0.0.1', port: rabbitmq.port, vhost: 'jobs/de' } },
        { username, password },
      );
      if ('refused' in delivered) {
        expect(password).toMatch(/[^ -~]/);
        expect(delivered.refused).toContain('password of secret db holds a character that is not ASCII');
        return;
      }
      const { stdout: url } = await asReader('cat', [join(delivered.dir, 'url')]);
      const connection = await connect(url);
      try {
        const channel = await connection.createChannel();
        const { queue } = await channel.assertQueue('', { exclusive: true });
        expect(queue).not.toBe('');
      } finally {
        await connection.close();
      }
    },
  );
});
