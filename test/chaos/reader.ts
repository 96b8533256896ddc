// Owns a workload that reads its file in a loop and tries what it finds. Invariant: it opens files as a
// workload does, through `current`, and asks PostgreSQL itself whether the credential is good.
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { pause } from '../harness/until.ts';
import type { World } from '../harness/world.ts';

export type ReaderReport = {
  /** How often it looked. */
  readonly looks: number;
  /** Looks that found no file. */
  readonly missing: number;
  /** Looks at a file that was no whole JSON document, or at two files of different generations. */
  readonly torn: number;
  /** Looks at a credential that PostgreSQL refused. */
  readonly refused: number;
  /** Different logins it saw, in order. */
  readonly logins: readonly string[];
};

export type Reader = {
  /** Between `from` and now (performance.now()), how often a refused credential was read from the file. */
  refusedSince(from: number): number;
  readonly report: ReaderReport;
  stop(): Promise<ReaderReport>;
};

const CADENCE_MS = 100;

/** Both files through one look at `current`, as a reader does that opens the directory. */
const readGeneration = async (current: string): Promise<{ json: string; env: string | null }> => {
  const dir = await realpath(current);
  const json = await readFile(join(dir, 'db.json'), 'utf8');
  const env = await readFile(join(dir, 'db.env'), 'utf8').catch(() => null);
  return { json, env };
};

/**
 * Reads `db.json` of a task, and `db.env` of the same directory where there is one, until it is stopped.
 * PostgreSQL must be up.
 */
export const watchFile = (world: Pick<World, 'paths' | 'postgres'>, task: string): Reader => {
  const current = join(world.paths.secrets, task, 'current');
  const count = { looks: 0, missing: 0, torn: 0 };
  const logins: string[] = [];
  const refusals: number[] = [];
  let going = true;
  const report = (): ReaderReport => ({ ...count, refused: refusals.length, logins: [...logins] });

  const lookOnce = async (): Promise<void> => {
    count.looks += 1;
    const openedAt = performance.now();
    const seen = await readGeneration(current).catch(() => undefined);
    if (seen === undefined) {
      count.missing += 1;
      return;
    }
    let login: { username?: string; password?: string } = {};
    try {
      login = JSON.parse(seen.json);
    } catch {
      // Counted below.
    }
    const { username, password } = login;
    const mixed = seen.env !== null && !seen.env.includes(`${username}`);
    if (username === undefined || password === undefined || mixed) {
      count.torn += 1;
      return;
    }
    if (logins.at(-1) !== username) logins.push(username);
    if (await canLogin(world.postgres.port, 'postgres', username, password)) return;
    refusals.push(openedAt);
  };
  const run = (async () => {
    while (going) {
      await lookOnce();
      await pause(CADENCE_MS);
    }
  })();
  run.catch(() => undefined);
  return {
    refusedSince: (from) => refusals.filter((at) => at >= from).length,
    get report() {
      return report();
    },
    async stop() {
      going = false;
      await run;
      return report();
    },
  };
};
