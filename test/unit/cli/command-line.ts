// Owns the running of the command line as a process of its own: what a shell sees of it.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The Node that the development dependencies pin: the sources need its type stripping. */
export const node = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
const commands = new URL('../../../src/cli/commands.ts', import.meta.url).href;
const entry = `import(${JSON.stringify(commands)}).then(({ main }) => main(process.argv.slice(1))).then((code) => process.exit(code))`;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it has printed so far. */
  stdout(): string;
  /** Waits until stdout holds this text. */
  printed(text: string): Promise<void>;
}

export function launch(args: readonly string[], env: Record<string, string> = {}): Running {
  const { TASKLEASE_SOCKET: _s, TASKLEASE_ADMIN_SOCKET: _a, ...rest } = process.env;
  const child = spawn(node, ['--disable-proto=throw', '-e', entry, '--', ...args], {
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    // 'exit', not 'close': a CMD that outlives `run` keeps the pipes open.
    child.once('exit', (code, signal) => setTimeout(() => resolve({ code, signal, stdout, stderr }), 20));
  });
  const printed = async (text: string): Promise<void> => {
    for (let tries = 0; tries < 400; tries++) {
      if (stdout.includes(text)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`${text} was not printed; stdout: ${stdout}; stderr: ${stderr}`);
  };
  return { child, finished, stdout: () => stdout, printed };
}

export const tasklease = (args: readonly string[], env?: Record<string, string>): Promise<Finished> =>
  launch(args, env).finished;
