// Owns the command line as a user's shell would call it. Invariant: every command is awaited or killed by
// the test that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';

export type CommandResult = {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
};

export type RunningCommand = {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<CommandResult>;
  readonly stdout: () => string;
  readonly stderr: () => string;
};

export type CommandOptions = { env?: NodeJS.ProcessEnv; input?: string };

/** Starts `tasklease ARGS` and answers it while it runs. */
export const startCommand = (args: readonly string[], options: CommandOptions = {}): RunningCommand => {
  const child = spawn(TASKLEASE, args, {
    env: { ...bareEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    // Not 'close': a CMD that `run` left behind may hold the pipes for as long as it lives.
    child.once('exit', (code, signal) => setImmediate(() => resolve({ code, signal, stdout, stderr })));
  });
  return { pid: child.pid ?? -1, child, ended, stdout: () => stdout, stderr: () => stderr };
};

/** Runs `tasklease ARGS` to its end. */
export const runCommand = async (
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> => {
  const command = startCommand(args, options);
  const closed = new Promise<void>((resolve) => command.child.once('close', () => resolve()));
  const result = await command.ended;
  await closed;
  return { ...result, stdout: command.stdout(), stderr: command.stderr() };
};
