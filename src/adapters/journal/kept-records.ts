// Owns the ledger's records inside journal.db: they are written in the transaction of their facts and stay until they are
// safe in the ledger's own files. Invariant: the newest of them is always here, so that a ledger that was cut off, or put
// back as it once was, does not pass for the whole one.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry } from '../../domain/fact.ts';
import type { Notice } from '../../domain/record.ts';
import type { Draft, KeptLines, Ledger } from '../../ports/ledger.ts';
import { openRows } from './database.ts';
import { entryOf } from './row.ts';

export class KeptRecords {
  readonly #db: DatabaseSync;
  readonly #ledger: Ledger | null;
  readonly #insert;
  readonly #drop;
  #dropped = 0;

  constructor(db: DatabaseSync, ledger: Ledger | null) {
    this.#db = db;
    this.#ledger = ledger;
    // Whatever was written under that number before a power cut took its facts.
    this.#insert = db.prepare('INSERT OR REPLACE INTO ledger (last, lines) VALUES (?, ?)');
    this.#drop = db.prepare('DELETE FROM ledger WHERE last <= ?');
  }

  /** @param schedule called when there is something to be drafted although nothing happens */
  resume(schedule: () => void): void {
    if (this.#ledger === null) return;
    const kept = this.#db.prepare('SELECT last, lines FROM ledger ORDER BY last').all();
    this.#ledger.onDue = schedule;
    this.#ledger.resume(kept as unknown as KeptLines[], this.#openEntries());
  }

  draft(entries: readonly Entry[], notices: readonly Notice[], end: boolean): Draft | null {
    return this.#ledger?.draft(entries, notices, end) ?? null;
  }

  /** Inside the transaction. */
  keep({ last, lines }: Draft): void {
    this.#insert.run(last, lines);
    const { safe } = this.#ledger!;
    if (safe === this.#dropped) return;
    this.#drop.run(safe);
    this.#dropped = safe;
  }

  *#openEntries(): Generator<Entry> {
    // Its own boot, whichever that was: only what happened counts here, not when.
    for (const row of openRows(this.#db)) yield entryOf(row, row.boot, { at: row.at, wallMs: row.wall_ms });
  }
}
