// Owns programs that a workload runs: another user than the agent, with `tasklease` in its PATH and the agent's socket
// in its environment. Invariant: none outlives its test, not even one whose `tasklease run` was killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import type { World } from './world.ts';

export interface Running {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  /** Exit code once it has ended, whoever still holds its pipes. */
  readonly ended: Promise<number | null>;
  /** The whole group: what a killed parent left behind too. */
  end(): void;
}

export const runAs = (
  uid: number,
  world: Pick<World, 'paths'>,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Running => {
  const bin = join(dirname(world.paths.secrets), 'bin');
  if (!existsSync(bin)) {
    mkdirSync(bin, { mode: 0o755 });
    symlinkSync(TASKLEASE, join(bin, 'tasklease'));
  }
  const bare = bareEnvironment();
  const child = spawn('setpriv', ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', ...command], {
    cwd: '/',
    detached: true,
    env: {
      ...bare,
      HOME: '/nonexistent',
      PATH: [bin, bare.PATH].join(delimiter),
      TASKLEASE_SOCKET: world.paths.socket,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => setImmediate(() => resolve(code)));
  });
  const end = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // Nobody of it is left.
    }
  };
  return { child, said, ended, end };
};
