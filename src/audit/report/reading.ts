// Owns how a ledger becomes the report's input: examined and read in one pass, so that what is shown is what was
// examined. Invariant: a record that was tampered with does not keep the rest from being shown; it is said at the top.

import type { PlacedLine } from '../line.ts';
import { isFrame, recordIn, UnreadableLine } from '../read.ts';
import { AuditedTasks } from '../tasks.ts';
import type { Verdict } from '../verdict.ts';
import { type VerifyOptions, verify } from '../verify.ts';
import { ReportMarks } from './marks.ts';
import type { ReportInput, Verification } from './model.ts';
import { plural } from './words.ts';

export type ReadLedger = Pick<ReportInput, 'tasks' | 'rotations' | 'outages' | 'verification'>;

export async function readForReport(
  lines: AsyncIterable<PlacedLine>,
  options: VerifyOptions,
): Promise<ReadLedger> {
  const tasks = new AuditedTasks();
  const marks = new ReportMarks();
  let unreadable = 0;
  const take = ({ text, line, whole }: PlacedLine): void => {
    // The agent may be writing the last one right now.
    if (!whole || text === '' || isFrame(text)) return;
    try {
      const record = recordIn(text, line);
      tasks.add(record);
      marks.add(record);
    } catch (error) {
      if (!(error instanceof UnreadableLine)) throw error;
      unreadable += 1;
    }
  };
  const taken = (async function* () {
    for await (const line of lines) {
      take(line);
      yield line;
    }
  })();
  // A verdict is given at the first fault: what comes after it is shown all the same.
  const verdict = await verify({ [Symbol.asyncIterator]: () => ({ next: () => taken.next() }) }, options);
  for await (const _ of taken);
  return {
    tasks: tasks.all(),
    rotations: marks.rotations,
    outages: marks.outages,
    verification: said(verdict, unreadable),
  };
}

function said(
  { fault, records, from, to, heads, signed_to: signedTo, notes }: Verdict,
  unreadable: number,
): Verification {
  if (fault !== null) {
    const more =
      unreadable === 0
        ? ''
        : ` ${plural(unreadable, 'line')} could not be read and ${unreadable === 1 ? 'is' : 'are'} not in this report.`;
    return {
      state: 'broken',
      sentence: `${fault.sentence} (${fault.file}, line ${fault.line}).${more} Nothing below can be relied on.`,
    };
  }
  if (records === 0) return { state: 'unchecked', sentence: 'There is no record to check.' };
  const signed =
    heads === 0 && signedTo === 0 ? 'none of it is signed yet' : `signed up to record ${signedTo}`;
  const what = `${plural(records, 'record')}, ${from} to ${to}, each with the hash of the one before; ${signed}.`;
  return { state: 'verified', sentence: [what, ...notes.map((note) => `${note}.`)].join(' ') };
}
