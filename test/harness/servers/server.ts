// Owns what the servers of other makers have in common: a directory, free ports, a process that ends with the tests.
// Invariant: nothing is shared with another test file, and stop() leaves no process and no file.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Child,
  forgetDirectory,
  guardDirectory,
  launch,
  untilReady,
} from '../../../src/dev/children.ts';
import { freePort } from '../../../src/dev/free-port.ts';

export type Server = {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  readonly logPath: string;
  /** Ends the process; the data stay for start(). */
  halt(): Promise<void>;
  /** Starts it again on the same ports and data. */
  start(): Promise<void>;
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>;
};

export type Recipe = {
  /** For a person. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it takes work; polled. */
  ready(): Promise<boolean>;
};

/** How many free ports it needs: the first is `port`. */
export type Make = (dir: string, ports: readonly number[]) => Promise<Recipe>;

const ATTEMPTS = 3;

/** Runs a server; should another process have won one of its ports meanwhile, with other ports. */
export const serve = async (name: string, portCount: number, make: Make): Promise<Server> => {
  for (let attempt = 1; ; attempt += 1) {
    const dir = await mkdtemp(join(tmpdir(), `tasklease-${name}-`));
    guardDirectory(dir);
    await chmod(dir, 0o700);
    const remove = async (): Promise<void> => {
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      forgetDirectory(dir);
    };
    const ports = [];
    for (let n = 0; n < portCount; n += 1) ports.push(await freePort());
    const logPath = join(dir, 'server.log');
    let child: Child | undefined;
    try {
      const recipe = await make(dir, ports);
      const start = async (): Promise<void> => {
        if (child !== undefined && child.status() === undefined) return;
        child = await launch(recipe.command, [...recipe.args], {
          cwd: dir,
          env: {
            PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
            HOME: dir,
            TMPDIR: dir,
            ...recipe.env,
          },
          logPath,
        });
        await untilReady(recipe.name, child, logPath, recipe.ready, 120_000);
      };
      const halt = async (): Promise<void> => void (await child?.end('SIGTERM', 15_000));
      await start();
      return {
        host: '127.0.0.1',
        port: ports[0]!,
        get pid() {
          return child!.pid;
        },
        dir,
        logPath,
        halt,
        start,
        stop: async () => {
          await child?.end('SIGKILL', 5_000);
          await remove();
        },
      };
    } catch (error) {
      await child?.end('SIGKILL', 5_000);
      await remove();
      if (attempt >= ATTEMPTS || !/address (?:already )?in use|eaddrinuse/i.test(String(error))) throw error;
    }
  }
};
