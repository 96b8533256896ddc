// Owns a real agent, the built binary, as a child of the demo or a test. Invariant: it gets a bare
// environment (no VAULT_* of ours reaches it) and ends with us.
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callAgent } from './agent-api.ts';
import { type Child, launch, untilReady } from './children.ts';

/** The built executable, dist/tasklease.js. */
export const TASKLEASE = fileURLToPath(new URL('../../dist/tasklease.js', import.meta.url));

/** The environment for the executable: only what it needs to find Node. */
export const bareEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: [dirname(process.execPath), process.env.PATH ?? '/usr/bin:/bin'].join(delimiter),
  ...(process.env.HOME === undefined ? {} : { HOME: process.env.HOME }),
});

export type AgentProcess = {
  readonly pid: number;
  readonly exited: Child['exited'];
  /** SIGTERM: it revokes everything, then ends; SIGKILL after `patienceMs` (default 30 s). */
  stop(patienceMs?: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill(): Promise<void>;
};

/** Starts `tasklease agent --config` and waits until it is ready. Errors carry the end of its log. */
export const startAgent = async (options: {
  configPath: string;
  socketPath: string;
  logPath: string;
  env?: NodeJS.ProcessEnv;
}): Promise<AgentProcess> => {
  if (!existsSync(TASKLEASE)) throw new Error(`${TASKLEASE} is not there: run "npm run build" first`);
  const child = await launch(TASKLEASE, ['agent', '--config', options.configPath], {
    env: options.env ?? bareEnvironment(),
    logPath: options.logPath,
  });
  await untilReady('the agent', child, options.logPath, async () => {
    try {
      return (await callAgent(options.socketPath, 'GET', '/v1/health?ready')).status === 200;
    } catch {
      return false;
    }
  });
  return {
    pid: child.pid,
    exited: child.exited,
    stop: (patienceMs = 30_000) => child.end('SIGTERM', patienceMs),
    kill: async () => void (await child.end('SIGKILL', 1_000)),
  };
};
