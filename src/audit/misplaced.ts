// Owns the question what was done to a ledger where a line does not fit: changed, taken out, put in, or moved. Invariant: it
// is answered from what stands after that line, which whoever tampered with it left as it was.

import { type Link, linkOf, type PlacedLine } from './line.ts';
import { type Fault, fault } from './verdict.ts';
import type { Window } from './window.ts';

type Sha256 = (text: string) => string;
type Before = {
  readonly seq: number;
  readonly hash: string;
  readonly before: string;
  readonly line: number;
} | null;

/** The line is no record, or its text is not what was hashed. */
export async function unsound(
  at: PlacedLine,
  expected: number,
  prev: string | null,
  window: Window,
  sha256: Sha256,
): Promise<Fault> {
  const next = await window.peek();
  const after = next === null ? null : linkOf(next.text, sha256);
  if (after?.seq === expected && after.sound && (prev === null || after.prev === prev)) {
    return fault(
      'inserted',
      expected,
      at,
      `a line was put in before record ${expected}: it is no record of this ledger`,
    );
  }
  if (next === null && !at.whole) {
    return fault('cut', expected, at, `the file is cut off in the middle of record ${expected}`);
  }
  return fault('changed', expected, at, `record ${expected} was changed: its text is not what was hashed`);
}

/** The line is sound, and of another number than should stand here. */
export async function misplaced(
  at: PlacedLine,
  link: Link,
  expected: number,
  before: Before,
  window: Window,
  sha256: Sha256,
): Promise<Fault> {
  if (
    before !== null &&
    link.seq === before.seq &&
    link.hash !== before.hash &&
    link.prev === before.before
  ) {
    // Two that both follow the one before: what comes next was written after the right one.
    const next = await window.peek();
    const after = next === null ? null : linkOf(next.text, sha256);
    if (after?.prev === link.hash) {
      const what = `a forged record ${link.seq} was put in before the one that was written`;
      return fault('inserted', link.seq, { file: at.file, line: before.line }, what);
    }
  }
  if (link.seq < expected) {
    const what = `a line was put in before record ${expected}: it says that it is record ${link.seq}`;
    return fault('inserted', expected, at, what);
  }
  const later = await seen(window, expected, link.seq);
  if (!later.expected) {
    const gone =
      link.seq - 1 === expected ? `record ${expected} was` : `records ${expected} to ${link.seq - 1} were`;
    return fault('deleted', expected, at, `${gone} taken out: record ${link.seq} stands in its place`);
  }
  if (later.found) {
    return fault(
      'inserted',
      expected,
      at,
      `a copy of record ${link.seq} was put in before record ${expected}`,
    );
  }
  return fault('moved', expected, at, `record ${expected} was moved: record ${link.seq} stands in its place`);
}

/** The number is right, and the record before is another than it was written after. */
export async function outOfChain(
  at: PlacedLine,
  link: Link,
  before: Before,
  window: Window,
  sha256: Sha256,
): Promise<Fault> {
  const next = await window.peek();
  const after = next === null ? null : linkOf(next.text, sha256);
  if (before !== null && after?.seq === link.seq && after.prev === before.hash) {
    return fault(
      'inserted',
      link.seq,
      at,
      `a forged record ${link.seq} was put in before the one that was written`,
    );
  }
  // What follows was written after this one, so the one before is wrong; else this one is.
  if (before === null || (after !== null && after.seq === link.seq + 1 && after.prev !== link.hash)) {
    return fault('changed', link.seq, at, `record ${link.seq} was changed and hashed anew`);
  }
  const what = `record ${before.seq} was changed and hashed anew: record ${link.seq} was written after another`;
  return fault('changed', before.seq, { file: at.file, line: at.line - 1 }, what);
}

/** Which of two numbers come later on. */
async function seen(
  window: Window,
  expected: number,
  found: number,
): Promise<{ expected: boolean; found: boolean }> {
  const result = { expected: false, found: false };
  for (let at = await window.next(); at !== null; at = await window.next()) {
    const seq = Number(/^\{"v":1,"seq":(\d+),/.exec(at.text)?.[1]);
    if (seq === expected) result.expected = true;
    if (seq === found) result.found = true;
    if (result.expected && result.found) break;
  }
  return result;
}
