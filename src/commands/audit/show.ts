// Owns `tasklease audit show TASK`: what one task did, for people: who, what, until when, and the proof.

import { ledgerLines } from '../../adapters/ledger/source.ts';
import { readRecords } from '../../audit/read.ts';
import { type AuditedTask, AuditedTasks } from '../../audit/tasks.ts';
import { parse, readOutput, readTaskId } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { columns, paint, print, say } from '../../cli/output.ts';
import { event as eventText, fact as factLine, instant } from '../../cli/show.ts';
import type { LedgerRecord } from '../../domain/record.ts';
import { ledgerPath, placeOptions, placeUsage } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit show TASK [options]

Everything on record of one task: who asked for it, under which profile and business event, each lease with its proof,
and every record in order. Where the task id had several lives (a start that failed may be repeated), all of them.

Examples:
  tasklease audit show build-81
  tasklease audit show build-81 --ledger export.jsonl --output json

Options:
  --output table|json  what to print; json has the records as they are, and the signed receipt (default table)
${placeUsage}

Exit code: 0 ok, 1 failed or not on record, 2 usage
`,
  async run(args) {
    const { values, words } = parse(
      'audit show',
      args,
      { ...placeOptions, output: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
      ['TASK'],
    );
    const output = readOutput('audit show', values.output);
    if (words[0] === undefined) throw new UsageError('audit show needs a task', 'tasklease audit show TASK');
    const name = readTaskId('audit show', words[0]);
    const records: LedgerRecord[] = [];
    const all = new AuditedTasks();
    for await (const record of readRecords(ledgerLines(await ledgerPath(values)))) {
      if (record.task !== name) continue;
      records.push(record);
      all.add(record);
    }
    const lives = all.all();
    if (lives.length === 0) {
      say(`tasklease audit show: nothing is on record of task ${name}`);
      return Exit.failed;
    }
    if (output === 'json') print(JSON.stringify({ tasks: lives, records }));
    else print(lives.map((life) => text(life, records)).join('\n\n'));
    return Exit.ok;
  },
};

function text(task: AuditedTask, records: readonly LedgerRecord[]): string {
  const { caller } = task;
  const process = [caller?.pid && `pid ${caller.pid}`, caller?.exe, caller?.cgroup, caller?.container];
  const rows = [
    ['task', task.task ?? ''],
    ['outcome', task.state === 'closed' || task.state === 'refused' ? (task.outcome ?? '') : task.state],
    ['profile', [task.profile, task.profile_version].filter((part) => part !== null).join('  ')],
    ['event', eventText(task.event)],
    ['parent', task.parent ?? ''],
    [
      'caller',
      caller === null ? '' : `uid ${caller.uid} gid ${caller.gid}${caller.admin ? ' (admin socket)' : ''}`,
    ],
    ['process', process.filter((part) => typeof part === 'string').join('  ')],
    ['started', instant(task.started_at)],
    ['closed', task.closed_at === null ? '' : instant(task.closed_at)],
    ['exposed', task.exposure_seconds === null ? '' : `${task.exposure_seconds} s`],
    ['reason', task.problem === null ? '' : `${task.problem.code} ${task.problem.detail}`],
    ...task.leases.map((lease) => ['lease', leaseText(lease)]),
    ['records', `${task.first} to ${task.last}`],
    ['receipt', task.jws === null ? '' : 'signed; --output json or tasklease audit export --receipts has it'],
  ];
  const own = records.filter(({ grant, seq }) =>
    task.grant === null ? seq === task.first : grant === task.grant,
  );
  return [
    columns(rows.filter(([, value]) => value !== '')),
    '',
    paint('bold', 'records'),
    ...own.map((record) => `${String(record.seq).padStart(6)}  ${recordText(record)}`),
  ].join('\n');
}

function leaseText({
  secret,
  path,
  proof,
  issued_at,
  ended_at,
  ends_at,
  lease,
}: AuditedTask['leases'][number]) {
  const end =
    proof === 'revoked'
      ? `revoked ${ended_at}`
      : proof === 'expires'
        ? `not revocable, ends ${ends_at ?? 'never by itself'}`
        : proof === 'unproved'
          ? `not proved revoked, ends ${ends_at ?? 'at a time that is not known'}`
          : `live until ${ends_at ?? 'it is stopped'}`;
  return `${secret}  ${path}  issued ${issued_at}, ${end}${lease === null ? '' : `  ${lease}`}`;
}

/** The receipt and its signature are told above. */
function recordText(record: LedgerRecord): string {
  const { time: at, type, fact } = record;
  const { receipt: _receipt, jws: _jws, secrets, ...said } = fact as Record<string, unknown>;
  const paths = Array.isArray(secrets) ? { paths: secrets.map(({ path }) => path) } : {};
  return factLine({ at, type, ...said, ...paths });
}
