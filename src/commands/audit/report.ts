// Owns `tasklease audit report`: the ledger of some days as one page for a browser. Invariant: the page needs nothing but
// itself, is readable for its owner alone, and replaces an older one in one step.

import { hash } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { sha256, verifyJws } from '../../adapters/ledger/jws.ts';
import { ledgerFiles, sourceLines } from '../../adapters/ledger/source.ts';
import { type ReportModel, reportModel } from '../../audit/report/model.ts';
import { reportPage } from '../../audit/report/page.ts';
import { readForReport } from '../../audit/report/reading.ts';
import { plural } from '../../audit/report/words.ts';
import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { print, say } from '../../cli/output.ts';
import { ledgerPath, placeOptions, placeUsage, readTime } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit report [--since T] [-o FILE] [options]

One page that shows what was leased: a timeline of grants, exposure by profile, busiest events and callers, what is not
proved gone on top, and whether the record is untouched. It asks no network: send it, print it, keep it.

Examples:
  tasklease audit report --since 7d -o report.html
  tasklease audit report --ledger export.jsonl --since 2026-11-01T00:00:00Z -o november.html

Options:
  --since T            from a time (RFC 3339), or how long ago: 7d, 12h (default 7d)
  -o, --out FILE       where to write it (default tasklease-report.html); - is stdout
${placeUsage}

Exit code: 0 ok, 1 failed, or the record was tampered with (the page is written and says so), 2 usage
`,
  async run(args) {
    const { values } = parse('audit report', args, {
      ...placeOptions,
      since: { type: 'string', default: '7d' },
      out: { type: 'string', short: 'o', default: 'tasklease-report.html' },
      help: { type: 'boolean', short: 'h' },
    });
    const now = Date.now();
    const since = Date.parse(readTime('--since', values.since, now));
    const source = await ledgerPath(values);
    const lines = sourceLines(ledgerFiles(source));
    const complete = source !== '-' && statSync(source).isDirectory();
    const read = await readForReport(lines, { sha256, verifyJws, complete });
    const model = reportModel({ ...read, since, now, source: source === '-' ? 'standard input' : source });
    const page = reportPage(model, (text) => hash('sha256', text, 'base64'));
    if (values.out === '-') print(page);
    else if (!write(values.out, page)) return Exit.failed;
    else print(`${values.out}: ${summary(model)}`);
    return model.verification.state === 'broken' ? Exit.failed : Exit.ok;
  },
};

/** False, with the reason said, when it cannot be written. */
function write(path: string, page: string): boolean {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    // Paths, events and callers: for whoever asked, not for the whole machine.
    writeFileSync(draft, page, { mode: 0o600 });
    renameSync(draft, path);
    return true;
  } catch (error) {
    rmSync(draft, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    say(`tasklease audit report: ${path} cannot be written (${code ?? message}): give another file with -o`);
    return false;
  }
}

function summary({ grants, leases, attention, verification }: ReportModel): string {
  const record = {
    verified: 'record untouched',
    broken: 'RECORD TAMPERED WITH',
    unchecked: 'nothing on record',
  };
  const open =
    attention.length === 0 ? 'all proved gone' : `${plural(attention.length, 'grant')} not proved gone`;
  return `${plural(grants.length, 'grant')}, ${plural(leases.issued, 'lease')}, ${open}, ${record[verification.state]}`;
}
