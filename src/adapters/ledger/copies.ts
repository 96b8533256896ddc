// Owns what leaves the ledger as it is written: records as JSON lines, signed heads. Invariant: a reader that does not
// keep up loses lines and is told how many; the agent never waits for it and the ledger itself loses nothing.

import { appendFileSync } from 'node:fs';
import type { Telemetry } from '../../ports/telemetry.ts';

export interface Copies {
  /** `stdout` or a file. */
  readonly facts?: string;
  readonly headsFile?: string;
  readonly headsStdout: boolean;
}

const MAX_WAITING = 8 << 20;
const HEAD = /^\{"v":1,"seq":(\d+),.*"type":"head",.*"fact":\{"jws":"([^"]+)"\}/;

export function openCopies(
  { facts, headsFile, headsStdout }: Copies,
  log: Telemetry['log'],
): (lines: string) => void {
  const failing = new Set<string>();
  let leftOut = 0;
  const toFile = (path: string, text: string): void => {
    try {
      appendFileSync(path, text, { mode: 0o640 });
      failing.delete(path);
    } catch (error) {
      if (failing.has(path)) return;
      failing.add(path);
      log('error', 'a copy of the ledger cannot be written', { path, reason: (error as Error).message });
    }
  };
  const toStdout = (text: string): void => {
    if (process.stdout.writableLength > MAX_WAITING) {
      leftOut += text.split('\n').length - 1;
      return;
    }
    if (leftOut > 0) process.stdout.write(`${JSON.stringify({ type: 'lines.left_out', count: leftOut })}\n`);
    leftOut = 0;
    process.stdout.write(text);
  };
  return (lines) => {
    if (facts === 'stdout') toStdout(lines);
    else if (facts !== undefined) toFile(facts, lines);
    if (headsFile === undefined && !headsStdout) return;
    if (!lines.includes('"type":"head"')) return;
    for (const line of lines.split('\n')) {
      const head = HEAD.exec(line);
      if (head === null) continue;
      const [, seq, jws] = head;
      if (headsFile !== undefined) toFile(headsFile, `${jws}\n`);
      // Where the facts go there, the head is one of them.
      if (headsStdout && facts !== 'stdout') {
        toStdout(`${JSON.stringify({ type: 'ledger.head', seq: Number(seq), jws })}\n`);
      }
    }
  };
}
