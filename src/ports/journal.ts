// The port to the journal: what was recorded is there after a crash.

import type { Entry, Receipt } from '../domain/fact.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Instant, Moment } from '../domain/instant.ts';
import type { Problem } from '../domain/problem.ts';
import type { Owner } from '../domain/profile.ts';
import type { Notice } from '../domain/record.ts';

/** A closed task as the journal remembers it. */
export interface Tombstone {
  readonly grant: GrantId;
  readonly receipt: Receipt;
  readonly owner: Owner;
  readonly digest: string;
  /** False for a start that failed before it became active: its id may be used again. */
  readonly spent: boolean;
}

/** What an assertion was presented for first: it is good for that alone. */
export interface AssertionUse {
  readonly task: TaskId;
  /** Of the start body. */
  readonly digest: string;
}

export interface Journal {
  /**
   * Why the journal cannot be relied on, with what to do; null when it can. Then append, tombstone and lives
   * fail with it, so that nothing starts, and openGrants gives what could still be read, for revocation.
   */
  readonly damaged: Problem | null;
  /**
   * Resolves when the entries survive kill -9; what a power cut must not take either (that an id is spent, a
   * receipt) is synced. Entries of one call are all or nothing. An entry that a later one makes pointless may
   * be dropped, as long as the rest folds into the same grant.
   * @throws Problem JOURNAL_UNWRITABLE
   */
  append(entries: readonly Entry[]): Promise<void>;
  /** Puts something on record that belongs to no grant, with the next transaction; nobody waits for it. */
  note(notice: Notice): void;
  /** Entries of every grant that is not closed, in order, with their instants on this boot's clock. */
  openGrants(now: Moment): ReadonlyMap<GrantId, readonly Entry[]>;
  /** Whether this open grant was accepted since the machine came up: what an older one ran in is gone. */
  ofThisBoot(grant: GrantId): boolean;
  /** The newest closed grant of a task id. */
  tombstone(task: TaskId): Tombstone | null;
  /** The same for as long as this journal is kept, and no other agent's. */
  agentId(): string;
  /** What this assertion (Asserted.use) was accepted for; null when it was not, or has expired long ago. */
  assertionUse(use: string): AssertionUse | null;
  /** The number of the newest life of this task id, 0 for none: the next grant takes the next. */
  lives(task: TaskId): number;
  /**
   * Forgets tombstones of grants closed before this wall-clock time (milliseconds since 1970), and assertions that
   * had expired by then; a grant is kept for as long as its assertion.
   */
  forget(beforeWallMs: number): void;
  /** How many grants were accepted since this wall-clock time: a restart must not forget how busy it was. */
  startsSince(wallMs: number): number;
  /** Notes until when a session token, parent of task tokens, lives in Vault. */
  noteSession(accessor: string, endsAt: Instant, now: Moment): void;
  /** The end that was noted last for this session, on this boot's clock; null when it is not known. */
  sessionEndsAt(accessor: string, now: Moment): Instant | null;
}
