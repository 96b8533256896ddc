// Owns one real MariaDB server with an administrator for Vault's connection, over TCP only by name and password.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { program } from './program.ts';
import { mustRun, type Ran, run } from './run.ts';
import { type Server, serve } from './server.ts';

const PACKAGE = 'mariadb-server';

export type Mariadb = Server & {
  readonly user: string;
  readonly password: string;
  /** Runs SQL as the administrator; rows as lists of texts. */
  query(sql: string): Promise<string[][]>;
};

/** Runs SQL with MariaDB's own client as whoever; its exit code is 0 only when it was let in. */
export const mariadbClient = (
  port: number,
  user: string,
  password: string,
  sql: string,
  database = '',
): Promise<Ran> =>
  run(
    program('mariadb', 'mariadb-client'),
    [
      '--no-defaults',
      '--protocol=TCP',
      '--host=127.0.0.1',
      `--port=${port}`,
      `--user=${user}`,
      '--batch',
      '--skip-column-names',
      ...(database === '' ? [] : [`--database=${database}`]),
    ],
    { env: { MYSQL_PWD: password }, input: sql },
  );

/** Starts MariaDB with a database `app`. @param options further ones of mariadbd */
export const startMariadb = async (options: readonly string[] = []): Promise<Mariadb> => {
  const user = 'vaultadmin';
  const password = randomBytes(18).toString('base64url');
  const install = program('mariadb-install-db', PACKAGE);
  const daemon = program('mariadbd', PACKAGE);
  const server = await serve('mariadb', 1, async (dir, [port]) => {
    const data = join(dir, 'data');
    const runAs = `--user=${userInfo().username}`;
    await mustRun(
      install,
      [
        '--no-defaults',
        `--datadir=${data}`,
        '--skip-test-db',
        '--auth-root-authentication-method=normal',
        runAs,
      ],
      { env: { HOME: dir, TMPDIR: dir }, withinMs: 120_000 },
    );
    const first = join(dir, 'first.sql');
    await writeFile(
      first,
      `create database if not exists app;
drop user if exists 'root'@'127.0.0.1', 'root'@'::1';
create or replace user '${user}'@'127.0.0.1' identified by '${password}';
grant all privileges on *.* to '${user}'@'127.0.0.1' with grant option;\n`,
      { mode: 0o600 },
    );
    return {
      name: 'MariaDB',
      command: daemon,
      args: [
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(dir, 'm.sock')}`,
        `--pid-file=${join(dir, 'm.pid')}`,
        `--init-file=${first}`,
        '--skip-name-resolve',
        '--innodb-buffer-pool-size=16M',
        '--innodb-flush-log-at-trx-commit=0',
        '--key-buffer-size=1M',
        ...options,
        runAs,
      ],
      ready: async () => (await mariadbClient(port!, user, password, 'select 1')).code === 0,
    };
  });
  return Object.assign(server, {
    user,
    password,
    query: async (sql: string): Promise<string[][]> => {
      const { code, stdout, stderr } = await mariadbClient(server.port, user, password, sql);
      if (code !== 0) throw new Error(`MariaDB refused its administrator's "${sql}": ${stderr}`);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('\t'));
    },
  });
};
