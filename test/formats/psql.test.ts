// Owns the proof that psql logs in with a delivered password file, a delivered service file and a delivered URL, as the
// user that the files are for, whatever the password is made of.

import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresServer, startPostgres } from '../../src/dev/postgres-server.ts';
import { program } from '../harness/servers/program.ts';
import { asReader, type Desk, HURTING, openDesk } from './desk.ts';

let postgres: PostgresServer;
let desk: Desk;
let psql: string;
beforeAll(async () => {
  psql = program('psql', 'postgresql-client');
  [postgres, desk] = await Promise.all([startPostgres(), openDesk()]);
});
afterAll(async () => {
  await Promise.all([postgres.stop(), desk.close()]);
});

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const identifier = (text: string): string => `"${text.replaceAll('"', '""')}"`;

async function login(username: string, password: string): Promise<{ username: string; password: string }> {
  await postgres.query(`set standard_conforming_strings = on; drop role if exists ${identifier(username)};
    create role ${identifier(username)} login password ${literal(password)}`);
  return { username, password };
}

const WHO = ['--no-psqlrc', '--no-password', '--tuples-only', '--no-align', '--command=select current_user'];

describe('pgpass', () => {
  test.each(HURTING)('psql logs in with the password %j', async (password) => {
    const secret = await login('app', password);
    const dir = await desk.deliver(
      { '.pgpass': { format: 'pgpass', host: '127.0.0.1', port: postgres.port, database: 'postgres' } },
      secret,
    );
    const url = `postgresql://app@127.0.0.1:${postgres.port}/postgres`;
    const ran = await asReader(psql, [...WHO, url], { env: { PGPASSFILE: join(dir, '.pgpass') } });
    expect(ran).toEqual({ code: 0, stdout: 'app\n', stderr: '' });
  });

  test.each(['us:er', 'us\\er', 'us er', '#user', '*', 'üser'])('and as the user %j', async (username) => {
    const secret = await login(username, 'p:w\\');
    const dir = await desk.deliver({ pass: { format: 'pgpass' } }, secret);
    const env = {
      PGPASSFILE: join(dir, 'pass'),
      PGHOST: '127.0.0.1',
      PGPORT: String(postgres.port),
      PGUSER: username,
      PGDATABASE: 'postgres',
    };
    expect(await asReader(psql, WHO, { env })).toEqual({ code: 0, stdout: `${username}\n`, stderr: '' });
  });

  test('a line for "*" as the user is for nobody else', async () => {
    await login('app', 'right');
    const dir = await desk.deliver({ pass: { format: 'pgpass' } }, { username: '*', password: 'right' });
    const url = `postgresql://app@127.0.0.1:${postgres.port}/postgres`;
    const { code, stderr } = await asReader(psql, [...WHO, url], { env: { PGPASSFILE: join(dir, 'pass') } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('no password supplied')]);
  });

  test.each([
    ['a\nb', 'holds a line break'],
    ['a\r', 'holds a line break'],
    ['a\0b', 'holds a NUL byte'],
  ])('%j cannot be in one: refused', async (password, why) => {
    expect(await desk.deliverOrNot({ pass: { format: 'pgpass' } }, { username: 'u', password })).toEqual({
      refused: `pass cannot be written: field password of secret db ${why}, which pgpass files cannot carry to their readers unchanged`,
    });
  });
});

describe('pg-service', () => {
  const rule = () =>
    ({
      format: 'pg-service',
      host: '127.0.0.1',
      port: postgres.port,
      database: 'postgres',
      sslmode: 'disable',
    }) as const;

  test.each(HURTING)('psql logs in with the password %j, or it is refused', async (password) => {
    const secret = await login('app', password);
    const delivered = await desk.deliverOrNot({ 'pg_service.conf': rule() }, secret);
    if ('refused' in delivered) {
      expect(password).toMatch(/\s$/);
      expect(delivered.refused).toContain('field password of secret db holds a blank at its end');
      return;
    }
    const env = { PGSERVICEFILE: join(delivered.dir, 'pg_service.conf'), PGSERVICE: 'db' };
    expect(await asReader(psql, WHO, { env })).toEqual({ code: 0, stdout: 'app\n', stderr: '' });
  });

  test('as long as a line may be, and no longer', async () => {
    for (const [password, fits] of [
      ['x'.repeat(1012), true],
      ['😀'.repeat(253), true],
      ['x'.repeat(1013), false],
      ['😀'.repeat(254), false],
    ] as const) {
      const delivered = await desk.deliverOrNot({ s: rule() }, await login('app', password));
      expect('dir' in delivered).toBe(fits);
      if ('refused' in delivered) continue;
      const env = { PGSERVICEFILE: join(delivered.dir, 's'), PGSERVICE: 'db' };
      expect((await asReader(psql, WHO, { env })).stdout).toBe('app\n');
    }
  });
});

describe('database-url', () => {
  test.each([...HURTING, 'line\nbreak'])(
    'psql and node-postgres log in with the password %j',
    async (password) => {
      const secret = await login('us:er@x', password);
      const dir = await desk.deliver(
        {
          url: {
            ...{ format: 'database-url', host: '127.0.0.1', port: postgres.port, database: 'postgres' },
            query: 'application_name=a%20b',
          },
        },
        secret,
      );
      const shell = ['-c', 'exec "$0" "$@" "$(cat "$URL")"', psql, ...WHO];
      expect(await asReader('sh', shell, { env: { URL: join(dir, 'url') } })).toEqual({
        ...{ code: 0, stdout: 'us:er@x\n', stderr: '' },
      });
      const { stdout: connectionString } = await asReader('cat', [join(dir, 'url')]);
      const client = new Client({ connectionString });
      await client.connect();
      const { rows } = await client.query('select current_user as who, current_setting($1) as name', [
        'application_name',
      ]);
      await client.end();
      expect(rows).toEqual([{ who: 'us:er@x', name: 'a b' }]);
    },
  );
});
