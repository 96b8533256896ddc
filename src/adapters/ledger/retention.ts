// Owns which files of the ledger have had their time. Invariant: never the one that is being written, and always the oldest
// first, so that what is left is one chain, anchored in the last hash of what went.

import { endOf, segmentsOf } from './segments.ts';

export interface Retention {
  /** A file is followed by the next when it is so long, or so old. */
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** All files together. */
  readonly bytes: number;
  readonly ms: number;
  /** Where they go; absent: they are deleted. */
  readonly archive?: string;
}

export interface Overdue {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly hash: string;
  readonly why: 'age' | 'size';
  readonly archived: boolean;
}

/** @param current the file that is being written */
export function overdue(dir: string, retention: Retention, current: string | null, now: number): Overdue[] {
  const segments = segmentsOf(dir);
  let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const found: Overdue[] = [];
  for (const { path, first, bytes, at } of segments) {
    if (path === current) break;
    const why = now - at >= retention.ms ? 'age' : total > retention.bytes ? 'size' : null;
    if (why === null) break;
    const end = endOf(path);
    // Somebody else's work: it stays to be looked at.
    if (end === null) break;
    const archived = retention.archive !== undefined;
    found.push({ path, from: first, to: end.seq, hash: end.hash, why, archived });
    total -= bytes;
  }
  return found;
}
