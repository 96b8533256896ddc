// Owns the reading of a journal that SQLite cannot rely on: page by page, cell by cell, by the file format alone
// (sqlite.org/fileformat2.html), without the header, the schema or the inner pages. Invariant: nothing is
// written, nothing is believed whose checksum is wrong, and a cell that cannot be read costs only itself.

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { type EntryRow, isWhole } from './row.ts';
import { readWal } from './wal.ts';

const TABLE_LEAF = 0x0d;
/** SQLite's own default, for a header that cannot be read. */
const PAGE_SIZE = 4096;

interface Pages {
  readonly size: number;
  readonly count: number;
  /** Null for a page that is not there; its content is in `into` until that is used again. */
  get(page: number, into: Buffer): Buffer | null;
}

/** Entries of grants that are not known to be closed, each grant's in the order they were written. */
export function salvage(path: string): ReadonlyMap<string, readonly EntryRow[]> {
  const open = new Map<string, Map<number, EntryRow>>();
  const closed = new Set<string>();
  const take = (seq: number, row: EntryRow): void => {
    if (closed.has(row.grant_id)) return;
    if (row.fact.startsWith('{"type":"grant.closed"')) {
      closed.add(row.grant_id);
      open.delete(row.grant_id);
      return;
    }
    const rows = open.get(row.grant_id);
    if (rows === undefined) open.set(row.grant_id, new Map([[seq, row]]));
    else rows.set(seq, row);
  };
  const fd = existsSync(path) ? openSync(path, 'r') : null;
  try {
    scan(pagesOf(fd, path), take);
  } finally {
    if (fd !== null) closeSync(fd);
  }
  const inOrder = (rows: ReadonlyMap<number, EntryRow>) => [...rows].toSorted(([m], [n]) => m - n);
  return new Map([...open].map(([grant, rows]) => [grant, inOrder(rows).map(([, row]) => row)]));
}

function scan(pages: Pages, take: (seq: number, row: EntryRow) => void): void {
  const leaf = Buffer.alloc(pages.size);
  for (let n = 1; n <= pages.count; n += 1) {
    const page = pages.get(n, leaf);
    if (page === null) continue;
    for (const [seq, columns] of cellsOf(page, n === 1 ? 100 : 0, pages)) {
      const row = asEntry(columns);
      if (row !== null) take(seq, row);
    }
  }
}

/** The file with the committed pages of its write-ahead log laid over it. */
function pagesOf(fd: number | null, path: string): Pages {
  const wal = readWal(path);
  const header = Buffer.alloc(18);
  const read = fd === null ? 0 : readSync(fd, header, 0, header.length, 0);
  const declared = read === header.length ? header.readUInt16BE(16) : 0;
  const plausible = declared >= 512 && (declared & (declared - 1)) === 0;
  const size = wal?.pageSize ?? (plausible ? declared : PAGE_SIZE);
  const inFile = fd === null ? 0 : Math.ceil(fstatSync(fd).size / size);
  return {
    size,
    count: Math.max(inFile, ...(wal?.pages.keys() ?? [])),
    get(page, content) {
      const logged = wal?.pages.get(page);
      if (logged !== undefined) return Buffer.from(logged.buffer, logged.byteOffset, logged.byteLength);
      if (fd === null) return null;
      const read = readSync(fd, content, 0, size, (page - 1) * size);
      return read === 0 ? null : content.fill(0, read);
    },
  };
}

/** The cells of a table leaf, each with its rowid; a page that is no such leaf has none. */
function* cellsOf(page: Buffer, at: number, pages: Pages): Iterable<readonly [number, readonly unknown[]]> {
  if (page[at] !== TABLE_LEAF) return;
  const count = Math.min(page.readUInt16BE(at + 3), Math.floor((pages.size - at - 8) / 2));
  for (let n = 0; n < count; n += 1) {
    const pointer = page.readUInt16BE(at + 8 + 2 * n);
    try {
      const length = varint(page, pointer);
      const rowid = varint(page, length.next);
      yield [rowid.value, columnsOf(payload(page, rowid.next, length.value, pages))];
    } catch {
      // It points, or its lengths point, to where nothing is.
    }
  }
}

/** The bytes of a cell, gathered from its overflow pages where it has some. */
function payload(page: Buffer, start: number, length: number, pages: Pages): Buffer {
  const most = pages.size - 35;
  if (length <= most) return exactly(page.subarray(start, start + length), length);
  const least = Math.floor(((pages.size - 12) * 32) / 255) - 23;
  const chunk = pages.size - 4;
  const wished = least + ((length - least) % chunk);
  const local = wished <= most ? wished : least;
  const parts = [page.subarray(start, start + local)];
  let next = page.readUInt32BE(start + local);
  for (let left = length - local; left > 0; left -= chunk) {
    const overflow = pages.get(next, Buffer.alloc(pages.size));
    if (overflow === null) throw new RangeError('an overflow page is missing');
    parts.push(overflow.subarray(4, 4 + Math.min(left, chunk)));
    next = overflow.readUInt32BE(0);
  }
  return exactly(Buffer.concat(parts), length);
}

function exactly(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new RangeError('a cell is cut short');
  return bytes;
}

/** The record format: a header of serial types, then the values. Only what our tables hold is read. */
function columnsOf(record: Buffer): readonly unknown[] {
  const header = varint(record, 0);
  const columns: unknown[] = [];
  let value = header.value;
  for (let at = header.next; at < header.value; ) {
    const type = varint(record, at);
    at = type.next;
    const kind = type.value;
    if (kind === 0) columns.push(null);
    else if (kind === 8 || kind === 9) columns.push(kind - 8);
    else if (kind <= 6) {
      const bytes = kind <= 4 ? kind : kind === 5 ? 6 : 8;
      columns.push(bytes === 8 ? Number(record.readBigInt64BE(value)) : record.readIntBE(value, bytes));
      value += bytes;
    } else if (kind >= 13 && kind % 2 === 1) {
      const bytes = (kind - 13) / 2;
      columns.push(exactly(record.subarray(value, value + bytes), bytes).toString('utf8'));
      value += bytes;
    } else throw new RangeError('no type that the journal uses');
  }
  return columns;
}

/** Seven bits a byte, the ninth whole; nothing here is longer than a safe integer. */
function varint(bytes: Buffer, at: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let n = 0; n < 8; n += 1) {
    const byte = bytes.readUInt8(at + n);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + n + 1 };
  }
  throw new RangeError('no number of the journal is this long');
}

/** Seven columns as written now, six as written before there were checksums; the first is the rowid's. */
function asEntry(columns: readonly unknown[]): EntryRow | null {
  const [alias, boot, at, wall_ms, grant_id, fact, sum = null] = columns;
  if (columns.length < 6 || columns.length > 7 || alias !== null) return null;
  if (typeof boot !== 'string' || typeof grant_id !== 'string' || typeof fact !== 'string') return null;
  if (typeof at !== 'number' || typeof wall_ms !== 'number') return null;
  if (sum !== null && typeof sum !== 'number') return null;
  const row: EntryRow = { boot, at, wall_ms, grant_id, fact, sum };
  return isWhole(row) ? row : null;
}
