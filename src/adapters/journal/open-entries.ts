// Owns the entries of grants that are open, as they are read when an agent starts. Invariant: they are read and parsed once
// for all who need them then, and let go of as soon as anything is written.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry, Fact } from '../../domain/fact.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import { type NumberedRow, openRows } from './database.ts';
import { entryOf, factOf } from './row.ts';

export interface OpenEntry {
  readonly row: NumberedRow;
  readonly fact: Fact;
}

export class OpenEntries {
  readonly #db: DatabaseSync;
  #known: readonly OpenEntry[] | null = null;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Grant by grant in the order of their acceptance, each in its own order. */
  get all(): readonly OpenEntry[] {
    this.#known ??= Array.from(openRows(this.#db), (row) => ({ row, fact: factOf(row) }));
    return this.#known;
  }

  byGrant(bootId: string, now: Moment): Map<GrantId, Entry[]> {
    const open = new Map<GrantId, Entry[]>();
    for (const { row, fact } of this.all) {
      const entry = entryOf(row, bootId, now, fact);
      const list = open.get(entry.grant);
      if (list === undefined) open.set(entry.grant, [entry]);
      else list.push(entry);
    }
    this.release();
    return open;
  }

  release(): void {
    this.#known = null;
  }
}
