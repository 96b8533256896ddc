// The port to the journal: what was recorded is there after a crash.

import type { Entry, Receipt } from '../domain/fact.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Moment } from '../domain/instant.ts';
import type { Owner } from '../domain/profile.ts';

/** A closed task as the journal remembers it. */
export interface Tombstone {
  readonly grant: GrantId;
  readonly receipt: Receipt;
  readonly owner: Owner;
  readonly digest: string;
  /** False for a start that failed before it became active: its id may be used again. */
  readonly spent: boolean;
}

export interface Journal {
  /**
   * Resolves when the entries survive kill -9; what a power cut must not take either (that an id is spent, a
   * receipt) is synced. Entries of one call are all or nothing.
   * @throws Problem JOURNAL_UNWRITABLE
   */
  append(entries: readonly Entry[]): Promise<void>;
  /** Entries of every grant that is not closed, in order, with their instants on this boot's clock. */
  openGrants(now: Moment): ReadonlyMap<GrantId, readonly Entry[]>;
  /** The newest closed grant of a task id. */
  tombstone(task: TaskId): Tombstone | null;
  /** The number of the newest life of this task id, 0 for none: the next grant takes the next. */
  lives(task: TaskId): number;
  /** Forgets tombstones of grants closed before this wall-clock time (milliseconds since 1970). */
  forget(beforeWallMs: number): void;
  /** Notes until when the session token, parent of every task token, lives in Vault. */
  noteSession(accessor: string, endsAtWallMs: number): void;
  /** The latest end of any session noted, in wall-clock milliseconds; null when there is none. */
  sessionEndsAt(): number | null;
}
