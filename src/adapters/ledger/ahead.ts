// Owns what a power cut can do: the journal lost its last transactions, while the files had been synced with the records of
// them. Invariant: a fact that came back from the journal is not put on record twice.

import { readFileSync } from 'node:fs';
import type { Entry } from '../../domain/fact.ts';
import type { ChainEnd } from './chain.ts';
import { lineEnd, segmentsOf } from './segments.ts';

/**
 * How many of the facts have their record in the files already: both are in the order in which they were written.
 * @param known the newest record that the journal knows
 */
export function ahead(dir: string, known: number, end: ChainEnd, facts: readonly Entry[]): number {
  if (facts.length === 0 || end.seq <= known) return 0;
  const segments = segmentsOf(dir).filter(({ path }) => !path.endsWith('.gz'));
  const from = segments.findLastIndex(({ first }) => first <= known + 1);
  let count = 0;
  for (const { path } of segments.slice(Math.max(0, from))) {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if ((lineEnd(line)?.seq ?? 0) <= known) continue;
      const { grant, type } = JSON.parse(line) as { grant: string | null; type: string };
      if (grant === null) continue;
      const fact = facts[count];
      if (fact === undefined || fact.grant !== grant || fact.fact.type !== type) return count;
      count += 1;
    }
  }
  return count;
}
