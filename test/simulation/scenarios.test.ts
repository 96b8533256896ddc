// Owns fourteen stories in which every single effect goes wrong in every way: the process dies before or after it, it
// fails, its answer is lost. Each ends at rest, judged as the seeds are.

import { expect, test } from 'vitest';
import { strikeScenario } from './run-seeds.ts';
import { SCENARIOS } from './scenarios.ts';

test.each(Object.keys(SCENARIOS))('%s survives every blow', async (scenario) => {
  const { ran, found } = await strikeScenario(scenario);
  expect(found.map(({ wrong }) => wrong).join('\n')).toBe('');
  expect(ran).toBeGreaterThan(40);
});
