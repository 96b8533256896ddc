// Owns the promises of the counts among living grants: what is asked is what a walk over all of them would find, after
// any order of coming, changing and going.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Grant, living } from '../../../src/domain/grant.ts';
import type { TaskId } from '../../../src/domain/ids.ts';
import { Census } from '../../../src/engine/census.ts';
import { ALARM, erased, FIXED, NEXT, RETIRE_MS, ROTATE_MS, revoked, rotated, stale } from '../domain/rows.ts';
import {
  accepted,
  after,
  publishedOf,
  secretsReadOf,
  tokenOpened,
  tokenOpenedOf,
} from '../domain/samples.ts';

const as = (grant: Grant, task: string, uid = 1000, parent: string | null = null): Grant => ({
  ...grant,
  task: task as TaskId,
  owner: { uid, gid: uid },
  parent: parent as TaskId | null,
});
const under = (session: string) => after(accepted(), tokenOpenedOf(1, session));
/** The first generation under session-a, the second under session-b. */
const moving = () =>
  after(
    accepted(),
    tokenOpenedOf(1, 'session-a'),
    secretsReadOf(1, [FIXED]),
    publishedOf(1),
    [ROTATE_MS, ALARM],
    [ROTATE_MS, tokenOpenedOf(2, 'session-b')],
    [ROTATE_MS, secretsReadOf(2, [NEXT])],
    [ROTATE_MS, publishedOf(2)],
  );

describe('the census', () => {
  test('counts what a uid has', () => {
    const census = new Census();
    census.add(as(accepted(), 'a', 1));
    census.add(as(accepted(), 'b', 1));
    census.add(as(accepted(), 'c', 2));
    expect([census.ofUid(1), census.ofUid(2), census.ofUid(3)]).toEqual([2, 1, 0]);
    census.remove(as(accepted(), 'a', 1));
    expect(census.ofUid(1)).toBe(1);
  });

  test('knows whose child is whose, as long as they live', () => {
    const census = new Census();
    census.add(as(accepted(), 'kid-1', 1, 'parent'));
    census.add(as(accepted(), 'kid-2', 1, 'parent'));
    expect(census.childrenOf('parent' as TaskId)).toEqual(['kid-1', 'kid-2']);
    census.remove(as(accepted(), 'kid-1', 1, 'parent'));
    expect(census.childrenOf('parent' as TaskId)).toEqual(['kid-2']);
    census.remove(as(accepted(), 'kid-2', 1, 'parent'));
    expect(census.childrenOf('parent' as TaskId)).toEqual([]);
    expect(census.childrenOf('nobody' as TaskId)).toEqual([]);
  });

  test('a session is in use from its first token to the proof of its last', () => {
    const census = new Census();
    census.add(as(accepted(), 'a'));
    expect(census.inUse('session-a')).toBe(false);
    expect(census.update(as(under('session-a'), 'a'))).toEqual([]);
    census.add(as(under('session-a'), 'b'));
    census.remove(as(under('session-a'), 'b'));
    expect(census.inUse('session-a')).toBe(true);
    const gone = after(under('session-a'), { type: 'stopRequested', reason: 'completed' }, erased);
    expect(census.update(as(after(gone, secretsReadOf(1, [])), 'a'))).toEqual([]);
    expect(census.update(as(after(gone, secretsReadOf(1, []), revoked), 'a'))).toEqual(['session-a']);
    expect(census.inUse('session-a')).toBe(false);
  });

  test('tells of a session when a rotation has moved the last task away from it, once', () => {
    const census = new Census();
    census.add(as(under('session-a'), 'a'));
    expect(census.update(as(moving(), 'a'))).toEqual([]);
    expect([census.inUse('session-a'), census.inUse('session-b')]).toEqual([true, true]);
    const moved = after(moving(), [RETIRE_MS, ALARM], [RETIRE_MS, revoked]);
    expect(census.update(as(moved, 'a'))).toEqual(['session-a']);
    expect(census.update(as(moved, 'a'))).toEqual([]);
    expect([census.inUse('session-a'), census.inUse('session-b')]).toEqual([false, true]);
  });

  test('a grant that is removed while something hangs under a session lets it go', () => {
    const census = new Census();
    census.add(as(under('session-a'), 'a'));
    census.remove(as(under('session-a'), 'a'));
    expect(census.inUse('session-a')).toBe(false);
  });

  test('says what a walk over all says, whatever comes, changes and goes', () => {
    const states: readonly Grant[] = [
      accepted(),
      after(accepted(), tokenOpened),
      under('session-b'),
      moving(),
      rotated(),
      stale(),
    ];
    const steps = fc.array(
      fc.record({ task: fc.integer({ min: 0, max: 5 }), state: fc.integer({ min: 0, max: states.length }) }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const census = new Census();
        const here = new Map<number, Grant>();
        for (const { task, state } of all) {
          const parent = task > 2 ? `t${task - 3}` : null;
          const grant = states[state] === undefined ? null : as(states[state], `t${task}`, task % 2, parent);
          if (grant === null) {
            const old = here.get(task);
            if (old !== undefined) census.remove(old);
            here.delete(task);
          } else {
            if (here.has(task)) census.update(grant);
            else census.add(grant);
            here.set(task, grant);
          }
          const now = [...here.values()];
          for (const uid of [0, 1])
            expect(census.ofUid(uid)).toBe(now.filter(({ owner }) => owner.uid === uid).length);
          for (const session of ['session-a', 'session-b']) {
            const used = now.some((one) => living(one).some((generation) => generation.session === session));
            expect(census.inUse(session)).toBe(used);
          }
          const kids = now.filter((one) => one.parent === 't0').map((one) => one.task);
          expect([...census.childrenOf('t0' as TaskId)].sort()).toEqual(kids.sort());
        }
      }),
    );
  });
});
