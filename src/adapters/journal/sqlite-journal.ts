// Owns journal.db: facts in order, and which grants are open. Invariant: what append has resolved survives
// kill -9, and a power cut too unless losing it there is harmless (WAL with synchronous NORMAL, and a sync of the log
// where SQLite's FULL would make one: sqlite.org/pragma.html#pragma_synchronous); appends that arrive together share
// one transaction, and a failed one leaves nothing behind. After a sync that failed nothing is relied on any more.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry } from '../../domain/fact.ts';
import type { TaskId } from '../../domain/ids.ts';
import { Problem } from '../../domain/problem.ts';
import type { Notice } from '../../domain/record.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Draft, Ledger } from '../../ports/ledger.ts';
import { Compaction } from './compaction.ts';
import { damagedJournal, damagedProblem } from './damaged-journal.ts';
import { openDatabase, transaction, transactions } from './database.ts';
import { GrantRows } from './grant-rows.ts';
import { KeptRecords } from './kept-records.ts';
import { isLight } from './light.ts';
import { type LogSync, openLogSync, type Sync } from './log-sync.ts';
import { OpenEntries } from './open-entries.ts';
import { rowOf } from './row.ts';

/**
 * Where so many appends came together, as many will come again in a moment: they are waited for, because a
 * transaction costs as much for one as for fifty. Whoever comes with few is written at once.
 */
const MANY = 12;
const GATHER_MS = 1;
const MAX_NOTICES = 1000;

interface Waiting {
  readonly entries: readonly Entry[];
  /** No power cut matters to them. */
  readonly light: boolean;
  readonly resolve: () => void;
  readonly reject: (problem: Problem) => void;
}

export interface JournalOptions {
  readonly sync?: Sync;
  /** Where facts become records; null: nowhere. */
  readonly ledger?: Ledger | null;
}

/**
 * Opens or creates the journal. `bootId` is /proc/sys/kernel/random/boot_id: instants of another boot are
 * carried over by the wall clock. A file that cannot be relied on gives a journal that says so (`damaged`).
 */
export function openJournal(
  path: string,
  bootId: string,
  { sync, ledger = null }: JournalOptions = {},
): Journal & { close(): void } {
  try {
    const db = openDatabase(path);
    return journalOn(db, openLogSync(`${path}-wal`, sync), path, bootId, ledger);
  } catch (cause) {
    return damagedJournal(path, bootId, damagedProblem(path, cause));
  }
}

