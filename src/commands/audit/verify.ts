// Owns `tasklease audit verify`: whether a ledger or an export of one is as it was written, and where it is not.

import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sha256, verifyJws } from '../../adapters/ledger/jws.ts';
import { keptLines } from '../../adapters/ledger/kept.ts';
import { lineEnd } from '../../adapters/ledger/segments.ts';
import { ledgerFiles, SourceFault, sourceLines, withArchived } from '../../adapters/ledger/source.ts';
import type { PlacedLine } from '../../audit/line.ts';
import { SignedKeys } from '../../audit/signed-keys.ts';
import type { Verdict } from '../../audit/verdict.ts';
import { verify, type Witness } from '../../audit/verify.ts';
import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { columns, paint, print } from '../../cli/output.ts';
import type { PublicKey } from '../../domain/record.ts';
import { headIn, keysIn } from './keys-file.ts';
import { LEDGER_DIR, placeOptions, placeUsage, stateDir } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit verify [FILE] [options]

Whether every record is as it was written: not changed, left out, put in, moved or cut off, and signed by the agent's
keys. Names the first record that is not. FILE is an export or a file of the ledger; without it the whole ledger of
state_dir is examined, against the journal too. Needs neither the agent nor the network.

Examples:
  tasklease audit verify
  tasklease audit verify export.jsonl --keys tasklease-keys.json
  tasklease audit verify --head /mnt/elsewhere/heads
  tasklease audit verify --archive /var/lib/tasklease-archive

Options:
  --keys FILE          the keys it must be signed with, as "tasklease audit keys" printed them: without, it is believed
                       which keys it names itself
  --head FILE          a copy of the signed heads (ledger.heads_file), kept elsewhere: tells whether the end was cut off
  --archive DIR        the files that were archived (ledger.archive_dir): they and the ledger are examined as one
  --output table|json  what to print (default table)
${placeUsage}

Exit code: 0 all is as it was written, 1 it is not or it cannot be read, 2 usage
`,
  async run(args) {
    const { values, words } = parse(
      'audit verify',
      args,
      {
        ...placeOptions,
        ...{
          keys: { type: 'string' },
          head: { type: 'string' },
          archive: { type: 'string' },
          output: { type: 'string' },
        },
        help: { type: 'boolean', short: 'h' },
      },
      ['FILE'],
    );
    const output = readOutput('audit verify', values.output);
    const file = words[0] ?? values.ledger;
    if (words[0] !== undefined && values.ledger !== undefined) {
      throw new UsageError('FILE and --ledger say the same', 'tasklease audit verify FILE');
    }
    const trusted = values.keys === undefined ? undefined : keysIn(values.keys);
    const state = file === undefined ? await stateDir(values.config) : null;
    const path = file ?? join(state!, LEDGER_DIR);
    const keys = trusted ?? (state === null ? undefined : keysIn(join(path, 'keys.json')));
    const witnesses: Witness[] =
      values.head === undefined ? [] : [await headWitness(values.head, keys, path)];
    const own = ledgerFiles(path);
    const files = values.archive === undefined ? own : withArchived(values.archive, own);
    if (files.length === 0)
      throw new SourceFault(`${path} holds no file of a ledger: is it the right directory?`);
    const kept = state === null ? [] : await keptNow(join(state, 'journal.db'));
    const last = kept.at(-1) === undefined ? null : lineEnd(kept.at(-1)!);
    if (last !== null) witnesses.push({ name: 'the journal', ...last });
    const verdict = await verify(withKept(files, kept), {
      sha256,
      verifyJws,
      witnesses,
      complete: path !== file || files.length > 1 || files[0] !== path,
      withArchive: values.archive !== undefined,
      ...(keys === undefined ? {} : { trusted: keys }),
    });
    print(
      output === 'json' ? JSON.stringify({ ok: verdict.fault === null, ...verdict }) : text(verdict, path),
    );
    return verdict.fault === null ? Exit.ok : Exit.failed;
  },
};

/** What the journal holds reaches the files a moment later. */
async function keptNow(journal: string): Promise<string[]> {
  const kept = keptLines(journal);
  await setTimeout(100);
  return kept;
}

/** The files, and what only the journal has yet: an agent that was killed left it there. */
async function* withKept(files: readonly string[], kept: readonly string[]): AsyncGenerator<PlacedLine> {
  let end = 0;
  for await (const line of sourceLines(files)) {
    end = lineEnd(line.text)?.seq ?? end;
    yield line;
  }
  let line = 0;
  for (const text of kept) {
    if ((lineEnd(text)?.seq ?? 0) <= end) continue;
    line += 1;
    yield { text, file: 'journal.db', line, whole: true };
  }
}

async function headWitness(
  path: string,
  keys: readonly PublicKey[] | undefined,
  ledger: string,
): Promise<Witness> {
  const trusted = keys ?? keysOfExport(ledger);
  const head = await new SignedKeys(verifyJws, trusted).head(headIn(path));
  if ('why' in head) throw new SourceFault(`the head in ${path} is not good: ${head.why}`);
  return { name: `the signed head in ${basename(path)}`, seq: head.seq, hash: head.hash };
}

function keysOfExport(path: string): PublicKey[] {
  try {
    return keysIn(path);
  } catch {
    throw new SourceFault(`--head needs --keys here: ${basename(path)} names no keys at its beginning`);
  }
}

function text(verdict: Verdict, path: string): string {
  const { fault, records, from, to, heads, signed_to, keys, keys_trusted, ledger, notes, hash } = verdict;
  const title =
    fault === null
      ? paint('green', `${path}: every record is as it was written`)
      : paint('red', `${path}: NOT as it was written: ${fault.sentence}`);
  const where =
    fault === null
      ? []
      : [
          ['where', place(fault.file, fault.line, path)],
          ['record', String(fault.record)],
        ];
  const rows = [
    ...where,
    [
      'records',
      `${records}${records === 0 ? '' : ` (${from} to ${to})`}${fault === null ? '' : ' in order before it'}`,
    ],
    [
      'signed',
      heads === 0 && signed_to === 0 ? 'no signature seen' : `up to record ${signed_to}, ${heads} heads`,
    ],
    ['keys', keys.length === 0 ? '-' : `${keys.join(' ')}${keys_trusted ? '' : ' (by its own word)'}`],
    ['ledger', ledger ?? '-'],
    ['hash', hash],
  ];
  return [
    title,
    columns(rows.map(([key, value]) => [`  ${key}`, value!])),
    ...notes.map((note) => `  ${note}`),
  ].join('\n');
}

const place = (file: string, line: number, path: string): string =>
  `line ${line}${file === path || file === '' ? '' : ` of ${dirname(file) === path ? basename(file) : file}`}`;
