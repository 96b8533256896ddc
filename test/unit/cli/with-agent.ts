// Owns the setting of the command line's tests. Invariant: every test of a file that imports this has a stand-in for
// the agent of its own, listening before it and gone after it.

import { afterEach, beforeEach } from 'vitest';
import { type Finished, launch, type Running, tasklease } from './command-line.ts';
import { FakeAgent } from './fake-agent.ts';

export let agent: FakeAgent;
beforeEach(async () => {
  agent = await FakeAgent.listening();
});
afterEach(() => agent[Symbol.asyncDispose]());

/** A command that finds both sockets of the agent by the environment. */
export const cli = (...args: string[]): Promise<Finished> =>
  tasklease(args, { TASKLEASE_SOCKET: agent.socket, TASKLEASE_ADMIN_SOCKET: agent.socket });

/** `tasklease run` of task t1. */
export const runArgs = (...cmd: string[]): string[] => [
  'run',
  '--socket',
  agent.socket,
  '--profile',
  'report-read',
  '--task',
  't1',
  '--',
  ...cmd,
];

export const run = (...cmd: string[]): Promise<Finished> => tasklease(runArgs(...cmd));
/** The same, while it runs. */
export const launchRun = (...cmd: string[]): Running => launch(runArgs(...cmd));
