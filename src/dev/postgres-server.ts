// Owns one real PostgreSQL server for the demo and the tests: a cluster of its own in a directory
// that the caller gives and removes, on a free port of 127.0.0.1, without a Unix socket. It never
// runs as root and leaves no user, no shared memory and no socket behind. Durability is off: a test
// cluster that loses its disk is made anew.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type QueryResult } from 'pg';
import { type Child, launch, logTail, untilReady } from './children.ts';
import { freePort } from './free-port.ts';
import { openTheWay, postgresPrograms, unprivilegedUser } from './postgres-binaries.ts';

export type PostgresServer = {
  readonly port: number;
  readonly host: '127.0.0.1';
  /** The superuser's name and password, for Vault's connection. */
  readonly user: 'postgres';
  readonly password: string;
  /** A connection URL for the superuser, database `postgres`. */
  readonly url: string;
  readonly pid: number;
  readonly dir: string;
  readonly logPath: string;
  /** For a person: where the programs came from. */
  readonly source: string;
  /** Runs SQL as the superuser and answers the rows. */
  query(sql: string, values?: unknown[], database?: string): Promise<Record<string, unknown>[]>;
  /** Fast shutdown: open connections are cut. */
  stop(): Promise<void>;
  /** SIGKILL to the postmaster, then waits for its end. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
};

const DURABILITY_OFF = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

const connect = async (
  port: number,
  database: string,
  user: string,
  password: string,
  host = '127.0.0.1',
): Promise<Client> => {
  const client = new Client({
    host,
    port,
    database,
    user,
    password,
    ssl: false,
    connectionTimeoutMillis: 5_000,
  });
  // A server that is shut down under an open connection must not end the test process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

/**
 * Whether PostgreSQL lets `user` in and runs a statement. False for a refusal by the server; any other
 * failure (nobody listens) is thrown, so that a dead server is not taken for a revoked credential.
 */
export const canLogin = async (
  port: number,
  database: string,
  user: string,
  password: string,
  host?: string,
): Promise<boolean> => {
  let client: Client | undefined;
  try {
    client = await connect(port, database, user, password, host);
    await client.query('select 1');
    return true;
  } catch (error) {
    // Class 28 is "invalid authorization specification" (PostgreSQL manual, appendix A).
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'string' && code.startsWith('28')) return false;
    throw error;
  } finally {
    await client?.end().catch(() => undefined);
  }
};

/** Makes a cluster in `dir` (default: a new temporary directory) and starts it. */
export const startPostgres = async (
  options: { dir?: string; log?: (line: string) => void } = {},
): Promise<PostgresServer> => {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'tasklease-pg-')));
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const user = unprivilegedUser();
  if (user !== undefined) {
    chownSync(dir, user.uid, user.gid);
    openTheWay(dir, user);
  }
  chmodSync(dir, 0o700);
  const programs = postgresPrograms(user, dir);
  const dataDir = join(dir, 'data');
  const logPath = join(dir, 'postgres.log');
  const password = randomBytes(18).toString('base64url');
  const as = user ?? {};
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: dir,
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(programs.libraryDir === undefined ? {} : { LD_LIBRARY_PATH: programs.libraryDir }),
  };

  const passwordFile = join(dir, 'superuser');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
  const initArguments = [
    `--pgdata=${dataDir}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-locale',
    '--no-sync',
    '--no-instructions',
  ];
  try {
    const initLog = join(dir, 'initdb.log');
    const initdb = await launch(programs.initdb, initArguments, {
      cwd: dir,
      env,
      logPath: initLog,
      // Killed harder, its bootstrap server would leave its shared memory behind.
      lastSignal: 'TERM',
      ...as,
    });
    const { code, signal } = await initdb.exited;
    if (code !== 0) {
      throw new Error(
        `initdb (from ${programs.source}) failed with ${signal ?? `exit ${code}`}:\n${logTail(initLog)}`,
      );
    }
  } finally {
    rmSync(passwordFile, { force: true });
  }

  let port = 0;
  let child: Child | undefined;

  const answers = async (): Promise<boolean> => {
    try {
      const client = await connect(port, 'postgres', 'postgres', password);
      await client.end();
      return true;
    } catch {
      return false;
    }
  };

  const spawnServer = async (): Promise<void> => {
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      // No Unix socket: its path has a length limit and nobody here needs it.
      'unix_socket_directories=',
      // Files in the data directory instead of segments in /dev/shm, which kill -9 would leave behind.
      'dynamic_shared_memory_type=mmap',
      'shared_buffers=16MB',
      'max_connections=200',
      ...DURABILITY_OFF,
    ];
    child = await launch(
      programs.postgres,
      ['-D', dataDir, ...settings.flatMap((setting) => ['-c', setting])],
      // SIGQUIT is PostgreSQL's immediate shutdown: at once, but its shared memory is given back.
      { cwd: dir, env, logPath, lastSignal: 'QUIT', ...as },
    );
    await untilReady('PostgreSQL', child, logPath, answers);
  };

  const startAgain = async (): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await spawnServer();
      } catch (error) {
        // After SIGKILL the old workers need a moment to notice and to leave the shared memory.
        if (attempt >= 20 || !logTail(logPath, 3).includes('shared memory block')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };

  for (let attempt = 1; ; attempt += 1) {
    port = await freePort();
    try {
      await spawnServer();
      break;
    } catch (error) {
      if (attempt >= 5 || !logTail(logPath).includes('Address already in use')) throw error;
    }
  }
  options.log?.(`PostgreSQL listens on 127.0.0.1:${port} (pid ${child!.pid}, from ${programs.source})`);

  return {
    port,
    host: '127.0.0.1',
    user: 'postgres',
    password,
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    get pid() {
      return child!.pid;
    },
    dir,
    logPath,
    source: programs.source,
    query: async (sql, values = [], database = 'postgres') => {
      const client = await connect(port, database, 'postgres', password);
      try {
        const result: QueryResult<Record<string, unknown>> | QueryResult<Record<string, unknown>>[] =
          await (values.length === 0 ? client.query(sql) : client.query(sql, values));
        // Several statements in one string answer one result each; the last one counts.
        return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    stop: async () => void (await child!.end('SIGINT', 15_000)),
    kill: async () => void (await child!.end('SIGKILL', 1_000)),
    start: async () => {
      if (child!.status() === undefined) return;
      await startAgain();
    },
  };
};
