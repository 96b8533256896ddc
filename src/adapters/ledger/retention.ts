// Owns which files of the ledger have had their time, and their way out. Invariant: never the one that is being written,
// and always the oldest first, so that what is left is one chain, anchored in the last hash of what went; that a file goes
// is on record once, before it goes, and it is gone from here only when its copy is safe.

import { readFileSync } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { endOf, segmentsOf } from './segments.ts';

export interface Retention {
  /** A file is followed by the next when it is so long, or so old. */
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** All files together. */
  readonly bytes: number;
  readonly ms: number;
  /** Where they go; absent: they are deleted. */
  readonly archive?: string;
}

export interface Overdue {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly hash: string;
  readonly why: 'age' | 'size';
  readonly archived: boolean;
}

/** @param current the file that is being written */
export function overdue(dir: string, retention: Retention, current: string | null, now: number): Overdue[] {
  const segments = segmentsOf(dir);
  let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const found: Overdue[] = [];
  for (const { path, first, bytes, at } of segments) {
    if (path === current) break;
    const why = now - at >= retention.ms ? 'age' : total > retention.bytes ? 'size' : null;
    if (why === null) break;
    const end = endOf(path);
    // Somebody else's work: it stays to be looked at.
    if (end === null) break;
    const archived = retention.archive !== undefined;
    found.push({ path, from: first, to: end.seq, hash: end.hash, why, archived });
    total -= bytes;
  }
  return found;
}

const RETIRED = /"type":"segment\.retired",.*"fact":\{"from":(\d+),/g;

/** First records of files whose end is on record although they may be here: the agent that was to move them died. */
export function recordedAsRetired(dir: string): Set<number> {
  // It died right then, so that such a record is among the newest.
  const newest = segmentsOf(dir).filter(({ path }) => !path.endsWith('.gz'));
  const texts = newest.slice(-2).map(({ path }) => readFileSync(path, 'utf8'));
  return new Set(texts.flatMap((text) => [...text.matchAll(RETIRED)].map(([, from]) => Number(from))));
}

/** Takes a file out of the ledger: into the archive, or away. Beside the event loop: it may be long, the disk slow. */
export async function retire(path: string, archive: string | undefined): Promise<void> {
  if (archive === undefined) return unlink(path);
  await mkdir(archive, { recursive: true, mode: 0o700 });
  const target = join(archive, basename(path));
  // Of an agent that died while it copied.
  await rm(`${target}.new`, { force: true });
  try {
    await rename(path, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copy(path, target);
    await synced(archive);
    await unlink(path);
  }
}

/** Under its name only when all of it is there: the other disk may be full, or lose power half way. */
async function copy(path: string, target: string): Promise<void> {
  const draft = `${target}.new`;
  try {
    await copyFile(path, draft);
    await synced(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function synced(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
