// Owns what the agent reads of SQLite's write-ahead log by itself (sqlite.org/fileformat2.html#walformat).
// SQLite ends its recovery at the first frame that is not right and says nothing: that is how a torn last
// write is meant to be, and also how records vanish. Invariant: a log is only read here, never changed.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { endianness, uptime } from 'node:os';

const HEADER = 32;
const FRAME_HEADER = 24;
const MAGIC = 0x377f0682;

export interface Wal {
  readonly pageSize: number;
  readonly salt: Buffer;
  /** Page number → its newest committed content. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** Committed frames. */
  readonly frames: number;
  /** A whole frame of this log stands behind one that is not right: it is no torn end. */
  readonly broken: boolean;
}

/** Null when there is no log, or none that SQLite would read. */
export function readWal(path: string): Wal | null {
  const bytes = existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
  if (bytes.length < HEADER) return null;
  const magic = bytes.readUInt32BE(0);
  if (magic >>> 1 !== MAGIC >>> 1) return null;
  const sum = summer(bytes, (magic & 1) === 1);
  let seed = sum(0, 24, [0, 0]);
  if (seed[0] !== bytes.readUInt32BE(24) || seed[1] !== bytes.readUInt32BE(28)) return null;
  const pageSize = bytes.readUInt32BE(8);
  const salt = bytes.subarray(16, 24);
  const size = FRAME_HEADER + pageSize;
  const count = Math.floor((bytes.length - HEADER) / size);
  const pages = new Map<number, Uint8Array>();
  let uncommitted: [number, Uint8Array][] = [];
  let frames = 0;
  let broken = false;
  let right = true;
  for (let n = 0; n < count; n += 1) {
    const at = HEADER + n * size;
    // Salts of an earlier log: what follows was left over from it.
    if (!bytes.subarray(at + 8, at + 16).equals(salt)) break;
    const own: Sum = [bytes.readUInt32BE(at + 16), bytes.readUInt32BE(at + 20)];
    const found = sum(at + FRAME_HEADER, pageSize, sum(at, 8, seed));
    const matches = found[0] === own[0] && found[1] === own[1];
    // The next frame is judged by what this one says of itself.
    seed = own;
    if (!matches) right = false;
    else if (!right) broken = true;
    if (!right) continue;
    uncommitted.push([bytes.readUInt32BE(at), bytes.subarray(at + FRAME_HEADER, at + size)]);
    if (bytes.readUInt32BE(at + 4) === 0) continue;
    for (const [page, content] of uncommitted) pages.set(page, content);
    uncommitted = [];
    frames = n + 1;
  }
  return { pageSize, salt, pages, frames, broken };
}

/**
 * What was committed and would not be found any more; null when nothing was lost that can be told. The index
 * beside the log (-shm, sqlite.org/walformat.html) counts its committed frames, and a killed agent leaves it.
 * After a power cut both are as the disk had them: what was not synced may be gone, and nothing is wrong.
 */
export function lostCommits(path: string): string | null {
  if (!writtenSinceBoot(`${path}-wal`) && !writtenSinceBoot(`${path}-shm`)) return null;
  const wal = readWal(path);
  if (wal?.broken === true) return 'its -wal is damaged in the middle';
  const counted = countedFrames(path, wal);
  const found = wal?.frames ?? 0;
  return found >= counted ? null : `its -wal has ${found} of the ${counted} pages that were committed to it`;
}

const writtenSinceBoot = (file: string): boolean =>
  existsSync(file) && statSync(file).mtimeMs > Date.now() - uptime() * 1000;

/** By the index; 0 where it says nothing about this log. */
function countedFrames(path: string, wal: Wal | null): number {
  const shm = existsSync(`${path}-shm`) ? readFileSync(`${path}-shm`) : Buffer.alloc(0);
  // The header is there twice, in the byte order of the machine; only a finished one is twice the same.
  if (shm.length < 96 || !shm.subarray(0, 48).equals(shm.subarray(48, 96)) || shm[12] !== 1) return 0;
  if (wal !== null && !shm.subarray(32, 40).equals(wal.salt)) return 0;
  return endianness() === 'LE' ? shm.readUInt32LE(16) : shm.readUInt32BE(16);
}

type Sum = readonly [number, number];

/** The running checksum of the format, over `length` bytes from `from`. */
const summer =
  (bytes: Buffer, bigEndian: boolean) =>
  (from: number, length: number, [a, b]: Sum): Sum => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let s0 = a;
    let s1 = b;
    for (let i = from; i < from + length; i += 8) {
      s0 = (s0 + view.getUint32(i, !bigEndian) + s1) >>> 0;
      s1 = (s1 + view.getUint32(i + 4, !bigEndian) + s0) >>> 0;
    }
    return [s0, s1];
  };
