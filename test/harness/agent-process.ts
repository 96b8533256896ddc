// Owns one agent as an operator runs it: the built command, its configuration file, its log. Invariant:
// the process that is killed is the agent itself (its launcher execs), and it never outlives the test.
import { existsSync, readFileSync } from 'node:fs';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import { type Child, type ExitStatus, launch } from '../../src/dev/children.ts';
import { call } from './socket-api.ts';
import { until } from './until.ts';

/** Sockets that it is handed, as systemd does: name and descriptor, in this order. */
export type HandedOver = readonly (readonly [string, number])[];

/** The pid is known only when it runs: sd_listen_fds(3) wants it in the environment. */
const WITH_ITS_PID = 'export LISTEN_PID=$$; exec "$0" "$@"';

export type AgentProcess = {
  readonly pid: number;
  readonly running: boolean;
  /** Executes it; resolves once it runs, whatever comes of it. */
  launch(env?: NodeJS.ProcessEnv, handed?: HandedOver): Promise<void>;
  /** Executes it and waits until it says that it is ready. */
  start(env?: NodeJS.ProcessEnv, handed?: HandedOver): Promise<void>;
  /** Waits until `GET /v1/health?ready` says 200; fails when the process ends first. */
  ready(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill9(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  term(patienceMs?: number): Promise<ExitStatus>;
  exited(): Promise<ExitStatus>;
  /** Everything it ever wrote to standard output and standard error, over all its lives. */
  logs(): string;
};

export const agentProcess = (configPath: string, socketPath: string, logPath: string): AgentProcess => {
  let child: Child | undefined;
  const alive = (): Child => {
    if (child === undefined) throw new Error('the agent was not started');
    return child;
  };
  const logs = (): string => (existsSync(logPath) ? readFileSync(logPath, 'utf8') : '');
  const agent: AgentProcess = {
    get pid() {
      return alive().pid;
    },
    get running() {
      return child !== undefined && child.status() === undefined;
    },
    launch: async (env = {}, handed = []) => {
      if (agent.running) throw new Error('the agent runs already');
      const args = ['agent', '--config', configPath];
      const options = { logPath, env: { ...bareEnvironment(), ...env }, lastSignal: 'KILL' } as const;
      if (handed.length === 0) {
        child = await launch(TASKLEASE, args, options);
        return;
      }
      const names = handed.map(([name]) => name).join(':');
      child = await launch('/bin/sh', ['-c', WITH_ITS_PID, TASKLEASE, ...args], {
        ...options,
        env: { LISTEN_FDS: String(handed.length), LISTEN_FDNAMES: names, ...options.env },
        fds: handed.map(([, fd]) => fd),
      });
    },
    start: async (env = {}, handed = []) => {
      await agent.launch(env, handed);
      await agent.ready();
    },
    ready: async () => {
      let ended: ExitStatus | undefined;
      await until('the agent is ready', async () => {
        ended = alive().status();
        if (ended !== undefined) return true;
        return (await call(socketPath, 'GET', '/v1/health?ready')).status === 200;
      }).catch((error) => {
        throw new Error(`${(error as Error).message}\n${logs().slice(-3000)}`, { cause: error });
      });
      if (ended !== undefined) {
        throw new Error(`the agent ended with ${ended.signal ?? ended.code}:\n${logs().slice(-3000)}`);
      }
    },
    kill9: async () => void (await alive().end('SIGKILL', 10_000)),
    term: (patienceMs = 60_000) => alive().end('SIGTERM', patienceMs),
    exited: () => alive().exited,
    logs,
  };
  return agent;
};
