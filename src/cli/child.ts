// Owns CMD as a process: is it there, start it, how did it end. Invariant: CMD inherits our standard
// streams and process group untouched, and an environment that differs by three names at most.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { RunExit } from './command.ts';

export type Found = 'found' | 'notFound' | 'noSuchFile' | 'notExecutable';

/** Looks CMD up as execvp(3) will, so that nothing is leased for a typo. */
export function lookUp(command: string, env: NodeJS.ProcessEnv = process.env): Found {
  if (command.includes('/')) {
    const found = inspect(command);
    return found === 'notFound' ? 'noSuchFile' : found;
  }
  if (command === '') return 'notFound';
  let best: Found = 'notFound';
  // POSIX: an empty element is the working directory; without PATH execvp uses a default of its own.
  for (const directory of (env.PATH ?? '/usr/local/bin:/bin:/usr/bin').split(delimiter)) {
    const found = inspect(join(directory === '' ? '.' : directory, command));
    if (found === 'found') return found;
    if (found === 'notExecutable') best = found;
  }
  return best;
}

function inspect(file: string): Found {
  try {
    if (!statSync(file).isFile()) return 'notExecutable';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' ? 'notExecutable' : 'notFound';
  }
  try {
    accessSync(file, constants.X_OK);
    return 'found';
  } catch {
    return 'notExecutable';
  }
}

/** How CMD ended: an exit code as a shell would say it, or the errno of a failed start. */
export type Ended = { readonly exitCode: number } | { readonly spawnError: string };

export interface Child {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** It has ended, whether that was heard of or not. */
  isOver(): boolean;
  /** SIGTERM; a stopped process is woken so that it can obey, as timeout(1) does. */
  terminate(): void;
}

export function spawnCommand(command: readonly string[], added: Readonly<Record<string, string>>): Child {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...added } });
  const ended = endOf(child);
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  return {
    ended,
    kill,
    isOver: () =>
      child.pid === undefined || child.exitCode !== null || child.signalCode !== null || isZombie(child.pid),
    terminate() {
      kill('SIGTERM');
      kill('SIGCONT');
    },
  };
}

/** proc_pid_stat(5): the state follows `pid (comm)`, and comm may hold anything. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false; // not Linux, or hidden from us
  }
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      if (child.pid === undefined)
        resolve({ spawnError: (error as NodeJS.ErrnoException).code ?? 'unknown' });
    });
    child.once('exit', (code, signal) => resolve({ exitCode: exitCodeOf(code, signal) }));
  });
}

/** CMD's own code, or 128 + the number of the signal that ended it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? RunExit.failed) : RunExit.signalBase + os.signals[signal];
}
