// Owns the ledger's files: lines are appended to the newest, which gives way to the next when it is long or old. Invariant:
// lines are written in order and never changed; a file ends with a signed head; what is called safe was synced.

import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type ChainEnd, NOTHING } from './chain.ts';
import { ledgerFiles, SEGMENT, segmentName } from './source.ts';

export interface Segment {
  readonly path: string;
  /** Number of its first record. */
  readonly first: number;
  readonly bytes: number;
  /** When it was written to last. Milliseconds since 1970. */
  readonly at: number;
}

const TAIL = 1 << 20;

/** The files of the directory, oldest first; the last one is being written. */
export const segmentsOf = (dir: string): Segment[] =>
  ledgerFiles(dir).map((path) => {
    const { size, mtimeMs } = statSync(path);
    return { path, first: Number(SEGMENT.exec(basename(path))![1]), bytes: size, at: mtimeMs };
  });

/** Where the chain stands by the end of a file; null when its last whole line is no record. */
export const endOf = (path: string): ChainEnd | null => wholeLines(path).map(lineEnd).at(-1) ?? null;

/** The last whole lines. */
function wholeLines(path: string): string[] {
  const text = path.endsWith('.gz') ? gunzipSync(readFileSync(path)).toString() : tail(path);
  return text.slice(0, Math.max(0, text.lastIndexOf('\n'))).split('\n');
}

const END = /^\{"v":1,"seq":(\d+),.*,"hash":"([0-9a-f]{64})"\}$/s;

export function lineEnd(line: string): ChainEnd | null {
  const match = END.exec(line);
  return match === null ? null : { seq: Number(match[1]), hash: match[2]! };
}

/** A record is at most as long as a start body and its receipt: far less than this. */
function tail(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, TAIL));
    readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString();
  } finally {
    closeSync(fd);
  }
}

export class SegmentWriter {
  readonly #dir: string;
  #fd: number | null = null;
  #path: string | null = null;
  #size = 0;
  #openedAt = 0;
  /** What is in the files. */
  end: ChainEnd = { seq: 0, hash: NOTHING };
  /** What was synced of it. */
  safe = 0;
  /** A file with something at its end that is no record. It is left as it is. */
  readonly foreign: string | null = null;
  #syncing = false;

  /** Goes on where the newest file ends; half a line at its end was never whole and goes. */
  constructor(dir: string) {
    this.#dir = dir;
    const newest = segmentsOf(dir).findLast(({ path }) => !path.endsWith('.gz'));
    if (newest === undefined) return;
    this.#open(newest.path);
    const text = tail(newest.path);
    const torn = Buffer.byteLength(text.slice(text.lastIndexOf('\n') + 1));
    if (torn > 0) {
      ftruncateSync(this.#fd!, this.#size - torn);
      this.#size -= torn;
    }
    if (this.#size === 0) return;
    const ends = wholeLines(newest.path).map(lineEnd);
    const last = ends.findLastIndex((end) => end !== null);
    this.end = ends[last] ?? this.end;
    if (last === ends.length - 1) return;
    this.foreign = newest.path;
    this.leave();
  }

  /** Bytes in the file that is being written. */
  get size(): number {
    return this.#size;
  }

  /** Since when it is being written. Milliseconds since 1970. */
  get openedAt(): number {
    return this.#openedAt;
  }

  /** Null before there is one. */
  get path(): string | null {
    return this.#path;
  }

  /** @throws Error of write(2); then nothing of it counts as written, and it may be tried again */
  write(lines: string, first: number, end: ChainEnd): void {
    if (this.#fd === null) {
      const path = join(this.#dir, segmentName(first));
      // Nothing in it was a record.
      if (existsSync(path) && statSync(path).size > 0)
        renameSync(path, join(this.#dir, `damaged-${basename(path)}`));
      this.#open(path);
    }
    const bytes = Buffer.from(lines);
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd!, bytes, done, bytes.length - done, this.#size + done);
    }
    this.#size += bytes.length;
    this.end = end;
  }

  /** Makes what is written safe, beside the event loop. */
  sync(onError: (error: Error) => void): void {
    if (this.#fd === null || this.#syncing || this.safe === this.end.seq) return;
    const { seq } = this.end;
    const fd = this.#fd;
    this.#syncing = true;
    fdatasync(fd, (error) => {
      this.#syncing = false;
      if (fd !== this.#fd) closeSync(fd);
      if (error === null) this.safe = Math.max(this.safe, seq);
      else onError(error);
    });
  }

  /** The next line begins a new file. */
  leave(): void {
    if (this.#fd === null) return;
    fdatasyncSync(this.#fd);
    this.safe = this.end.seq;
    // Else whoever syncs it closes it.
    if (!this.#syncing) closeSync(this.#fd);
    this.#fd = null;
    this.#path = null;
    this.#size = 0;
  }

  #open(path: string): void {
    this.#fd = openSync(path, 'a+', 0o600);
    closeSync(this.#fd);
    // Not to append: a line that was half written is written again over itself.
    this.#fd = openSync(path, 'r+');
    this.#path = path;
    const { size, birthtimeMs } = fstatSync(this.#fd);
    this.#size = size;
    this.#openedAt = birthtimeMs;
  }
}
