// Owns the run of the simulation in `npm test`: 5,000 seeds over two processes, one in fifty of them twice, whose
// traces must be the same. More: `npm run test:long`.

import { expect, test } from 'vitest';
import { replayOf, runSeeds } from './run-seeds.ts';

const SEEDS = 5000;

test(`${SEEDS} seeds break no promise`, { timeout: 600_000 }, async () => {
  const { ran, found } = await runSeeds({ first: 1, seeds: SEEDS, jobs: 2 });
  const told = found.map(({ seed, wrong }) => `seed ${seed}: ${wrong}\n  replay: ${replayOf(seed)}`);
  expect(told.join('\n')).toBe('');
  expect(ran).toBe(SEEDS);
});
