// Owns journal.db as a file: how it is made, which version of its tables it has, whether it is whole. Invariant:
// a file is opened for writing only when everything in it that decides about a start could be verified.

import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { checksum, type EntryRow, isWhole } from './row.ts';
import { lostCommits } from './wal.ts';

const TABLES = `
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, boot TEXT NOT NULL, at INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    grant_id TEXT NOT NULL, fact TEXT NOT NULL) STRICT;
  CREATE INDEX entries_of_grant ON entries (grant_id);
  CREATE TABLE grants (
    grant_id TEXT PRIMARY KEY, task TEXT NOT NULL, open INTEGER NOT NULL, spent INTEGER NOT NULL,
    owner TEXT NOT NULL, digest TEXT NOT NULL, receipt TEXT, closed_wall_ms INTEGER) STRICT;
  CREATE INDEX grants_of_task ON grants (task);
  CREATE INDEX open_grants ON grants (open) WHERE open = 1;
  CREATE TABLE sessions (accessor TEXT PRIMARY KEY, ends_at_wall_ms INTEGER NOT NULL) STRICT;
`;

/** What each later version added, the first one's at the start. */
const MIGRATIONS = [
  // Checksums, and when a grant was accepted.
  `ALTER TABLE entries ADD COLUMN sum INTEGER;
  ALTER TABLE grants ADD COLUMN accepted_wall_ms INTEGER;
  ALTER TABLE grants ADD COLUMN sum INTEGER;
  UPDATE grants SET accepted_wall_ms =
    (SELECT MIN(wall_ms) FROM entries WHERE entries.grant_id = grants.grant_id);
  CREATE INDEX grants_by_start ON grants (accepted_wall_ms);`,
  // The end of a session on the boot clock.
  `ALTER TABLE sessions ADD COLUMN boot TEXT;
  ALTER TABLE sessions ADD COLUMN ends_at INTEGER;`,
  // What each task assertion was accepted for.
  `CREATE TABLE assertion_uses (
    use TEXT PRIMARY KEY, task TEXT NOT NULL, digest TEXT NOT NULL, grant_id TEXT NOT NULL,
    until_wall_ms INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
  CREATE INDEX uses_by_grant ON assertion_uses (grant_id);
  CREATE TABLE agent (id TEXT NOT NULL) STRICT;
  INSERT INTO agent VALUES (lower(hex(randomblob(16))));`,
  // Records of the ledger that are not safe in its own files yet, and always the newest.
  'CREATE TABLE ledger (last INTEGER PRIMARY KEY, lines TEXT NOT NULL) STRICT;',
  // Up to which entry they tell: what came after is put on record by the next agent.
  `ALTER TABLE ledger ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;
  UPDATE ledger SET entry = (SELECT COALESCE(MAX(seq), 0) FROM entries);`,
];
const VERSION = MIGRATIONS.length;

const migration = (from: number): string =>
  `${MIGRATIONS.slice(from).join('\n')} PRAGMA user_version = ${VERSION};`;

const GRANT_COLUMNS = [
  'grant_id',
  'task',
  'open',
  'spent',
  'owner',
  'digest',
  'receipt',
  'closed_wall_ms',
  'accepted_wall_ms',
] as const;

/** The checksum of a row of grants, in SQL; as it will be where some columns are being changed. */
export const grantSum = (
  changed: Readonly<Partial<Record<(typeof GRANT_COLUMNS)[number], string>>> = {},
): string => `checksum(${GRANT_COLUMNS.map((column) => changed[column] ?? column).join(', ')})`;

