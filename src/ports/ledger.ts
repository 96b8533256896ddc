// The port to the ledger: the records of facts, chained. The journal keeps them in its own transactions, and knows which
// of its facts are not on record yet, so that no crash can come between a fact and its record.

import type { Entry } from '../domain/fact.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Notice } from '../domain/record.ts';

/** Records that are made and not on record yet. Exactly one of keep and drop is called. */
export interface Draft {
  /** Lines, each with its end. */
  readonly lines: string;
  readonly first: number;
  readonly last: number;
  /** The receipts of the grants that it closes, each as a JWS that holds all of it. */
  readonly receipts: ReadonlyMap<GrantId, string>;
  /** They are durable: the chain goes on from here. */
  keep(): void;
  /** They could not be written: nothing has happened. */
  drop(): void;
}

/** A draft as the journal has kept it. */
export interface KeptLines {
  readonly last: number;
  readonly lines: string;
}

export interface Ledger {
  /**
   * Before anything else: what the journal still holds of the records, oldest first, and the entries of grants that
   * are open. What a crash kept from the ledger's files is written there now.
   * @param unrecorded the entries of open grants that no record tells of, as far as the journal knows, in order
   * @returns how many of those the files have records of: a power cut took the journal's word for it
   */
  resume(kept: readonly KeptLines[], open: Iterable<Entry>, unrecorded: readonly Entry[]): number;
  /**
   * The records of these, in order, and of what the ledger has to say itself; null when there is nothing.
   * @param end nothing comes after: what is not signed yet is signed
   */
  draft(entries: readonly Entry[], notices: readonly Notice[], end?: boolean): Draft | null;
  /** Lines up to this record are safe in the ledger's own files: the journal needs to hold them no longer. */
  readonly safe: number;
  /** Called when the ledger has something to say although nothing happens: a draft is due. */
  onDue: () => void;
  /** After the last draft. */
  close(): void;
}
