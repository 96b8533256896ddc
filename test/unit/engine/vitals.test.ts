// Whether the agent itself is well: a write that hangs is for a restart, one that fails is not.

import { expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { Vitals } from '../../../src/engine/vitals.ts';
import type { Journal } from '../../../src/ports/journal.ts';

const setUp = () => {
  let now = 1_000_000;
  let write: Promise<void> = Promise.resolve();
  const counted: string[] = [];
  const vitals = new Vitals(
    { now: () => ({ at: now, wallMs: now }), after: () => () => {} },
    { count: (name) => counted.push(name), time: () => {} },
  );
  const journal = vitals.watch({ append: () => write, lives: () => 7 } as unknown as Journal);
  return {
    vitals,
    journal,
    counted,
    pass: (ms: number) => {
      now += ms;
    },
    next: (promise: Promise<void>) => {
      write = promise;
    },
  };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('well while writes end; everything else of the journal is as it was', async () => {
  const { vitals, journal, pass } = setUp();
  await journal.append([]);
  pass(3_600_000);
  expect(journal.lives('a' as never)).toBe(7);
  expect(vitals.stuck()).toBeNull();
  expect(vitals.unwritable()).toBeNull();
});

test('a write that does not end is told after half a minute, and forgotten when it ends', async () => {
  const { vitals, journal, pass, next } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  next(promise);
  const written = journal.append([]);
  pass(29_000);
  expect(vitals.stuck()).toBeNull();
  // Others that come meanwhile do not hide it.
  next(Promise.resolve());
  await journal.append([]);
  await settled();
  pass(2000);
  expect(vitals.stuck()).toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  expect(vitals.unwritable()?.message).toContain('31 s');
  resolve();
  await written;
  await settled();
  expect(vitals.stuck()).toBeNull();
});

test('a write that fails is no reason to restart, and no start is promised for a while', async () => {
  const { vitals, journal, counted, pass, next } = setUp();
  const full = new Problem('JOURNAL_UNWRITABLE', 'disk full');
  next(Promise.reject(full));
  await expect(journal.append([])).rejects.toBe(full);
  await settled();
  expect(vitals.stuck()).toBeNull();
  expect(vitals.unwritable()).toBe(full);
  expect(counted).toEqual(['tasklease_journal_failures_total']);
  // Nobody may be there to try again: it must not stay so for ever.
  pass(10_000);
  expect(vitals.unwritable()).toBeNull();
});
