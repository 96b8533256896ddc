// Owns the servers that the demo and the tests start. Invariant: none of them outlives this
// process, however it ends. They run in sessions of their own, so that Ctrl-C on the terminal
// reaches only us and we can close them in order; should we die without a word (kill -9), a small
// shell that holds the other end of a pipe sees the end of file and ends them, then removes the
// directories it was told of.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';

const REAPER = `
while read -r op signal what; do
  case $op in
    add) set -- "$@" "$signal:$what" ;;
    forget) for each do shift; [ "\${each#*:}" = "$what" ] || set -- "$@" "$each"; done ;;
  esac
done
for each do case $each in rm:*) ;; *) kill -"\${each%%:*}" "\${each#*:}" 2>/dev/null ;; esac; done
for each do case $each in rm:*) ;; *)
  n=0; while kill -0 "\${each#*:}" 2>/dev/null && [ $n -lt 50 ]; do
    read -r pid name state rest 2>/dev/null < "/proc/\${each#*:}/stat" && [ "$state" = Z ] && break
    sleep 0.1; n=$((n+1))
  done
  kill -KILL "\${each#*:}" 2>/dev/null ;;
esac; done
for each do case $each in rm:/*) rm -rf -- "\${each#*:}" ;; esac; done
`;

let reaper: { child: ChildProcess; stdin: Writable; ended: Promise<void> } | undefined;

const tellReaper = (line: string): void => {
  if (reaper === undefined) {
    const child = spawn('/bin/sh', ['-c', REAPER], {
      cwd: '/',
      detached: true,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    const stdin = child.stdin!;
    stdin.on('error', () => undefined);
    // Neither the shell nor the pipe may keep our own event loop alive.
    child.unref();
    (stdin as Writable & { unref(): void }).unref();
    reaper = { child, stdin, ended };
  }
  reaper.stdin.write(`${line}\n`);
};

/** Ends the watching shell; what is still registered is ended with it. Resolves when it is gone. */
export const releaseChildren = async (): Promise<void> => {
  const last = reaper;
  reaper = undefined;
  if (last === undefined) return;
  last.child.ref();
  last.stdin.end();
  await last.ended;
};

/** Has `dir` removed should this process die before `forgetDirectory` (absolute path, no newline). */
export const guardDirectory = (dir: string): void => tellReaper(`add rm ${dir}`);

/** Takes `guardDirectory` back, after the caller has removed the directory itself. */
export const forgetDirectory = (dir: string): void => {
  if (reaper !== undefined) tellReaper(`forget rm ${dir}`);
};

/** Has the process group led by `pid` ended should this process die before `forgetGroup`. */
export const guardGroup = (pid: number): void => tellReaper(`add KILL -${pid}`);

/** Takes `guardGroup` back, after the group's leader has ended. */
export const forgetGroup = (pid: number): void => {
  if (reaper !== undefined) tellReaper(`forget x -${pid}`);
};

export type ExitStatus = { code: number | null; signal: NodeJS.Signals | null };

/** A server process that we started and that ends with us. */
export type Child = {
  readonly pid: number;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** How it ended, or undefined while it runs. */
  readonly status: () => ExitStatus | undefined;
  /** Sends `signal` and waits; after `patienceMs` it is killed with SIGKILL. */
  readonly end: (signal: NodeJS.Signals, patienceMs: number) => Promise<ExitStatus>;
};

export type LaunchOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** Standard output and error are appended to this file. */
  logPath: string;
  /** What the watching shell sends if we die first (PostgreSQL tidies up on SIGQUIT). */
  lastSignal?: 'KILL' | 'QUIT' | 'TERM';
  /** Descriptors that it gets as 3, 4 and so on. */
  fds?: readonly number[];
};

/** Starts `command` in a session of its own. Rejects when it cannot be executed at all. */
export const launch = async (command: string, args: string[], options: LaunchOptions): Promise<Child> => {
  const log = openSync(options.logPath, 'a', 0o600);
  const child = spawn(command, args, {
    cwd: options.cwd ?? '/',
    env: options.env ?? {},
    detached: true,
    stdio: ['ignore', log, log, ...(options.fds ?? [])],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  let status: ExitStatus | undefined;
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => {
      status = { code, signal };
      if (reaper !== undefined) tellReaper(`forget x ${child.pid}`);
      resolve(status);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new Error(`cannot run ${command}: ${cause.message}`, { cause })));
  });
  const pid = child.pid!;
  tellReaper(`add ${options.lastSignal ?? 'KILL'} ${pid}`);
  return {
    pid,
    exited,
    status: () => status,
    end: async (signal, patienceMs) => {
      if (status !== undefined) return status;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      try {
        return await exited;
      } finally {
        clearTimeout(timer);
      }
    },
  };
};

/** The last lines of a log, for an error message about the server that wrote it. */
export const logTail = (logPath: string, lines = 8): string => {
  try {
    return readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
};

/** Polls `ready` until it is true. Fails when the process ends first or after `patienceMs`. */
export const untilReady = async (
  what: string,
  child: Child,
  logPath: string,
  ready: () => Promise<boolean>,
  patienceMs = 60_000,
): Promise<void> => {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await ready())) {
    const ended = child.status();
    if (ended !== undefined) {
      throw new Error(
        `${what} ended at once (${ended.signal ?? `exit ${ended.code}`}). Its log says:\n${logTail(logPath)}`,
      );
    }
    if (performance.now() > giveUpAt) {
      throw new Error(
        `${what} was not ready after ${patienceMs / 1000} s. Its log says:\n${logTail(logPath)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
};
