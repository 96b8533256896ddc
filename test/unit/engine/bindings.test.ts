// Owns the promises of what tasks are bound to: pinned before the task is accepted, the caller's own, the very same after
// a restart, and let go with the task.

import { describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { Bindings } from '../../../src/engine/bindings.ts';
import { SimLiveness } from '../../simulation/world/sim-liveness.ts';
import { caller } from '../domain/samples.ts';
import { taskId } from './house.ts';

const TASK = taskId('build-81');
const silent = () => {};
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function host() {
  const liveness = new SimLiveness();
  liveness.makeCgroup('/ci', 1000);
  liveness.spawn(42, 1000, '/ci');
  liveness.spawn(43, 2000);
  return { liveness, bindings: new Bindings(liveness) };
}

function refusal(run: () => unknown): Problem {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error('it was not refused');
}

describe('binding', () => {
  test('tells once when the process ends', async () => {
    const { liveness, bindings } = host();
    let ends = 0;
    expect(bindings.bind(TASK, { pid: 42 }, caller(), () => (ends += 1))).toBeTruthy();
    await turn();
    expect(ends).toBe(0);
    liveness.kill(42);
    await turn();
    expect(ends).toBe(1);
  });

  test('tells when the last process of a cgroup ends', async () => {
    const { liveness, bindings } = host();
    let ends = 0;
    bindings.bind(TASK, { cgroup: '/ci' }, caller(), () => (ends += 1));
    liveness.kill(42);
    await turn();
    expect(ends).toBe(1);
  });

  test.each([undefined, { connection: true } as const])('of %j watches nothing', (bind) => {
    const { bindings } = host();
    expect(bindings.bind(TASK, bind, caller({ pid: 0 }), silent)).toBeNull();
    expect(bindings.signal(TASK, 'SIGHUP')).toBe(false);
  });

  test('takes a process of the caller only; from the admin socket, any', () => {
    const { bindings } = host();
    expect(refusal(() => bindings.bind(TASK, { pid: 43 }, caller(), silent)).code).toBe('SIGNAL_INVALID');
    expect(bindings.bind(TASK, { pid: 43 }, caller({ admin: true }), silent)).toBeTruthy();
  });

  test.each([{ pid: 42 }, { cgroup: '/ci' }])(
    'of %j across pid namespaces is refused, with what to do',
    (bind) => {
      const { bindings } = host();
      const problem = refusal(() => bindings.bind(TASK, bind, caller({ pid: 0 }), silent));
      expect(problem).toMatchObject({
        code: 'SIGNAL_INVALID',
        hint: expect.stringContaining('"connection": true'),
      });
      expect(problem.message).toContain(`bind.${Object.keys(bind)[0]}`);
    },
  );
});

describe('after a restart', () => {
  const identity = (at: ReturnType<typeof host>, bind: { pid: number } | { cgroup: string }) =>
    at.bindings.bind(TASK, bind, caller(), silent);

  test.each([{ pid: 42 }, { cgroup: '/ci' }])(
    '%j is watched again when it is the very same',
    async (bind) => {
      const at = host();
      const bound = identity(at, bind);
      let ends = 0;
      new Bindings(at.liveness).rebind(TASK, bind, bound, () => (ends += 1));
      at.liveness.kill(42);
      await turn();
      expect(ends).toBe(1);
    },
  );

  test('a pid that was given to another process is refused', () => {
    const at = host();
    const bound = identity(at, { pid: 42 });
    at.liveness.kill(42);
    at.liveness.spawn(42, 1000);
    const next = new Bindings(at.liveness);
    expect(() => next.rebind(TASK, { pid: 42 }, bound, silent)).toThrow(Problem);
    expect(next.signal(TASK, 'SIGHUP')).toBe(false);
  });

  test('without an identity on record nothing is taken for the same', () => {
    const at = host();
    expect(() => new Bindings(at.liveness).rebind(TASK, { pid: 42 }, null, silent)).toThrow(Problem);
  });

  test('what was not bound, or bound to a connection, needs nothing', () => {
    const { bindings } = host();
    bindings.rebind(TASK, null, null, silent);
    bindings.rebind(TASK, { connection: true }, null, silent);
  });
});

describe('signals and release', () => {
  test('a signal reaches the process that was bound, not a later one of its pid', () => {
    const { liveness, bindings } = host();
    bindings.bind(TASK, { pid: 42 }, caller(), silent);
    expect(bindings.signal(TASK, 'SIGHUP')).toBe(true);
    expect(liveness.signals(42)).toEqual(['SIGHUP']);
    liveness.kill(42);
    liveness.spawn(42, 1000);
    expect(bindings.signal(TASK, 'SIGHUP')).toBe(false);
    expect(liveness.signals(42)).toEqual([]);
  });

  test('a cgroup has no one process to tell', () => {
    const { bindings } = host();
    bindings.bind(TASK, { cgroup: '/ci' }, caller(), silent);
    expect(bindings.signal(TASK, 'SIGHUP')).toBe(false);
  });

  test('what is released tells and takes nothing any more', async () => {
    const { liveness, bindings } = host();
    let ends = 0;
    bindings.bind(TASK, { pid: 42 }, caller(), () => (ends += 1));
    bindings.release(TASK);
    bindings.release(TASK);
    expect(bindings.signal(TASK, 'SIGHUP')).toBe(false);
    liveness.kill(42);
    await turn();
    expect(ends).toBe(0);
  });

  test('closing lets go of all', async () => {
    const { liveness, bindings } = host();
    let ends = 0;
    bindings.bind(TASK, { pid: 42 }, caller(), () => (ends += 1));
    bindings.bind(taskId('other'), { cgroup: '/ci' }, caller(), () => (ends += 1));
    bindings.close();
    liveness.kill(42);
    await turn();
    expect(ends).toBe(0);
  });
});
