// Owns the promises of waiting with a limit: called off in time, and no timer is left behind.

import { expect, test } from 'vitest';
import { within } from '../../../src/engine/within.ts';
import { SimClock } from '../../simulation/world/sim-clock.ts';

const untilAborted = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve('called off')));

test('what comes in time is the answer, and the timer is gone', async () => {
  const clock = new SimClock();
  let seen: AbortSignal | undefined;
  const answer = await within(clock, 1000, async (signal) => {
    seen = signal;
    return 42;
  });
  expect(answer).toBe(42);
  expect(clock.nextDue()).toBeNull();
  await clock.advance(10_000);
  expect(seen!.aborted).toBe(false);
});

test('at the limit, not before, the waited-for side is told', async () => {
  const clock = new SimClock();
  let done: string | undefined;
  const waiting = within(clock, 1000, untilAborted).then((word) => {
    done = word;
  });
  await clock.advance(999);
  expect(done).toBeUndefined();
  await clock.advance(1);
  await waiting;
  expect(done).toBe('called off');
  expect(clock.nextDue()).toBeNull();
});

test('an error passes through, and the timer is gone', async () => {
  const clock = new SimClock();
  const failing = within(clock, 1000, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(clock.nextDue()).toBeNull();
});

test('a limit of nothing is told as soon as anything can be', async () => {
  const clock = new SimClock();
  const waiting = within(clock, 0, untilAborted);
  await clock.advance(0);
  expect(await waiting).toBe('called off');
});
