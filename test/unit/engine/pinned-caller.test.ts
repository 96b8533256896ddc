// Owns what becomes of a start whose caller ends before it is answered: nothing is issued, nothing published, nothing
// left; and that the hold on the caller is let go however the start ends.

import { expect, test } from 'vitest';
import type { Caller } from '../../../src/domain/task-spec.ts';
import { caller } from '../domain/samples.ts';
import { House } from './house.ts';

const EVIDENCE = { pid: 4242, exe: '/usr/bin/node', cgroup: '/ci', container: null };

/** A caller that is found alive so many times. */
function mortal(looks: number) {
  const seen = { looked: 0, closed: 0 };
  const who: Caller = caller({
    pin: () => ({
      evidence: EVIDENCE,
      alive: () => ++seen.looked <= looks,
      close: () => void seen.closed++,
    }),
  });
  return { who, seen };
}

test('one that lives is looked at before the issue and before the publication, and let go', async () => {
  const house = new House();
  const agent = await house.agent();
  const { who, seen } = mortal(2);
  expect((await house.start(agent, 'a', {}, who)).state).toBe('active');
  expect(seen).toEqual({ looked: 2, closed: 1 });
  const accepted = house.disk.lines
    .map(({ fact }) => JSON.parse(fact))
    .find(({ type }) => type === 'grant.accepted');
  expect(accepted).toMatchObject({ evidence: EVIDENCE });
});

test.each([
  ['the issue', 0],
  ['the publication', 1],
])('one that ends before %s gets nothing, and nothing is left', async (_when, looks) => {
  const house = new House();
  const agent = await house.agent();
  const { who, seen } = mortal(looks);
  await expect(house.start(agent, 'a', {}, who)).rejects.toMatchObject({
    code: 'IDENTITY_REJECTED',
    retryable: true,
  });
  await house.clock.advance(20_000);
  expect(seen.closed).toBe(1);
  expect(house.files.tasks()).toEqual([]);
  expect(house.facts('a')).not.toContain('delivery.published');
  expect(house.facts('a').includes('token.opened')).toBe(looks > 0);
  expect(house.facts('a').at(-1)).toBe('grant.closed');
  // The id is not spent.
  expect((await house.start(agent, 'a', {}, mortal(9).who)).state).toBe('active');
});

test('one that ends later is not looked at again: the task is no longer its start', async () => {
  const house = new House();
  const agent = await house.agent();
  const { who, seen } = mortal(2);
  await house.start(agent, 'a', {}, who);
  await house.clock.advance(300_000);
  expect(seen.looked).toBe(2);
});
