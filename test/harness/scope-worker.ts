// A program that leases as a user's would: `await using` scopes through the packed client, some of which throw, and at
// the end kill -9 of itself in the middle of one. Invariant: it says on standard output what became of each scope, a
// line each, before the next thing happens.
import { readFileSync } from 'node:fs';
import { connect, type StartOptions, type Task, TaskleaseError } from 'tasklease/client';

/** What one program does; its argument, as JSON. */
export type Work = {
  /** The number of its first scope. */
  first: number;
  /** How many scopes; the last one is killed. */
  scopes: number;
  start: StartOptions;
  /** How far into the last scope, and how long after that, it kills itself. */
  killAt: 'starting' | 'started' | 'reading' | 'stopping';
  killAfterMs: number;
  /** Starts that fail are tried again: the agent is killed meanwhile. */
  persistent: boolean;
};

/** What became of a scope. */
export type Said = { scope: number; end: 'returned' | 'threw' | 'refused' | 'killing'; code?: string };

const THROWS_EACH = 3;
const LANES = 3;

if (import.meta.main) {
  const work = JSON.parse(process.argv[2]!) as Work;
  const client = connect();
  const say = (said: Said) => process.stdout.write(`${JSON.stringify(said)}\n`);
  const kill = () => process.kill(process.pid, 'SIGKILL');
  const killSoon = () => setTimeout(kill, work.killAfterMs);

  class OnPurpose extends Error {}

  const once = async (scope: number): Promise<Said> => {
    try {
      await using task = await client.start(work.start);
      for (const file of (await task.status()).files) {
        if ((await task.read(file)) === '') throw new Error(`${file} is empty`);
      }
      if (scope % THROWS_EACH === 0) throw new OnPurpose();
      return { scope, end: 'returned' };
    } catch (error) {
      if (error instanceof OnPurpose) return { scope, end: 'threw' };
      if (error instanceof TaskleaseError) return { scope, end: 'refused', code: error.message };
      throw error;
    }
  };

  const lane = async (scopes: number[]): Promise<void> => {
    for (let scope = scopes.shift(); scope !== undefined; scope = scopes.shift()) {
      for (let said = await once(scope); ; said = await once(scope)) {
        if (said.end !== 'refused' || !work.persistent) {
          say(said);
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };

  const last = work.first + work.scopes - 1;
  const scopes = Array.from({ length: work.scopes - 1 }, (_, n) => work.first + n);
  await Promise.all(Array.from({ length: LANES }, () => lane(scopes)));

  say({ scope: last, end: 'killing' });
  if (work.killAt === 'starting') killSoon();
  const start = async (): Promise<Task> => {
    try {
      return await client.start(work.start);
    } catch (error) {
      if (!(work.persistent && error instanceof TaskleaseError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return start();
    }
  };
  await using task = await start();
  if (work.killAt === 'started') killSoon();
  else if (work.killAt === 'reading') {
    for (const file of (await task.status()).files) readFileSync(task.path(file));
    kill();
  } else if (work.killAt === 'stopping') {
    killSoon();
    await task.stop();
  }
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
