// Owns the look at a journal from outside, for doctor. Invariant: the journal and its directory stay as they are: a
// living agent's is read beside it, one that nobody has open is read in a copy.

import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDatabase, type JournalState } from './database.ts';

/** A journal is compacted; one that is larger than this is not worth a copy. */
const MOST_BYTES = 512 * 1024 * 1024;

export type JournalLook =
  | { readonly there: false }
  | {
      readonly there: true;
      readonly bytes: number;
      readonly fault: string | null;
      readonly state: JournalState | null;
    };

/** @param open an agent has it open, so that its write-ahead log can be shared */
export function inspectJournal(path: string, open: boolean): JournalLook {
  if (!existsSync(path) && !existsSync(`${path}-wal`)) return { there: false };
  const bytes = sizeOf(path) + sizeOf(`${path}-wal`);
  const told = (fault: string | null, state: JournalState | null = null): JournalLook => ({
    there: true,
    bytes,
    fault,
    state,
  });
  try {
    if (open) return told(null, checkDatabase(path));
    if (bytes > MOST_BYTES) return told(null);
    return told(null, inCopy(path));
  } catch (error) {
    return told(error instanceof Error ? error.message : String(error));
  }
}

function inCopy(path: string): JournalState {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-doctor-'));
  try {
    const copy = join(dir, 'journal.db');
    for (const ending of ['', '-wal']) {
      if (existsSync(path + ending)) copyFileSync(path + ending, copy + ending);
    }
    return checkDatabase(copy);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
