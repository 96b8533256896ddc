// Owns the promises of the engine's one timer: in order, never early, replaced and taken away, small.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Scheduler } from '../../../src/engine/scheduler.ts';
import { SimClock } from '../../simulation/world/sim-clock.ts';

const DAY_MS = 86_400_000;

function world() {
  const clock = new SimClock();
  const start = clock.now().at;
  const rung: [string, number][] = [];
  const scheduler = new Scheduler(clock, (key) => rung.push([key, clock.now().at - start]));
  return { clock, rung, scheduler, set: (key: string, ms: number) => scheduler.set(key, start + ms) };
}

test('alarms ring in the order of their instants, however they were set', async () => {
  const { clock, rung, set } = world();
  const times = [700, 100, 900, 300, 500, 200, 800, 400, 600];
  for (const ms of times) set(`at-${ms}`, ms);
  await clock.advance(1000);
  expect(rung).toEqual(times.toSorted((a, b) => a - b).map((ms) => [`at-${ms}`, ms]));
});

test('an alarm never rings early, and rings once', async () => {
  const { clock, rung, set } = world();
  set('a', 1000);
  await clock.advance(999);
  expect(rung).toEqual([]);
  await clock.advance(1);
  expect(rung).toEqual([['a', 1000]]);
  await clock.advance(10_000);
  expect(rung).toHaveLength(1);
});

test('a timer that comes back early is set again', () => {
  let at = 0;
  const timers: { delayMs: number; run: () => void }[] = [];
  const hasty = {
    now: () => ({ at, wallMs: at }),
    after(delayMs: number, run: () => void) {
      timers.push({ delayMs, run });
      return () => {};
    },
  };
  const rung: string[] = [];
  new Scheduler(hasty, (key) => rung.push(key)).set('a', 100);
  at = 99;
  timers[0]!.run();
  expect(rung).toEqual([]);
  expect(timers[1]).toMatchObject({ delayMs: 1 });
  at = 100;
  timers[1]!.run();
  expect(rung).toEqual(['a']);
});

test('setting it again replaces it, earlier or later', async () => {
  const { clock, rung, set } = world();
  set('sooner', 1000);
  set('later', 100);
  set('sooner', 50);
  set('later', 2000);
  await clock.advance(1000);
  expect(rung).toEqual([['sooner', 50]]);
  await clock.advance(1000);
  expect(rung).toEqual([
    ['sooner', 50],
    ['later', 2000],
  ]);
});

test('taken away it does not ring, and others still do', async () => {
  const { clock, rung, set, scheduler } = world();
  set('gone', 100);
  set('here', 200);
  scheduler.set('gone', null);
  scheduler.set('never-set', null);
  await clock.advance(1000);
  expect(rung).toEqual([['here', 200]]);
});

test('one that is due already rings at once, but not inside set', async () => {
  const { clock, rung, set } = world();
  set('past', -5000);
  expect(rung).toEqual([]);
  await clock.advance(0);
  expect(rung).toEqual([['past', 0]]);
});

test('whoever is rung may set the next alarm', async () => {
  const clock = new SimClock();
  const start = clock.now().at;
  const at: number[] = [];
  const scheduler = new Scheduler(clock, (key) => {
    at.push(clock.now().at - start);
    if (at.length < 4) scheduler.set(key, clock.now().at + 100);
  });
  scheduler.set('again', start + 100);
  await clock.advance(1000);
  expect(at).toEqual([100, 200, 300, 400]);
});

test('an alarm of 31 days, longer than any timer of Node, rings on its day', async () => {
  const { clock, rung, set } = world();
  set('month', 31 * DAY_MS);
  await clock.advance(31 * DAY_MS - 1);
  expect(rung).toEqual([]);
  await clock.advance(1);
  expect(rung).toEqual([['month', 31 * DAY_MS]]);
});

test('a jump of the wall clock moves nothing', async () => {
  const { clock, rung, set } = world();
  set('a', 1000);
  clock.jumpWall(10 * DAY_MS);
  await clock.advance(999);
  expect(rung).toEqual([]);
  clock.jumpWall(-20 * DAY_MS);
  await clock.advance(1);
  expect(rung).toEqual([['a', 1000]]);
});

test('alarms that are moved half a million times still ring once each, in order, and leave no waste', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { clock, rung, set } = world();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 500_000; n += 1) set(`k${n % 10}`, 31 * DAY_MS + n);
  collect();
  // Kept, the replaced ones would be more than twenty megabytes.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5 * 1024 * 1024);
  await clock.advance(31 * DAY_MS + 500_000);
  expect(rung.map(([key]) => key)).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9']);
});

test('closed, it is silent', async () => {
  const { clock, rung, set, scheduler } = world();
  set('a', 100);
  scheduler.close();
  await clock.advance(1000);
  expect(rung).toEqual([]);
  expect(clock.nextDue()).toBeNull();
});
