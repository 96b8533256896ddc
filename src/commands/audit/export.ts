// Owns `tasklease audit export`: the ledger, or a part of it, as a file that an auditor can verify, a table, or receipts.

import { once } from 'node:events';
import { createWriteStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../adapters/ledger/jws.ts';
import { readKeyFile, readSigner } from '../../adapters/ledger/keys.ts';
import { lineEnd } from '../../adapters/ledger/segments.ts';
import { ledgerLines, SourceFault } from '../../adapters/ledger/source.ts';
import { csv } from '../../audit/csv.ts';
import { beginLine, endLine } from '../../audit/frame.ts';
import { isFrame, readRecords, recordIn } from '../../audit/read.ts';
import { AuditedTasks, fits } from '../../audit/tasks.ts';
import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { say } from '../../cli/output.ts';
import { filterOf, filterOptions, filterUsage, ledgerPath, placeOptions, placeUsage } from './options.ts';

type Filter = ReturnType<typeof filterOf>;

export const command: Command = {
  usage: `Usage: tasklease audit export [options]

Writes records as they are, line by line, with a signed beginning and end, so that "tasklease audit verify" tells
anywhere whether the file is whole (--format jsonl); or one line a lease for a spreadsheet (csv); or the signed receipts.
With --event, --profile, --caller or --outcome it is an extract: each record is as it was, but not all are there, so it
has no signed end.

Examples:
  tasklease audit export -o ledger.jsonl
  tasklease audit export --since 30d --until 2026-11-22T00:00:00Z -o november.jsonl
  tasklease audit export --format csv --event pull_request:acme/shop#412 -o 412.csv
  tasklease audit export --receipts receipts/

Options:
  -o, --file FILE      where to (default: stdout)
  --format jsonl|csv   (default jsonl)
  --receipts DIR       one file a closed task into DIR: TASK.N.jws, N counts the lives of its id; and keys.json
${filterUsage}
${placeUsage}

Exit code: 0 ok, 1 failed, 2 usage
`,
  async run(args) {
    const { values } = parse('audit export', args, {
      ...placeOptions,
      ...filterOptions,
      file: { type: 'string', short: 'o' },
      format: { type: 'string' },
      receipts: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const { format = 'jsonl' } = values;
    if (format !== 'jsonl' && format !== 'csv') {
      throw new UsageError(`--format ${JSON.stringify(format)} is none`, '--format jsonl or --format csv');
    }
    const filter = filterOf(values);
    const path = await ledgerPath(values);
    if (values.receipts !== undefined) return receipts(path, filter, values.receipts);
    const lines =
      format === 'csv'
        ? table(path, filter)
        : isExtract(filter)
          ? extract(path, filter)
          : whole(path, filter);
    await write(lines, values.file);
    return Exit.ok;
  },
};

const isExtract = ({ event, profile, uid, outcome }: Filter): boolean =>
  [event, profile, uid, outcome].some((given) => given !== undefined);

/** Every record from one time to another, framed and signed. */
async function* whole(path: string, { since, until }: Filter): AsyncGenerator<string> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SourceFault(
      `${path} is a file: a signed export is made beside the agent's key, in the ledger's directory`,
    );
  }
  const keys = readKeyFile(path);
  const signer = readSigner(path);
  if (keys === null || signer === null) throw new SourceFault(`${path} has no key to sign an export with`);
  let begin: string | null = null;
  let end = { seq: 0, hash: '' };
  for await (const text of ledgerLines(path)) {
    const { time, prev, seq } = placed(text);
    if (begin === null && since !== undefined && time < since) continue;
    if (until !== undefined && time > until) break;
    if (begin === null) {
      const known = keys.keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid }));
      begin = beginLine({ ledger: keys.ledger, from: seq, prev, keys: known });
      yield begin;
    }
    const at = lineEnd(text);
    if (at === null)
      throw new SourceFault(`${path} holds a line that is no record: tasklease audit verify names it`);
    end = at;
    yield text;
  }
  if (begin === null) throw new SourceFault('no record is of that time');
  const said = { ledger: keys.ledger, to: end.seq, hash: end.hash, begin: sha256(begin) };
  yield endLine(signer.sign('tasklease-export', said));
}

const PLACE = /^\{"v":1,"seq":(\d+),"prev":"([0-9a-f]*)","time":"([^"]*)"/;

function placed(text: string): { seq: number; prev: string; time: string } {
  const [, seq, prev, time] = PLACE.exec(text) ?? ['', '0', '', ''];
  return { seq: Number(seq), prev: prev!, time: time! };
}

/** The records of the tasks that fit, as they are. */
async function* extract(path: string, filter: Filter): AsyncGenerator<string> {
  const tasks = await fitting(path, filter);
  const grants = new Set(tasks.map(({ grant }) => grant));
  const refusals = new Set(tasks.filter(({ grant }) => grant === null).map(({ first }) => first));
  for await (const text of ledgerLines(path)) {
    if (isFrame(text)) continue;
    const { grant, seq } = recordIn(text, 0);
    if (grant === null ? refusals.has(seq) : grants.has(grant)) yield text;
  }
}

async function* table(path: string, filter: Filter): AsyncGenerator<string> {
  yield* csv(await fitting(path, filter));
}

async function fitting(path: string, filter: Filter) {
  const all = new AuditedTasks();
  for await (const record of readRecords(ledgerLines(path))) all.add(record);
  return all.all().filter((task) => fits(task, filter));
}

async function receipts(path: string, filter: Filter, dir: string): Promise<number> {
  mkdirSync(dir, { recursive: true });
  let count = 0;
  for (const { grant, jws } of await fitting(path, filter)) {
    if (jws === null || grant === null) continue;
    writeFileSync(join(dir, `${grant.replace('#', '.')}.jws`), `${jws}\n`);
    count += 1;
  }
  const known = statSync(path).isDirectory() ? readKeyFile(path) : null;
  const keys = known?.keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, alg: 'EdDSA', use: 'sig' }));
  if (keys !== undefined) writeFileSync(join(dir, 'keys.json'), `${JSON.stringify({ keys }, null, 2)}\n`);
  say(`${count} receipts in ${dir}`);
  return Exit.ok;
}

async function write(lines: AsyncGenerator<string>, file: string | undefined): Promise<void> {
  // Nothing is made of a file before there is a first line for it.
  let out: NodeJS.WritableStream | null = file === undefined ? process.stdout : null;
  for await (const line of lines) {
    out ??= createWriteStream(file!, { mode: 0o600 });
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  if (out === null || out === process.stdout) return;
  out.end();
  await once(out, 'finish');
}