function journalOn(
  db: DatabaseSync,
  log: LogSync,
  path: string,
  bootId: string,
  ledger: Ledger | null,
): Journal & { close(): void } {
  const insert = db.prepare(
    'INSERT INTO entries (seq, boot, at, wall_ms, grant_id, fact, sum) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const drop = db.prepare('DELETE FROM entries WHERE seq = ?');
  const grants = new GrantRows(db);
  const selectBoot = db.prepare('SELECT boot FROM entries WHERE grant_id = ? ORDER BY seq LIMIT 1');
  const countStarts = db.prepare('SELECT COUNT(*) AS n FROM grants WHERE accepted_wall_ms >= ?');
  const noteSession = db.prepare(
    'INSERT OR REPLACE INTO sessions (accessor, ends_at_wall_ms, boot, ends_at) VALUES (?, ?, ?, ?)',
  );
  const selectSession = db.prepare('SELECT ends_at_wall_ms, boot, ends_at FROM sessions WHERE accessor = ?');

  const selectAgent = db.prepare('SELECT id FROM agent');
  const selectUse = db.prepare('SELECT task, digest FROM assertion_uses WHERE use = ?');

  const compaction = new Compaction();
  const records = new KeptRecords(db, ledger);
  const open = new OpenEntries(db);
  const inTransaction = transactions(db);
  let damaged: Problem | null = null;
  let waiting: Waiting[] = [];
  let notices: Notice[] = [];
  let scheduled = false;
  let syncing = false;
  /** How many appends the last transaction took. */
  let together = 0;

  function attempt<T>(run: () => T): T {
    if (damaged !== null) throw damaged;
    try {
      return run();
    } catch (cause) {
      if (CORRUPT.has(((cause as { errcode?: number }).errcode ?? 0) & 0xff)) {
        damaged = damagedProblem(path, cause);
        throw damaged;
      }
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Problem('JOURNAL_UNWRITABLE', `the journal ${path} cannot be used: ${reason}`, {
        cause,
        hint: 'check the disk space and the owner of state_dir; revocation goes on meanwhile',
      });
    }
  }

  /** Returns the entries that this one makes pointless. */
  function write(entry: Entry, draft: Draft | null): readonly number[] {
    const { boot, at, wall_ms: wallMs, grant_id: grant, fact, sum } = rowOf(entry, bootId);
    const seq = records.next();
    insert.run(seq, boot, at, wallMs, grant, fact, sum);
    grants.index(entry, draft?.receipts.get(entry.grant));
    return compaction.add(seq, entry);
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    if (together < MANY) setImmediate(() => flush());
    else setTimeout(() => flush(), GATHER_MS);
  }

  function flush(end = false): void {
    scheduled = false;
    // What has to be synced would have to wait for the next sync anyway: all of that shares its transaction too.
    const batch = syncing ? waiting.filter(({ light }) => light) : waiting;
    waiting = syncing ? waiting.filter(({ light }) => !light) : [];
    const entries = batch.flatMap((each) => each.entries);
    together = batch.length;
    try {
      attempt(() => commit(entries, end));
    } catch (problem) {
      compaction.forget(entries);
      for (const { reject } of batch) reject(problem as Problem);
      return;
    }
    const heavy = batch.filter(({ light }) => !light);
    if (heavy.length > 0) void sync(heavy);
    for (const { light, resolve } of batch) if (light) resolve();
  }

  /** Facts and their records, all or nothing. */
  function commit(entries: readonly Entry[], end: boolean): void {
    const draft = records.draft(entries, notices, end);
    try {
      if (draft !== null || entries.length > 0) {
        inTransaction(() => {
          const pointless = entries.flatMap((entry) => write(entry, draft));
          for (const seq of records.keep(draft, pointless)) drop.run(seq);
        });
      }
    } catch (error) {
      draft?.drop();
      records.failed();
      throw error;
    }
    notices = [];
    open.release();
    records.written(entries);
    draft?.keep();
  }

  async function sync(heavy: readonly Waiting[]): Promise<void> {
    syncing = true;
    try {
      await log.synced();
      for (const { resolve } of heavy) resolve();
    } catch (cause) {
      // The kernel forgets what it could not write and calls it synced the next time: fsync(2), EIO.
      damaged ??= damagedProblem(path, cause);
      for (const { reject } of heavy) reject(damaged);
    }
    syncing = false;
    if (waiting.length > 0) schedule();
  }

  if (ledger !== null) records.resume(open.all, schedule);
  return {
    get damaged() {
      return damaged;
    },
    append(entries) {
      return new Promise((resolve, reject) => {
        const light = entries.every(({ fact }) => isLight(fact));
        waiting.push({ entries, light, resolve, reject });
        if (light || !syncing) schedule();
      });
    },
    note(notice) {
      // What cannot be written is not worth the memory either.
      if (ledger === null || notices.length >= MAX_NOTICES) return;
      notices.push(notice);
      schedule();
    },
    openGrants: (now) => attempt(() => open.byGrant(bootId, now)),
    ofThisBoot: (grant) => attempt(() => selectBoot.get(grant)?.boot === bootId),
    tombstone: (task) => attempt(() => grants.tombstone(task)),
    agentId: () => attempt(() => selectAgent.get()!.id as string),
    assertionUse: (use) =>
      attempt(() => {
        const row = selectUse.get(use);
        return row === undefined ? null : { task: row.task as TaskId, digest: row.digest as string };
      }),
    lives: (task) => attempt(() => grants.lives(task)),
    forget(beforeWallMs) {
      const old = `SELECT grant_id FROM grants WHERE open = 0 AND closed_wall_ms < ?
        AND grant_id NOT IN (SELECT grant_id FROM assertion_uses)`;
      attempt(() =>
        transaction(db, () => {
          db.prepare('DELETE FROM assertion_uses WHERE until_wall_ms < ?').run(beforeWallMs);
          db.prepare(`DELETE FROM entries WHERE grant_id IN (${old})`).run(beforeWallMs);
          db.prepare(`DELETE FROM grants WHERE grant_id IN (${old})`).run(beforeWallMs);
          db.prepare('DELETE FROM sessions WHERE ends_at_wall_ms < ?').run(beforeWallMs);
        }),
      );
    },
    startsSince: (wallMs) => attempt(() => countStarts.get(wallMs)!.n as number),
    noteSession: (accessor, endsAt, now) => {
      const wallMs = Math.round(endsAt - now.at + now.wallMs);
      attempt(() => noteSession.run(accessor, wallMs, bootId, Math.round(endsAt)));
    },
    sessionEndsAt: (accessor, now) =>
      attempt(() => {
        const row = selectSession.get(accessor);
        if (row === undefined) return null;
        // The wall clock may have been set since; of another boot there is nothing else to go by.
        if (row.boot === bootId) return row.ends_at as number;
        return (row.ends_at_wall_ms as number) - now.wallMs + now.at;
      }),
    close() {
      // Whatever waits is written: closing makes a checkpoint, which syncs.
      syncing = false;
      flush(true);
      records.close();
      log.close();
      db.close();
    },
  };
}

/** Primary result codes that speak of the file and not of the moment: SQLITE_CORRUPT, SQLITE_NOTADB (rescode.html). */
const CORRUPT: ReadonlySet<number> = new Set([11, 26]);
