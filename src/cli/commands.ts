// Owns the dispatch of the command line. Invariant: a command's code is loaded only when it is the one that
// runs, so that `tasklease health` in a probe does not pay for the agent.

import { type Command, Exit, RunExit } from './command.ts';
import { UsageError } from './failure.ts';
import { type Listed, programUsage } from './help.ts';
import { nearest } from './nearest.ts';
import { print } from './output.ts';
import { report } from './report.ts';
import { version } from './version.ts';
import * as voice from './voice.ts';

export type Loader = () => Promise<{ readonly command: Command }>;

/** Commands that are more than clients of the socket: their code is above this layer and handed in. */
export type Outside = Readonly<Record<string, Loader>>;

interface Entry extends Listed {
  readonly load?: Loader;
  /** Its code comes from the caller of main. */
  readonly outside?: true;
  /** Exit code of a wrong command line, where it is not 2. */
  readonly usageExit?: number;
}

/** In the order of `tasklease --help`. */
export const entries: readonly Entry[] = [
  {
    name: 'run',
    summary: 'run a command with leased secrets and revoke them when it ends',
    load: () => import('./run.ts'),
    // CMD may exit with 2 itself; 125 is never CMD's word by accident (as with env, timeout, docker run).
    usageExit: RunExit.failed,
  },
  { name: 'start', summary: 'start a task', load: () => import('./start.ts') },
  { name: 'stop', summary: 'stop a task and wait for the proof', load: () => import('./stop.ts') },
  { name: 'status', summary: 'show tasks', load: () => import('./status.ts') },
  { name: 'extend', summary: 'give a task more time', load: () => import('./extend.ts') },
  { name: 'events', summary: 'follow what happens', load: () => import('./events.ts') },
  { name: 'top', summary: 'watch tasks, revocations and Vault live', load: () => import('./top.ts') },
  { name: 'health', summary: 'ask whether the agent is ready', load: () => import('./health.ts') },
  { name: 'agent', summary: 'the sidecar', outside: true },
  { name: 'init', summary: 'write a first configuration, profile and policies', outside: true },
  { name: 'explain', summary: 'show what a start would do, without leasing', outside: true },
  { name: 'doctor', summary: 'check everything that the agent depends on', outside: true },
  { name: 'schema', summary: 'print JSON Schemas for editors', load: () => import('./schema.ts') },
  {
    name: 'approve',
    summary: 'approve a task that waits for it (admin socket)',
    load: () => import('./approve.ts'),
  },
  {
    name: 'deny',
    summary: 'deny a task that waits for approval (admin socket)',
    load: () => import('./deny.ts'),
  },
  {
    name: 'revoke-all',
    summary: 'kill switch: stop every task now (admin socket)',
    load: () => import('./revoke-all.ts'),
  },
  {
    name: 'drain',
    summary: 'take no new task and stop all (admin socket)',
    load: () => import('./drain.ts'),
  },
  {
    name: 'abandon',
    summary: 'give up on a revocation that cannot be proved (admin socket)',
    load: () => import('./abandon.ts'),
  },
  { name: 'audit', summary: 'who had which credential, until when, and the proof', outside: true },
  {
    name: 'policy',
    summary: 'the least Vault policies that profiles need: render, lint, diff, apply, test',
    outside: true,
  },
  {
    name: 'dev',
    summary: 'from a clone: a real Vault, a database and a guided tour',
    outside: true,
  },
];

/** Runs one command line (without node and script); resolves to the exit code and never throws. */
export async function main(argv: string[], outside: Outside = {}): Promise<number> {
  const [name, ...args] = argv;
  if (name === '--version' || name === '-V') {
    print(version);
    return Exit.ok;
  }
  if (name === '--help' || name === '-h' || name === 'help') return help(args[0], outside);
  if (name === undefined) return report('', new UsageError(voice.noCommand, voice.listCommands));
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry === undefined) return report('', unknown(name, args));
  try {
    const load = entry.load ?? outside[entry.name];
    if (load === undefined) throw new Error(`nobody brought the command ${entry.name}`);
    const { command } = await load();
    if (asksForHelp(args)) {
      print((await command.usageOf?.(args[0] ?? '')) ?? command.usage);
      return Exit.ok;
    }
    return await command.run(args);
  } catch (error) {
    const code = report(name, error);
    return entry.usageExit ?? code;
  }
}

/** `--help` anywhere before `--`: what comes after belongs to CMD. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

async function help(name: string | undefined, outside: Outside): Promise<number> {
  if (name === undefined) {
    print(programUsage(entries));
    return Exit.ok;
  }
  return entries.some((entry) => entry.name === name)
    ? main([name, '--help'], outside)
    : report('', unknown(name, []));
}

function unknown(name: string, args: readonly string[]): UsageError {
  const meant = nearest(
    name,
    entries.map((entry) => entry.name),
  );
  const next = meant === undefined ? voice.listCommands : ['tasklease', meant, ...args].join(' ');
  const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new UsageError(`${voice.unknownCommand(name)}${guess}`, next);
}
