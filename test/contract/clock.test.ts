// Owns the promises of the clock port, on the simulated and on the real clock.

import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/system/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { SimClock } from '../simulation/world/sim-clock.ts';

interface Subject {
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

const subjects: readonly (readonly [string, () => Subject])[] = [
  [
    'simulated',
    () => {
      const clock = new SimClock();
      return { clock, pass: (ms) => clock.advance(ms) };
    },
  ],
  ['real', () => ({ clock: systemClock(), pass: (ms) => sleep(ms) })],
];

describe.each(subjects)('clock, %s', (_name, open) => {
  test('both clocks are whole milliseconds and move together', async () => {
    const { clock, pass } = open();
    const before = clock.now();
    await pass(60);
    const after = clock.now();
    for (const value of Object.values({ ...before, ...after })) expect(Number.isInteger(value)).toBe(true);
    expect(after.at - before.at).toBeGreaterThanOrEqual(58);
    expect(Math.abs(after.at - before.at - (after.wallMs - before.wallMs))).toBeLessThanOrEqual(50);
  });

  test('calls back once, not before the delay has passed', async () => {
    const { clock, pass } = open();
    const calls: number[] = [];
    const start = clock.now().at;
    clock.after(40, () => calls.push(clock.now().at - start));
    await pass(10);
    expect(calls).toEqual([]);
    await pass(150);
    expect(calls.length).toBe(1);
    expect(calls[0]).toBeGreaterThanOrEqual(40);
  });

  test('never calls back before after() has returned', async () => {
    const { clock, pass } = open();
    let called = false;
    clock.after(0, () => {
      called = true;
    });
    clock.after(-5, () => undefined);
    expect(called).toBe(false);
    await pass(40);
    expect(called).toBe(true);
  });

  test('the earlier one is first, whichever was set first', async () => {
    const { clock, pass } = open();
    const order: string[] = [];
    clock.after(90, () => order.push('late'));
    clock.after(20, () => order.push('early'));
    await pass(250);
    expect(order).toEqual(['early', 'late']);
  });

  test('called off, it never comes; calling off twice or too late does nothing', async () => {
    const { clock, pass } = open();
    const calls: string[] = [];
    const cancel = clock.after(20, () => calls.push('a'));
    const late = clock.after(20, () => calls.push('b'));
    cancel();
    cancel();
    await pass(120);
    late();
    expect(calls).toEqual(['b']);
  });

  test('a callback may set the next one', async () => {
    const { clock, pass } = open();
    let rounds = 0;
    const again = () => {
      rounds += 1;
      if (rounds < 3) clock.after(10, again);
    };
    clock.after(10, again);
    await pass(300);
    expect(rounds).toBe(3);
  });

  test('a wait longer than setTimeout can count does not fire at once', async () => {
    const { clock, pass } = open();
    let called = false;
    const cancel = clock.after(2 ** 31 + 1000, () => {
      called = true;
    });
    await pass(60);
    cancel();
    expect(called).toBe(false);
  });
});

describe('clock, simulated', () => {
  test('a jump of the wall clock moves no timer', async () => {
    const clock = new SimClock();
    let called = false;
    clock.after(1000, () => {
      called = true;
    });
    const before = clock.now();
    clock.jumpWall(-3_600_000);
    expect(clock.now()).toEqual({ at: before.at, wallMs: before.wallMs - 3_600_000 });
    await clock.advance(999);
    expect(called).toBe(false);
    await clock.advance(1);
    expect(called).toBe(true);
  });

  test('each timer sees its own moment', async () => {
    const clock = new SimClock({ at: 0, wallMs: 0 });
    const seen: number[] = [];
    clock.after(300, () => seen.push(clock.now().at));
    clock.after(100, () => {
      seen.push(clock.now().at);
      clock.after(50, () => seen.push(clock.now().at));
    });
    await clock.advance(1000);
    expect(seen).toEqual([100, 150, 300]);
    expect(clock.now().at).toBe(1000);
  });
});

// time_namespaces(7): the boot clock is set ahead, as after a suspend of so many seconds; the monotonic one is not.
const ASLEEP_S = 500_000;
const afterSleep = ['--time', '--fork', '--boottime', `${ASLEEP_S}`];
if (spawnSync('unshare', [...afterSleep, 'true']).status === 0) {
  test('clock, real: counts the time that the machine was suspended', () => {
    const clock = new URL('../../src/adapters/system/clock.ts', import.meta.url).href;
    const script = `import { systemClock } from '${clock}'; console.log(systemClock().now().at)`;
    const args = [...afterSleep, process.execPath, '--input-type=module', '--eval', script];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    const ahead = Number(stdout) - systemClock().now().at;
    expect(ahead / 1000, stderr).toBeGreaterThan(ASLEEP_S - 3600);
  });
}
