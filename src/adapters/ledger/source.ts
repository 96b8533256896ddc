// Owns the ledger as files that are read: which there are, in which order, line by line. Invariant: nothing is changed, and
// no more of a file is in memory than a chunk, however long it is.

import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';

/** `ledger-<number of its first record>.jsonl`; one that was compressed by hand is read as well. */
export const SEGMENT = /^ledger-(\d{12})\.jsonl(?:\.gz)?$/;
export const segmentName = (first: number): string => `ledger-${String(first).padStart(12, '0')}.jsonl`;

/** What cannot be read, in a sentence with what to do. */
export class SourceFault extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'SourceFault';
  }
}

/** The files of a ledger, oldest first: the segments of a directory, or the one file. @throws SourceFault */
export function ledgerFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => SEGMENT.test(name));
    // One name may be there twice, compressed and not: the plain one is whole for sure.
    const plain = names.filter((name) => !name.endsWith('.gz') || !names.includes(name.slice(0, -3)));
    return plain.sort().map((name) => join(path, name));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The files of an archive and of the ledger they came from, oldest first. @throws SourceFault */
export function withArchived(archive: string, ledger: readonly string[]): string[] {
  // An agent that died while it archived one may have left it in both places.
  const here = new Set(ledger.map((path) => basename(path)));
  return [...ledgerFiles(archive).filter((path) => !here.has(basename(path))), ...ledger].sort((a, b) =>
    basename(a) < basename(b) ? -1 : 1,
  );
}

export interface SourceLine {
  readonly text: string;
  readonly file: string;
  /** From 1, in its file. */
  readonly line: number;
  /** False for a last one without its end. */
  readonly whole: boolean;
}

/** @throws SourceFault */
export async function* sourceLines(files: readonly string[]): AsyncGenerator<SourceLine> {
  for (const file of files) {
    let line = 0;
    let rest = '';
    try {
      for await (const chunk of textOf(file)) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        for (const text of lines) yield { text, file, line: ++line, whole: true };
      }
    } catch (error) {
      throw unreadable(file, error);
    }
    if (rest !== '') yield { text: rest, file, line: ++line, whole: false };
  }
}

/** The lines of a ledger as plain text. @throws SourceFault */
export async function* ledgerLines(path: string): AsyncGenerator<string> {
  for await (const { text } of sourceLines(ledgerFiles(path))) yield text;
}

const CHUNK = 1 << 20;

function textOf(file: string): AsyncIterable<string> {
  if (file === '-') return process.stdin.setEncoding('utf8');
  const bytes = createReadStream(file, { highWaterMark: CHUNK });
  if (!file.endsWith('.gz')) return bytes.setEncoding('utf8') as AsyncIterable<string>;
  const unpacked = createGunzip();
  bytes.on('error', (error) => unpacked.destroy(error));
  return bytes.pipe(unpacked).setEncoding('utf8') as AsyncIterable<string>;
}

function unreadable(path: string, error: unknown): SourceFault {
  if (error instanceof SourceFault) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const next =
    code === 'ENOENT'
      ? 'name the ledger directory of state_dir, or an export'
      : 'run this as root or as the agent’s user';
  return new SourceFault(`${path} cannot be read (${code ?? message}): ${next}`);
}

/** Whether something is there to be read. */
export const isThere = (path: string): boolean => path === '-' || existsSync(path);
