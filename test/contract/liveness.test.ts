// Owns the promises of the liveness port, on a simulated process table and on real processes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openLiveness } from '../../src/adapters/peer/liveness.ts';
import { Problem } from '../../src/domain/problem.ts';
import { until } from '../harness/until.ts';
import { callerIs, cleanUp, closeAll, onThisMachine, simulated } from './liveness-subjects.ts';

afterEach(cleanUp);
afterAll(closeAll);

const subjects = [
  ['simulated', simulated],
  ['real', onThisMachine],
] as const;

describe.each(subjects)('liveness, %s', (_name, open) => {
  test.each(['SIGKILL', 'SIGTERM'] as const)('an end by %s is told once', async (signal) => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    const by = callerIs({ pid, uid });
    let told = 0;
    liveness.watch({ pid }, by, () => {
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
    liveness.watch(a, callerIs(a), () => gone.push('a'));
    liveness.watch(b, callerIs(b), () => gone.push('b'));
    await b.kill();
    await pass();
    expect(gone).toEqual(['b']);
  });

  test('two watches on one process are told both, each once', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    const by = callerIs({ pid, uid });
    const gone: number[] = [];
    liveness.watch({ pid }, by, () => gone.push(1));
    const second = liveness.watch({ pid }, by, () => gone.push(2));
    liveness.watch({ pid }, by, () => gone.push(3));
    second.close();
    await kill();
    await pass();
    expect(gone.toSorted()).toEqual([1, 3]);
  });

  test('a closed watch is silent; closing again, or after the end, does nothing', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    const by = callerIs({ pid, uid });
    let told = 0;
    const watch = liveness.watch({ pid }, by, () => {
      told += 1;
    });
    const other = liveness.watch({ pid }, by, () => undefined);
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
    liveness.watch({ pid }, null, () => {
      told = true;
    });
    await kill();
    await pass();
    expect(told).toBe(true);
  });

  test("someone else's process is refused, by pid and reason", async () => {
    const { liveness, spawn: start } = open();
    const { pid, uid } = await start();
    const attempt = () => liveness.watch({ pid }, { pid, uid: uid + 1 }, () => undefined);
    expect(attempt).toThrow(Problem);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringContaining(String(pid)) }),
    );
  });

  test('a process that has ended is refused', async () => {
    const { liveness, spawn: start, pass } = open();
    const { pid, uid, kill } = await start();
    const by = callerIs({ pid, uid });
    await kill();
    await pass();
    expect(() => liveness.watch({ pid }, by, () => undefined)).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID' }),
    );
  });

  test('no such pid is refused', () => {
    expect(() => open().liveness.watch({ pid: 2 ** 22 + 7 }, null, () => undefined)).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID' }),
    );
  });

  test('every watch of one process has the same identity, by which it can be taken over', async () => {
    const { liveness, spawn: start } = open();
    const a = await start();
    const of = (pid: number) => liveness.watch({ pid }, null, () => undefined).identity;
    expect(of(a.pid)).toMatch(/^\d+$/);
    expect(of(a.pid)).toBe(of(a.pid));
    expect(liveness.watch(a, null, () => undefined, of(a.pid)).identity).toBe(of(a.pid));
  });

  test('a watch is taken over for the very same process only', async () => {
    const { liveness, spawn: start } = open();
    const { pid } = await start();
    expect(() => liveness.watch({ pid }, null, () => undefined, '4711')).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringContaining('another') }),
    );
  });

  test('a signal reaches the watched process, none once it has ended or is not watched any more', async () => {
    const { liveness, spawn: start, pass } = open();
    const process = await start();
    const watch = liveness.watch(process, null, () => undefined);
    const closed = liveness.watch(process, null, () => undefined);
    closed.close();
    expect(watch.signal('SIGHUP')).toBe(true);
    expect(closed.signal('SIGHUP')).toBe(false);
    expect(await process.signals()).toEqual(['SIGHUP']);
    await process.kill();
    expect(watch.signal('SIGHUP')).toBe(false);
    await pass();
    expect(watch.signal('SIGHUP')).toBe(false);
  });
});

describe('liveness, real', () => {
  test('many ends are each told within a second', async () => {
    const subject = onThisMachine();
    const ended = new Map<number, number>();
    const processes = await Promise.all(Array.from({ length: 20 }, () => subject.spawn()));
    for (const each of processes) {
      subject.liveness.watch(each, callerIs(each), () => ended.set(each.pid, performance.now()));
    }
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
    own.watch(first, callerIs(first), () => {
      told += 1;
    });
    await first.kill();
    await pass();
    const second = await start();
    own.watch(second, callerIs(second), () => {
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
    const by = callerIs({ pid, uid });
    let told = false;
    own.watch({ pid }, by, () => {
      told = true;
    });
    own.close();
    await kill();
    await pass();
    expect(told).toBe(false);
  });

  test('a zombie is refused, as a process that has ended', async () => {
    // A shell that becomes a process which never collects its child.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = Number(String((await once(parent.stdout, 'data'))[0]));
    try {
      await until('its state is Z', () => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')));
      expect(() => openLiveness().watch({ pid }, null, () => undefined)).toThrow(/not a running process/);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  test('a process whose first thread has ended lives on, although its state says Z', async () => {
    // exit(2) ends one thread; Node's others keep the process.
    const program = `
      const libc = require('koffi').load(null);
      libc.func('long syscall(long number, ...)')(process.arch === 'x64' ? 60 : 93, 'int', 0);`;
    const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
    try {
      const pid = child.pid!;
      await until('its state is Z', () => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')));
      const own = openLiveness();
      let told = false;
      own.watch({ pid }, null, () => {
        told = true;
      });
      child.kill('SIGKILL');
      await until('its end is told', () => told);
      own.close();
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('the identity is the start time, whatever the command calls itself', async () => {
    const child = spawn('bash', ['-c', 'echo -n ") Z 1 (" > /proc/$$/comm; echo; sleep 60; :'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(child.stdout, 'data');
      const pid = child.pid!;
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      expect(stat).toContain(') Z 1 (');
      const own = openLiveness();
      const { identity } = own.watch({ pid }, null, () => undefined);
      own.close();
      expect(identity).toBe(stat.slice(stat.lastIndexOf(')')).split(' ')[20]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
