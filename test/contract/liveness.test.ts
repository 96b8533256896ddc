// Owns the promises of the liveness port, on a simulated process table and on real processes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openLiveness } from '../../src/adapters/peer/liveness.ts';
import { Problem } from '../../src/domain/problem.ts';
import type { Liveness } from '../../src/ports/liveness.ts';
import { settle } from '../simulation/world/sim-clock.ts';
import { SimLiveness } from '../simulation/world/sim-liveness.ts';

interface Subject {
  readonly liveness: Liveness;
  /** A living process of this uid. */
  spawn(): Promise<{
    readonly pid: number;
    readonly uid: number;
    kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  }>;
  /** Long enough for a callback that is due. */
  pass(): Promise<void>;
}

const real = openLiveness();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => real.close());

function simulated(): Subject {
  const liveness = new SimLiveness();
  let pid = 100;
  return {
    liveness,
    pass: settle,
    async spawn() {
      pid += 1;
      const own = pid;
      liveness.spawn(own, 1000);
      return { pid: own, uid: 1000, kill: async () => liveness.kill(own) };
    },
  };
}

const onThisMachine = (): Subject => ({
  liveness: real,
  pass: () => sleep(200),
  async spawn() {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    return {
      pid: child.pid!,
      uid: process.getuid!(),
      async kill(signal = 'SIGKILL') {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      },
    };
  },
});

const subjects = [
  ['simulated', simulated],
  ['real', onThisMachine],
] as const;

describe.each(subjects)('liveness, %s', (_name, open) => {
  test.each(['SIGKILL', 'SIGTERM'] as const)('an end by %s is told once', async (signal) => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    let told = 0;
    liveness.watch(pid, uid, () => {
      told += 1;
    });
    await pass();
    expect(told).toBe(0);
    await kill(signal);
    await pass();
    expect(told).toBe(1);
    await pass();
    expect(told).toBe(1);
  });

  test('one that ends is told apart from one that lives', async () => {
    const { liveness, spawn: start, pass } = open();
    const [a, b] = [await start(), await start()];
    const gone: string[] = [];
    liveness.watch(a.pid, a.uid, () => gone.push('a'));
    liveness.watch(b.pid, b.uid, () => gone.push('b'));
    await b.kill();
    await pass();
    expect(gone).toEqual(['b']);
  });

  test('two watches on one process are told both, each once', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    const gone: number[] = [];
    liveness.watch(pid, uid, () => gone.push(1));
    const second = liveness.watch(pid, uid, () => gone.push(2));
    liveness.watch(pid, uid, () => gone.push(3));
    second.close();
    await kill();
    await pass();
    expect(gone.toSorted()).toEqual([1, 3]);
  });

  test('a closed watch is silent; closing again, or after the end, does nothing', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    let told = 0;
    const watch = liveness.watch(pid, uid, () => {
      told += 1;
    });
    const other = liveness.watch(pid, uid, () => undefined);
    watch.close();
    watch.close();
    await kill();
    await pass();
    other.close();
    expect(told).toBe(0);
  });

  test('of any owner, where the caller may bind any', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, kill } = await start();
    let told = false;
    liveness.watch(pid, null, () => {
      told = true;
    });
    await kill();
    await pass();
    expect(told).toBe(true);
  });

  test("someone else's process is refused, by pid and reason", async () => {
    const { liveness, spawn: start } = open();
    const { pid, uid } = await start();
    const attempt = () => liveness.watch(pid, uid + 1, () => undefined);
    expect(attempt).toThrow(Problem);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringContaining(String(pid)) }),
    );
  });

  test('a process that has ended is refused', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    await kill();
    await pass();
    expect(() => liveness.watch(pid, uid, () => undefined)).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID' }),
    );
  });

  test('no such pid is refused', () => {
    expect(() => open().liveness.watch(2 ** 22 + 7, null, () => undefined)).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID' }),
    );
  });
});

describe('liveness, real', () => {
  test('many ends are each told within a second', async () => {
    const subject = onThisMachine();
    const ended = new Map<number, number>();
    const processes = await Promise.all(Array.from({ length: 20 }, () => subject.spawn()));
    for (const { pid, uid } of processes)
      subject.liveness.watch(pid, uid, () => ended.set(pid, performance.now()));
    const killed = performance.now();
    await Promise.all(processes.map(({ kill }) => kill()));
    await subject.pass();
    expect(ended.size).toBe(20);
    expect(Math.max(...ended.values()) - killed).toBeLessThan(1000);
  });

  test('watches again after a time without any watch', async () => {
    const { spawn: start, pass } = onThisMachine();
    const own = openLiveness();
    const first = await start();
    let told = 0;
    own.watch(first.pid, first.uid, () => {
      told += 1;
    });
    await first.kill();
    await pass();
    const second = await start();
    own.watch(second.pid, second.uid, () => {
      told += 1;
    });
    await second.kill();
    await pass();
    expect(told).toBe(2);
    own.close();
  });

  test('closed, it tells nothing more', async () => {
    const { spawn: start, pass } = onThisMachine();
    const own = openLiveness();
    const { pid, uid, kill } = await start();
    let told = false;
    own.watch(pid, uid, () => {
      told = true;
    });
    own.close();
    await kill();
    await pass();
    expect(told).toBe(false);
  });
});
