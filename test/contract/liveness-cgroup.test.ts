// Owns the promises of the liveness port for cgroups: on a simulated tree, and on this machine's where its
// cgroup2 may be written to (root, or a delegated tree).

import { readdirSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openLiveness } from '../../src/adapters/peer/liveness.ts';
import { until } from '../harness/until.ts';
import {
  callerIs,
  cleanUp,
  closeAll,
  mayMakeCgroups,
  onThisMachine,
  removeCgroup,
  simulated,
} from './liveness-subjects.ts';

afterEach(cleanUp);
afterAll(closeAll);

const subjects = [
  ['simulated', simulated] as const,
  ...(mayMakeCgroups ? [['real', onThisMachine] as const] : []),
];
const refused = (run: () => unknown, message: RegExp) =>
  expect(run).toThrow(
    expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringMatching(message) }),
  );
const nothing = () => undefined;

describe.each(subjects)('cgroups, %s', (_name, open) => {
  test('the end of its last process is told once, kill -9 included', async () => {
    const { liveness, spawn, makeCgroup, pass } = open();
    const cgroup = makeCgroup('job');
    const [a, b] = [await spawn(cgroup), await spawn(cgroup)];
    let told = 0;
    liveness.watch({ cgroup }, null, () => {
      told += 1;
    });
    await a.kill('SIGKILL');
    await pass();
    expect(told).toBe(0);
    await b.kill('SIGKILL');
    await pass();
    expect(told).toBe(1);
    await pass();
    expect(told).toBe(1);
  });

  test('a process in a cgroup below it keeps it', async () => {
    const { liveness, spawn, makeCgroup, pass } = open();
    const cgroup = makeCgroup('job');
    const below = await spawn(makeCgroup('job/step'));
    let told = false;
    liveness.watch({ cgroup }, null, () => {
      told = true;
    });
    await pass();
    expect(told).toBe(false);
    await below.kill();
    await pass();
    expect(told).toBe(true);
  });

  test('a closed watch is silent', async () => {
    const { liveness, spawn, makeCgroup, pass } = open();
    const cgroup = makeCgroup('job');
    const process = await spawn(cgroup);
    let told = false;
    const watch = liveness.watch({ cgroup }, null, () => {
      told = true;
    });
    watch.close();
    watch.close();
    await process.kill();
    await pass();
    expect(told).toBe(false);
  });

  test('no signal is sent to a cgroup: it has no one process to tell', async () => {
    const { liveness, spawn, makeCgroup } = open();
    const cgroup = makeCgroup('job');
    const process = await spawn(cgroup);
    expect(liveness.watch({ cgroup }, null, nothing).signal('SIGHUP')).toBe(false);
    expect(await process.signals()).toEqual([]);
  });

  test('who lives in it or below it may bind it, and who owns it', async () => {
    const { liveness, spawn, makeCgroup } = open();
    const cgroup = makeCgroup('job', 4711);
    const below = makeCgroup('job/step', 4711);
    const inside = await spawn(below);
    expect(() => liveness.watch({ cgroup }, callerIs(inside), nothing)).not.toThrow();
    expect(() => liveness.watch({ cgroup: below }, callerIs(inside), nothing)).not.toThrow();
    const outside = await spawn();
    expect(() => liveness.watch({ cgroup }, { pid: outside.pid, uid: 4711 }, nothing)).not.toThrow();
  });

  test('of anybody else it is refused, also from a neighbour whose name begins like it', async () => {
    const { liveness, spawn, makeCgroup } = open();
    const cgroup = makeCgroup('job', 4711);
    await spawn(cgroup);
    const outside = await spawn();
    const neighbour = await spawn(makeCgroup('job-2', 4711));
    for (const { pid } of [outside, neighbour]) {
      refused(() => liveness.watch({ cgroup }, { pid, uid: 4712 }, nothing), /neither the caller's own/);
    }
  });

  test('an empty one, and one that does not exist, are refused', () => {
    const { liveness, makeCgroup } = open();
    const cgroup = makeCgroup('empty');
    refused(() => liveness.watch({ cgroup }, null, nothing), /has no process/);
    refused(() => liveness.watch({ cgroup: '/no/such/cgroup' }, null, nothing), /not a cgroup/);
  });

  test('a watch is taken over for the very same cgroup only', async () => {
    const { liveness, spawn, makeCgroup } = open();
    const cgroup = makeCgroup('job');
    await spawn(cgroup);
    const { identity } = liveness.watch({ cgroup }, null, nothing);
    expect(liveness.watch({ cgroup }, null, nothing, identity).identity).toBe(identity);
    refused(() => liveness.watch({ cgroup }, null, nothing, '1:1'), /another/);
  });
});

describe('cgroups, real', () => {
  test.each(['job', './job', '/a/../job', '/a//job', '/job/', '/a/./job', '', `/${'a/'.repeat(3000)}a`])(
    '%j is refused: only a plain absolute path is taken',
    (cgroup) => {
      refused(() => onThisMachine().liveness.watch({ cgroup }, null, nothing), /absolute path/);
    },
  );

  test('the root is refused: it never ends', () => {
    refused(() => onThisMachine().liveness.watch({ cgroup: '/' }, null, nothing), /never ends/);
  });

  if (mayMakeCgroups) {
    test('one that is made again under the same name is another one', async () => {
      const { liveness, spawn, makeCgroup, pass } = onThisMachine();
      const cgroup = makeCgroup('job');
      const first = await spawn(cgroup);
      const { identity } = liveness.watch({ cgroup }, null, nothing);
      await first.kill();
      await until('the cgroup can be removed', () => {
        removeCgroup(cgroup);
        return true;
      });
      await pass();
      makeCgroup('job');
      await spawn(cgroup);
      expect(liveness.watch({ cgroup }, null, nothing).identity).not.toBe(identity);
      refused(() => liveness.watch({ cgroup }, null, nothing, identity), /another/);
    });

    test('many are each told within a second of their end', async () => {
      const { liveness, spawn, makeCgroup } = onThisMachine();
      const jobs = [];
      for (let n = 0; n < 20; n += 1) {
        const cgroup = makeCgroup(`job-${n}`);
        jobs.push({ cgroup, process: await spawn(cgroup) });
      }
      const ended = new Map<string, number>();
      for (const { cgroup } of jobs) {
        liveness.watch({ cgroup }, null, () => ended.set(cgroup, performance.now()));
      }
      const killed = performance.now();
      await Promise.all(jobs.map(({ process }) => process.kill()));
      await until('all are told', () => ended.size === 20);
      expect(Math.max(...ended.values()) - killed).toBeLessThan(1000);
    });

    test('nothing of a watch that was refused stays open', async () => {
      const { makeCgroup } = onThisMachine();
      const cgroup = makeCgroup('empty');
      const own = openLiveness();
      for (let n = 0; n < 100; n += 1) refused(() => own.watch({ cgroup }, null, nothing), /no process/);
      own.close();
      expect(readdirSync('/proc/self/fd').length).toBeLessThan(100);
    });
  }
});
