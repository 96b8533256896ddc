// Owns the promises of waiting with a limit: called off in time, and no timer is left behind.

import { expect, test } from 'vitest';
import { type CallOff, within } from '../../../src/engine/within.ts';
import { SimClock } from '../../simulation/world/sim-clock.ts';

const untilCalledOff = (callOff: CallOff): Promise<string> =>
  new Promise((resolve) => callOff.listen(() => resolve('called off')));

test('what comes in time is the answer, and the timer is gone', async () => {
  const clock = new SimClock();
  let seen: CallOff | undefined;
  const answer = await within(clock, 1000, async (callOff) => {
    seen = callOff;
    return 42;
  });
  expect(answer).toBe(42);
  expect(clock.nextDue()).toBeNull();
  await clock.advance(10_000);
  expect(seen!.called).toBe(false);
});

test('at the limit, not before, the waited-for side is told', async () => {
  const clock = new SimClock();
  let done: string | undefined;
  const waiting = within(clock, 1000, untilCalledOff).then((word) => {
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
  const waiting = within(clock, 0, untilCalledOff);
  await clock.advance(0);
  expect(await waiting).toBe('called off');
});

test('who does not listen any more is not told, and the others are, each once', async () => {
  const clock = new SimClock();
  const told: string[] = [];
  const waiting = within(clock, 10, async (callOff) => {
    const gone = () => void told.push('gone');
    callOff.listen(gone);
    callOff.unlisten(gone);
    callOff.listen(() => void told.push('first'));
    await new Promise<void>((resolve) =>
      callOff.listen(() => {
        told.push('second');
        resolve();
      }),
    );
  });
  await clock.advance(10);
  await waiting;
  expect(told).toEqual(['first', 'second']);
});
