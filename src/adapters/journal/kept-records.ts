// Owns the ledger's records inside journal.db, where they stay until they are safe in the ledger's own files, and the facts
// that are not on record yet. Facts of some milliseconds become records together, because that costs little more than for
// one; a grant is closed only together with its records. Invariant: a fact is on record, or the journal knows that it is
// not; the newest record is always here, so that a ledger that was cut off, or put back as it once was, does not pass.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry } from '../../domain/fact.ts';
import type { Notice } from '../../domain/record.ts';
import type { Draft, KeptLines, Ledger } from '../../ports/ledger.ts';
import type { OpenEntry } from './open-entries.ts';
import { entryOf } from './row.ts';

/** How long a fact may wait for others, and with how many. */
const GATHER_MS = 25;
const GATHER = 256;
const RETRY_MS = 1000;

export class KeptRecords {
  readonly #db: DatabaseSync;
  readonly #ledger: Ledger | null;
  readonly #insert;
  readonly #drop;
  /** What has been written and is not on record yet, in order. */
  #pending: readonly Entry[] = [];
  /** The newest entry that was written. */
  #newest = 0;
  /** The next transaction takes the records along, whatever else it has. */
  #asked = true;
  /** This transaction does. */
  #taken = false;
  #gathering: NodeJS.Timeout | null = null;
  #schedule: () => void = () => {};
  /** Entries that may go once they are on record. */
  #pointless: readonly number[] = [];
  #dropped = 0;
  /** As these will be when the transaction is durable. */
  #pointlessNow: readonly number[] = [];
  #droppedNow = 0;

  constructor(db: DatabaseSync, ledger: Ledger | null) {
    this.#db = db;
    this.#ledger = ledger;
    // Whatever was written under that number before a power cut took its facts.
    this.#insert = db.prepare('INSERT OR REPLACE INTO ledger (last, lines, entry) VALUES (?, ?, ?)');
    this.#drop = db.prepare('DELETE FROM ledger WHERE last <= ?');
    // Numbers are not used again where the newest entries have been forgotten.
    this.#newest = Math.max(maximum(db, 'seq', 'entries') ?? 0, maximum(db, 'entry', 'ledger') ?? 0);
  }

  /** @param schedule called when there is something to be drafted although nothing happens */
  resume(open: readonly OpenEntry[], schedule: () => void): void {
    if (this.#ledger === null) return;
    this.#schedule = schedule;
    this.#ledger.onDue = () => this.#ask();
    // A journal that never had a ledger tells nothing of its past.
    const recorded = maximum(this.#db, 'entry', 'ledger') ?? this.#newest;
    const kept = this.#db.prepare('SELECT last, lines FROM ledger ORDER BY last').all();
    // Its own boot, whichever that was: only what happened counts here, not when.
    const entries = open.map(({ row, fact }) =>
      entryOf(row, row.boot, { at: row.at, wallMs: row.wall_ms }, fact),
    );
    const unrecorded = open
      .flatMap(({ row }, i) => (row.seq > recorded ? [{ seq: row.seq, entry: entries[i]! }] : []))
      .sort((a, b) => a.seq - b.seq)
      .map(({ entry }) => entry);
    const known = this.#ledger.resume(kept as unknown as KeptLines[], entries, unrecorded);
    this.#pending = unrecorded.slice(known);
  }

  /** The number of an entry that is being written. */
  next(): number {
    this.#newest += 1;
    return this.#newest;
  }

  /** Null where these can wait, and where there is nothing to be put on record. */
  draft(entries: readonly Entry[], notices: readonly Notice[], end: boolean): Draft | null {
    if (this.#ledger === null) return null;
    const waiting = this.#pending.length + entries.length;
    this.#taken = this.#asked || end || notices.length > 0 || waiting >= GATHER || closes(entries);
    return this.#taken ? this.#ledger.draft([...this.#pending, ...entries], notices, end) : null;
  }

  /**
   * Inside the transaction, once its entries are written.
   * @param pointless entries that later ones say better
   * @returns those that may go: they are on record
   */
  keep(draft: Draft | null, pointless: readonly number[]): readonly number[] {
    if (this.#ledger === null) return pointless;
    if (draft === null) {
      this.#pointlessNow = [...this.#pointless, ...pointless];
      return [];
    }
    this.#pointlessNow = [];
    this.#insert.run(draft.last, draft.lines, this.#newest);
    const { safe } = this.#ledger;
    if (safe !== this.#dropped) this.#drop.run(safe);
    this.#droppedNow = safe;
    return [...this.#pointless, ...pointless];
  }

  /** The transaction is durable. */
  written(entries: readonly Entry[]): void {
    if (this.#ledger === null) return;
    this.#pointless = this.#pointlessNow;
    if (!this.#taken) {
      this.#pending = [...this.#pending, ...entries];
      this.#gather(GATHER_MS);
      return;
    }
    this.#pending = [];
    this.#dropped = this.#droppedNow;
    this.#asked = false;
    this.close();
  }

  /** Nothing of it was written: no fact is taken any more without the records that are due. */
  failed(): void {
    if (this.#ledger === null) return;
    this.#asked = true;
    if (this.#pending.length > 0) this.#gather(RETRY_MS);
  }

  close(): void {
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = null;
  }

  #gather(ms: number): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = null;
      this.#ask();
    }, ms).unref();
  }

  #ask(): void {
    this.#asked = true;
    this.#schedule();
  }
}

/** A receipt is signed in the transaction that closes its grant. */
const closes = (entries: readonly Entry[]): boolean =>
  entries.some(({ fact }) => fact.type === 'grant.closed');

const maximum = (db: DatabaseSync, column: string, table: string): number | null =>
  (db.prepare(`SELECT MAX(${column}) AS n FROM ${table}`).get()!.n ?? null) as number | null;
