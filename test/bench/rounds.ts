// Owns the rounds in which contenders are measured: latencies one task at a time, throughput and processor time in
// blocks, bytes through a counting proxy. Invariant: whoever is compared is measured in the same round, in an order
// that changes, so that neither always finds the machine warm.

import { inParallel } from '../harness/until.ts';
import type { Contender } from './contender.ts';
import type { CountingProxy, Wire } from './counting-proxy.ts';
import type { Engine } from './engines.ts';
import { timed } from './measure.ts';
import { treeMs } from './processor.ts';

export const LEVELS = [1, 8, 32] as const;

export interface Latencies {
  readonly start: number[];
  readonly stop: number[];
}

export interface Block {
  tasks: number;
  ms: number;
  /** Its own and Vault's, in milliseconds. */
  ownCpu: number;
  vaultCpu: number;
}

let named = 0;
/** No two tasks of a run share an id. */
const taskId = (): string => `bench-${++named}`;

const cycle = async (who: Contender, engine: Engine, into: Latencies): Promise<void> => {
  const held = await timed(into.start, () => who.start(engine, taskId()));
  if (who.stop !== undefined) await timed(into.stop, () => who.stop!(engine, held));
};

const unmeasured = (who: Contender, engine: Engine): Promise<void> =>
  cycle(who, engine, { start: [], stop: [] });

const WARM_TASKS = 800;
const WARM_WIDTH = 8;

/** What V8 compiles in the first tasks of a process that stays for days is in nobody's figures. */
export async function warm(engine: Engine, contenders: readonly Contender[]): Promise<void> {
  for (const who of contenders) {
    if (who.isCommand) continue;
    await inParallel(Array.from({ length: WARM_TASKS }), WARM_WIDTH, () => unmeasured(who, engine));
  }
}

const WARM_UP = 10;
/** A command is tried once in as many cycles of those that stay. */
const COMMANDS_EVERY = 15;

export async function latencies(
  engine: Engine,
  contenders: readonly Contender[],
  cycles: number,
): Promise<Map<string, Latencies>> {
  const seen = new Map(contenders.map(({ name }) => [name, { start: [], stop: [] } as Latencies]));
  const resident = contenders.filter(({ isCommand }) => !isCommand);
  const commands = contenders.filter(({ isCommand }) => isCommand);
  for (let n = -WARM_UP; n < cycles; n += 1) {
    const turn = n % COMMANDS_EVERY === 0 ? [...commands, ...resident] : resident;
    for (const who of rotated(turn, n)) {
      await cycle(who, engine, n < 0 ? { start: [], stop: [] } : seen.get(who.name)!);
    }
  }
  return seen;
}

const rotated = <T>(items: readonly T[], n: number): T[] => {
  const first = ((n % items.length) + items.length) % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
};

/** Tasks of one block, for those that stay and for commands; a block of the former is measured twice. */
const RESIDENT_TASKS = { 1: 30, 8: 80, 32: 128 } as const;
const COMMAND_TASKS = { 1: 4, 8: 16, 32: 32 } as const;

/** By contender's name and how many tasks are under way at once. */
export async function blocks(
  engine: Engine,
  contenders: readonly Contender[],
  vaultPid: number,
): Promise<Map<string, Record<number, Block>>> {
  const seen = new Map<string, Record<number, Block>>();
  for (const { name } of contenders) {
    seen.set(
      name,
      Object.fromEntries(LEVELS.map((width) => [width, { tasks: 0, ms: 0, ownCpu: 0, vaultCpu: 0 }])),
    );
  }
  for (const width of LEVELS) {
    const resident = contenders.filter(({ isCommand }) => !isCommand);
    const commands = contenders.filter(({ isCommand }) => isCommand);
    for (const who of [...resident, ...resident.toReversed(), ...commands]) {
      const count = (who.isCommand ? COMMAND_TASKS : RESIDENT_TASKS)[width];
      const into = seen.get(who.name)![width]!;
      const before = { at: performance.now(), own: who.cpuMs(), vault: treeMs(vaultPid) };
      await inParallel(Array.from({ length: count }), width, () => unmeasured(who, engine));
      into.tasks += count;
      into.ms += performance.now() - before.at;
      into.ownCpu += who.cpuMs() - before.own;
      into.vaultCpu += treeMs(vaultPid) - before.vault;
    }
  }
  return seen;
}

const WIRE_TASKS = 10;

/** What one task costs on the wire; connections that stay open were opened before. */
export async function wires(
  engine: Engine,
  contenders: readonly Contender[],
  proxy: CountingProxy,
): Promise<Map<string, Wire>> {
  const seen = new Map<string, Wire>();
  for (const who of contenders) {
    const tasks = who.isCommand ? 2 : WIRE_TASKS;
    if (!who.isCommand) for (let n = 0; n < 3; n += 1) await unmeasured(who, engine);
    const before = proxy.count();
    for (let n = 0; n < tasks; n += 1) await unmeasured(who, engine);
    const after = proxy.count();
    const each = (key: keyof Wire): number => (after[key] - before[key]) / tasks;
    seen.set(who.name, {
      sent: each('sent'),
      received: each('received'),
      connections: each('connections'),
    });
  }
  return seen;
}