/** @throws Error that says what is wrong with the file; it is left as it is */
export function openDatabase(path: string): DatabaseSync {
  checkFiles(path);
  if (existsSync(path)) checkContent(path);
  else make(path);
  const db = open(path, false);
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY');
    // One that cannot be written is found here and not at the first start.
    transaction(db, () => db.exec(migration(versionOf(db))));
    // From here on whoever commits says what must be synced (log-sync.ts); a checkpoint syncs by itself.
    db.exec('PRAGMA synchronous = NORMAL');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Transactions of this connection, all or nothing, with their two statements prepared. */
export function transactions(db: DatabaseSync): (run: () => void) => void {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  return (run) => {
    begin.run();
    try {
      run();
      commit.run();
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };
}

export const transaction = (db: DatabaseSync, run: () => void): void => transactions(db)(run);

function open(path: string, readOnly: boolean): DatabaseSync {
  // Loaded here: as an import it would keep every command from running on a Node that lacks it.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const db = new DatabaseSync(path, { readOnly });
  db.function('checksum', { varargs: true, deterministic: true }, checksum);
  return db;
}

/** Made under another name first: an empty journal.db can then only be one that lost its content. */
function make(path: string): void {
  const draft = `${path}.new`;
  for (const name of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(name, { force: true });
  const db = open(draft, false);
  transaction(db, () => db.exec(TABLES + migration(0)));
  db.close();
  renameSync(draft, path);
}

/** What SQLite would take for a new, empty database, or pass over in silence. */
function checkFiles(path: string): void {
  const wal = `${path}-wal`;
  const walBytes = existsSync(wal) ? statSync(wal).size : 0;
  if (!existsSync(path)) {
    if (walBytes > 0) throw new Error(`it is gone, although its ${wal} is there`);
    return;
  }
  if (statSync(path).size === 0) throw new Error('it is empty');
  const lost = lostCommits(path);
  if (lost !== null) throw new Error(lost);
}

export interface JournalState {
  readonly openGrants: number;
}

/** A look that writes nothing. @throws Error that says what is wrong with the file */
export function checkDatabase(path: string): JournalState {
  checkFiles(path);
  checkContent(path);
  const db = open(path, true);
  try {
    const { n } = db.prepare('SELECT COUNT(*) AS n FROM grants WHERE open = 1').get()!;
    return { openGrants: Number(n) };
  } finally {
    db.close();
  }
}

/** On a connection of its own that cannot write: closing another one would change the file (a checkpoint). */
function checkContent(path: string): void {
  const db = open(path, true);
  try {
    const version = versionOf(db);
    if (version > VERSION) throw new Error(`a later tasklease wrote it (version ${version} of its tables)`);
    const ours = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'grants'").get();
    if (ours === undefined) throw new Error('it is a database of something else');
    checkStructure(db);
    if (version > 0) checkSums(db);
    if (version > 2) checkUses(db);
  } finally {
    db.close();
  }
}

const versionOf = (db: DatabaseSync): number =>
  db.prepare('PRAGMA user_version').get()!.user_version as number;

/** What says which task ids are spent, indexes included; of the entries, that every one can be reached. */
function checkStructure(db: DatabaseSync): void {
  for (const check of [
    "integrity_check('grants')",
    "quick_check('entries')",
    "integrity_check('sessions')",
  ]) {
    const [first] = Object.values(db.prepare(`PRAGMA ${check}`).get() ?? {});
    if (first !== 'ok') throw new Error(String(first));
  }
}

/** SQLite has no checksums of its own: a flipped bit inside a value is as good as any other to it. */
function checkSums(db: DatabaseSync): void {
  const changed = db
    .prepare(`SELECT grant_id FROM grants WHERE sum IS NOT NULL AND sum <> ${grantSum()} LIMIT 1`)
    .get();
  if (changed !== undefined) throw new Error(`the record of ${changed.grant_id} was changed`);
  for (const row of openRows(db)) {
    if (!isWhole(row)) throw new Error(`an entry of ${row.grant_id} was changed`);
  }
}

const USE_SUM = 'checksum(use, task, digest, grant_id, until_wall_ms)';

function checkUses(db: DatabaseSync): void {
  const [first] = Object.values(db.prepare("PRAGMA integrity_check('assertion_uses')").get() ?? {});
  if (first !== 'ok') throw new Error(String(first));
  const changed = db.prepare(`SELECT task FROM assertion_uses WHERE sum <> ${USE_SUM} LIMIT 1`).get();
  if (changed !== undefined) throw new Error(`the record of the assertion of ${changed.task} was changed`);
}

export type NumberedRow = EntryRow & { readonly seq: number };

/** Entries of open grants, grant by grant in the order of their acceptance, each in its own order. */
export const openRows = (db: DatabaseSync): Iterable<NumberedRow> =>
  db
    .prepare(
      `SELECT e.seq, e.boot, e.at, e.wall_ms, e.grant_id, e.fact, e.sum
       FROM grants g CROSS JOIN entries e ON e.grant_id = g.grant_id
       WHERE g.open = 1 ORDER BY g.rowid, e.seq`,
    )
    .iterate() as Iterable<unknown> as Iterable<NumberedRow>;
