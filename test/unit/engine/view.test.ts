// Owns what a caller sees of a grant at moments between two facts. Invariant: what is shown as readable is there.

import { expect, test } from 'vitest';
import { viewOf } from '../../../src/engine/view.ts';
import { active, after, at, PLAN } from '../domain/samples.ts';

const DIR = '/run/tasklease/tasks/build-81/current';
const DEAD_MS = 120_000;

test('a task shows its files until their credential is known to be dead, and none while they are taken away', () => {
  const grant = active();
  expect(viewOf(grant, DIR, at(0))).toMatchObject({
    dir: DIR,
    files: PLAN.asks[0]!.files.map(({ name }) => name),
  });
  const withdrawing = after(grant, [DEAD_MS, { type: 'alarm' }], [DEAD_MS + 1000, { type: 'alarm' }]);
  expect(withdrawing).toMatchObject({ withdrawn: true, pending: { erasing: true } });
  expect(viewOf(withdrawing, DIR, at(DEAD_MS + 1000))).toMatchObject({ dir: null, files: [] });
});
