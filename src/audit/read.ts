// Owns the reading of a ledger: lines in, typed records out, one at a time, however long it is. Invariant: what is
// yielded has the shape of schema/ledger-record.ts; whether it was tampered with is verify.ts's to say.

import type { LedgerRecord } from '../domain/record.ts';
import { parseRecord } from '../schema/ledger-record.ts';

/** A line that is no record: where it stands and why. */
export class UnreadableLine extends Error {
  readonly line: number;

  constructor(line: number, why: string) {
    super(`line ${line} is no record of a ledger: ${why}`);
    this.name = 'UnreadableLine';
    this.line = line;
  }
}

/** First and last line of an export, which are no records. */
export const isFrame = (text: string): boolean => text.startsWith('{"export":');

/**
 * The records of a ledger or an export of one, in order. What is handed in is lines of text, without their ends:
 * src/adapters/ledger/source.ts reads them from files.
 * @throws UnreadableLine
 */
export async function* readRecords(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<LedgerRecord> {
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text === '' || isFrame(text)) continue;
    yield recordIn(text, number);
  }
}

/** @throws UnreadableLine */
export function recordIn(text: string, line: number): LedgerRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableLine(line, 'it is not JSON');
  }
  const { v } = (value ?? {}) as { v?: unknown };
  if (typeof v === 'number' && v > 1)
    throw new UnreadableLine(line, `a later tasklease wrote it (version ${v})`);
  try {
    return parseRecord(value);
  } catch (error) {
    const { issues } = error as { issues?: { path: PropertyKey[]; message: string }[] };
    const [first] = issues ?? [];
    throw new UnreadableLine(
      line,
      first === undefined ? String(error) : `${first.path.join('.')}: ${first.message}`,
    );
  }
}
