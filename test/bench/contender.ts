// Owns what is compared: ways to give one task one credential and to take it back, and what each leaves undone.

import { join } from 'node:path';
import type { World } from '../harness/world.ts';
import { bareClient, sessionOf } from './bare-client.ts';
import type { Engine } from './engines.ts';
import { expectStatus, keptAlive } from './measure.ts';
import { endedChildrenMs, ownMs, treeMs } from './processor.ts';

/** What one start of a contender gave, as its own stop needs it. */
export type Held = unknown;

export interface Contender {
  readonly name: string;
  /** What is true once its stop has answered; in the table, so that speed is not bought by doing less. */
  readonly atStop: string;
  /** A process for every step, which takes long: measured less often. */
  readonly isCommand: boolean;
  start(engine: Engine, task: string): Promise<Held>;
  /** Absent where there is nothing to call. */
  readonly stop?: (engine: Engine, held: Held) => Promise<void>;
  /** Its own processor time so far, in milliseconds. */
  cpuMs(): number;
}

/** Enough for the widest round, and for the two look-ups that run side by side at its end. */
const SOCKETS = 64;

/** A keep-alive client that makes the same Vault calls as the agent. */
export async function theFloor(world: World, vaultPort: number): Promise<Contender> {
  const vault = keptAlive({ host: '127.0.0.1', port: vaultPort }, SOCKETS);
  const session = await sessionOf(world);
  return {
    name: 'bare client (the floor)',
    atStop: 'revoked, proved gone; writes no file and no record',
    isCommand: false,
    start: (engine) => bareClient(vault, session, engine).start(),
    stop: (engine, held) =>
      bareClient(vault, session, engine).stop(held as { lease_id: string; accessor: string }),
    cpuMs: ownMs,
  };
}

export function theAgent(world: World): Contender {
  const agent = keptAlive({ socketPath: world.paths.socket }, SOCKETS);
  return {
    name: 'tasklease, its socket',
    atStop: 'file gone, revoked, proved gone, on record',
    isCommand: false,
    async start({ profile }, task) {
      const path = `/v1/tasks/${task}`;
      expectStatus(await agent('PUT', path, { profile, duration: '10m' }), 201, `start of ${task}`);
      return path;
    },
    async stop(_engine, path) {
      expectStatus(await agent('DELETE', `${path}?wait=60s`), 200, `stop, ${path}`);
    },
    cpuMs: () => treeMs(world.agent.pid),
  };
}

/** The same by `tasklease start` and `tasklease stop`: what a shell script pays for starting Node twice. */
export function theCommands(world: World): Contender {
  const call = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await world.cli(args);
    if (code !== 0) throw new Error(`tasklease ${args.join(' ')}: exit ${code}\n${stderr}`);
  };
  return {
    name: 'tasklease start, stop',
    atStop: 'file gone, revoked, proved gone, on record',
    isCommand: true,
    async start({ profile }, task) {
      await call('start', '--profile', profile, '--task', task, '--duration', '10m');
      return task;
    },
    stop: (_engine, task) => call('stop', task as string),
    cpuMs: () => treeMs(world.agent.pid) + endedChildrenMs(),
  };
}

/** Where contenders that write files themselves do so: beside the agent's own, on the same tmpfs. */
export const besideSecrets = (world: World): string => join(world.paths.secrets, '..', 'beside');
