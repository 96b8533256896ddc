// Owns the exhaustive part of the simulation: all orders of a start, a stop and one more event on one task.

import { expect, test } from 'vitest';
import { type Extra, walkAll } from './interleavings.ts';

const EXTRAS: readonly Extra[] = [
  'nothing',
  'processEnd',
  'deadline',
  'profileChange',
  'sessionDead',
  'sessionGivenUp',
  'leaseRunsOut',
  'secondStop',
  'extend',
  'abandon',
  'crash',
  'crashUnheard',
];

test.each(EXTRAS)('a start, a stop and %s in any order end with nothing left', (extra) => {
  const { states, closed, wrong } = walkAll(extra);
  expect(wrong).toBe(null);
  expect(closed).toBeGreaterThan(10);
  expect(states).toBeGreaterThan(100);
});
