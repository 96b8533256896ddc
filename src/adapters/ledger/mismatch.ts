// Owns the comparison of what the ledger's files have with what the journal says they have. Invariant: a file that was cut
// off, changed or put back as it once was does not pass.

import { basename } from 'node:path';
import type { ChainEnd } from './chain.ts';

/**
 * What is wrong with the files; null when they agree with the journal.
 * @param foreign a file with something at its end that is no record
 * @param missing lines that the journal has and the files do not
 * @param last the newest record that the journal knows
 */
export function mismatchOf(
  foreign: string | null,
  onDisk: ChainEnd,
  missing: readonly { readonly line: string; readonly end: ChainEnd }[],
  last: ChainEnd | null,
): string | null {
  if (foreign !== null) return `the end of ${basename(foreign)} is no record`;
  if (last === null) return null;
  if (last.seq === onDisk.seq && last.hash !== onDisk.hash) {
    return `record ${last.seq} is another than was written`;
  }
  const [next] = missing;
  if (next === undefined) return null;
  if (next.end.seq > onDisk.seq + 1) {
    const from = onDisk.seq + 1;
    return `records ${from} to ${next.end.seq - 1} are not in the files of the ledger any more`;
  }
  return next.line.includes(`"prev":"${onDisk.hash}"`)
    ? null
    : `record ${onDisk.seq} is another than was written`;
}
