// Owns what journal.db still holds of the ledger, seen by somebody who only reads. Invariant: the file is opened read-only,
// beside a running agent or after one.

import { existsSync } from 'node:fs';

/** Lines that the journal keeps, oldest first; none where it cannot be read: then the files speak for themselves. */
export function keptLines(journal: string): string[] {
  if (!existsSync(journal)) return [];
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    const db = new DatabaseSync(journal, { readOnly: true });
    try {
      const rows = db.prepare('SELECT lines FROM ledger ORDER BY last').all() as { lines: string }[];
      return rows.flatMap(({ lines }) => lines.split('\n').filter((line) => line !== ''));
    } finally {
      db.close();
    }
  } catch {
    return [];
  }
}
