// Owns journal.db: facts in order, and which grants are open. Invariant: what append has resolved survives
// kill -9, and a power cut too unless losing it there is harmless (WAL with synchronous FULL or NORMAL:
// sqlite.org/pragma.html#pragma_synchronous); appends that arrive together share one transaction, and a
// failed one leaves nothing behind.

import type { Entry, Fact } from '../../domain/fact.ts';
import type { GrantId, TaskId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import { Problem } from '../../domain/problem.ts';
import type { Journal, Tombstone } from '../../ports/journal.ts';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, boot TEXT NOT NULL, at INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    grant_id TEXT NOT NULL, fact TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS entries_of_grant ON entries (grant_id);
  CREATE TABLE IF NOT EXISTS grants (
    grant_id TEXT PRIMARY KEY, task TEXT NOT NULL, open INTEGER NOT NULL, spent INTEGER NOT NULL,
    owner TEXT NOT NULL, digest TEXT NOT NULL, receipt TEXT, closed_wall_ms INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS grants_of_task ON grants (task);
  CREATE INDEX IF NOT EXISTS open_grants ON grants (open) WHERE open = 1;
  CREATE TABLE IF NOT EXISTS sessions (accessor TEXT PRIMARY KEY, ends_at_wall_ms INTEGER NOT NULL) STRICT;
`;

/**
 * Facts that need no fsync of their own: the next one takes them along. They survive kill -9, which is what
 * leaves tokens and leases behind that somebody must end. After a power cut the session that all of them
 * hang under is gone with the host, and Vault revokes them within the leash; what must not be lost even
 * then, that an id is spent (delivery.published) and a receipt (grant.closed), is synced.
 */
const LIGHT: ReadonlySet<Fact['type']> = new Set([
  'grant.accepted',
  'generation.opened',
  'token.opened',
  'leases.issued',
  'grant.stopping',
  'leases.known',
]);

interface Waiting {
  readonly entries: readonly Entry[];
  readonly resolve: () => void;
  readonly reject: (problem: Problem) => void;
}

/**
 * Opens or creates the journal. `bootId` is /proc/sys/kernel/random/boot_id: instants of another boot are
 * carried over by the wall clock.
 * @throws Problem JOURNAL_UNWRITABLE
 */
export function openJournal(path: string, bootId: string): Journal & { close(): void } {
  const db = attempt(path, () => {
    // Loaded here: as an import it would keep every command from running on a Node that lacks it.
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    const opened = new DatabaseSync(path);
    opened.exec(SCHEMA);
    return opened;
  });
  const insert = db.prepare('INSERT INTO entries (boot, at, wall_ms, grant_id, fact) VALUES (?, ?, ?, ?, ?)');
  const accept = db.prepare('INSERT INTO grants VALUES (?, ?, 1, 0, ?, ?, NULL, NULL)');
  const spend = db.prepare('UPDATE grants SET spent = 1 WHERE grant_id = ?');
  const close = db.prepare('UPDATE grants SET open = 0, receipt = ?, closed_wall_ms = ? WHERE grant_id = ?');
  const selectOpen = db.prepare(`
    SELECT e.boot, e.at, e.wall_ms, e.grant_id, e.fact
    FROM grants g JOIN entries e ON e.grant_id = g.grant_id WHERE g.open = 1 ORDER BY e.seq`);
  const selectClosed = db.prepare(`
    SELECT grant_id, spent, owner, digest, receipt FROM grants
    WHERE task = ? AND open = 0 ORDER BY closed_wall_ms DESC, rowid DESC LIMIT 1`);
  const countLives = db.prepare(
    "SELECT COALESCE(MAX(CAST(SUBSTR(grant_id, INSTR(grant_id, '#') + 1) AS INTEGER)), 0) AS n FROM grants WHERE task = ?",
  );
  const noteSession = db.prepare(
    'INSERT INTO sessions VALUES (?, ?) ON CONFLICT (accessor) DO UPDATE SET ends_at_wall_ms = excluded.ends_at_wall_ms',
  );
  const selectSession = db.prepare('SELECT MAX(ends_at_wall_ms) AS ends FROM sessions');

  let synchronous = 'FULL';
  let waiting: Waiting[] = [];
  let scheduled = false;

  function transaction(run: () => void): void {
    db.exec('BEGIN IMMEDIATE');
    try {
      run();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  function index(entry: Entry): void {
    const { fact } = entry;
    if (fact.type === 'grant.accepted') {
      accept.run(entry.grant, fact.task, JSON.stringify(fact.owner), fact.digest);
    } else if (fact.type === 'delivery.published') {
      spend.run(entry.grant);
    } else if (fact.type === 'grant.closed') {
      close.run(JSON.stringify(fact.receipt), entry.wallMs, entry.grant);
    }
  }

  function flush(): void {
    scheduled = false;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      attempt(path, () => {
        const wanted = batch.every(({ entries }) => entries.every(({ fact }) => LIGHT.has(fact.type)))
          ? 'NORMAL'
          : 'FULL';
        if (wanted !== synchronous) db.exec(`PRAGMA synchronous = ${wanted}`);
        synchronous = wanted;
        transaction(() => {
          for (const { entries } of batch) {
            for (const entry of entries) {
              insert.run(bootId, entry.at, entry.wallMs, entry.grant, JSON.stringify(entry.fact));
              index(entry);
            }
          }
        });
      });
    } catch (problem) {
      for (const { reject } of batch) reject(problem as Problem);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  return {
    append(entries) {
      return new Promise((resolve, reject) => {
        waiting.push({ entries, resolve, reject });
        if (scheduled) return;
        scheduled = true;
        setImmediate(flush);
      });
    },
    openGrants(now) {
      const open = new Map<GrantId, Entry[]>();
      attempt(path, () => {
        for (const row of selectOpen.iterate()) {
          const grant = row.grant_id as GrantId;
          const list = open.get(grant) ?? [];
          open.set(grant, list);
          list.push(entryOf(row, bootId, now));
        }
      });
      return open;
    },
    tombstone: (task) =>
      attempt(path, () => {
        const row = selectClosed.get(task);
        if (row === undefined) return null;
        return {
          grant: row.grant_id as GrantId,
          receipt: JSON.parse(row.receipt as string),
          owner: JSON.parse(row.owner as string),
          digest: row.digest as string,
          spent: row.spent === 1,
        } satisfies Tombstone;
      }),
    lives: (task: TaskId) => attempt(path, () => countLives.get(task)!.n as number),
    forget(beforeWallMs) {
      const old = 'SELECT grant_id FROM grants WHERE open = 0 AND closed_wall_ms < ?';
      attempt(path, () =>
        transaction(() => {
          db.prepare(`DELETE FROM entries WHERE grant_id IN (${old})`).run(beforeWallMs);
          db.prepare('DELETE FROM grants WHERE open = 0 AND closed_wall_ms < ?').run(beforeWallMs);
          db.prepare('DELETE FROM sessions WHERE ends_at_wall_ms < ?').run(beforeWallMs);
        }),
      );
    },
    noteSession: (accessor, endsAtWallMs) => {
      attempt(path, () => noteSession.run(accessor, Math.round(endsAtWallMs)));
    },
    sessionEndsAt: () => selectSession.get()!.ends as number | null,
    close() {
      flush();
      db.close();
    },
  };
}

function entryOf(row: Record<string, unknown>, bootId: string, now: Moment): Entry {
  const wallMs = row.wall_ms as number;
  const at = row.boot === bootId ? (row.at as number) : Math.round(wallMs - now.wallMs + now.at);
  return { grant: row.grant_id as GrantId, at, wallMs, fact: JSON.parse(row.fact as string) as Fact };
}

function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Problem('JOURNAL_UNWRITABLE', `the journal ${path} cannot be used: ${reason}`, {
      cause,
      hint: 'check the disk space and the owner of state_dir; revocation goes on meanwhile',
    });
  }
}
