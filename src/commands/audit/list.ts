// Owns `tasklease audit list`: who had what and how it ended, one line a task.

import { ledgerLines } from '../../adapters/ledger/source.ts';
import { readRecords } from '../../audit/read.ts';
import { type AuditedTask, AuditedTasks, fits } from '../../audit/tasks.ts';
import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { columns, paint, print } from '../../cli/output.ts';
import { event as eventText } from '../../cli/show.ts';
import { filterOf, filterOptions, filterUsage, ledgerPath, placeOptions, placeUsage } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit list [options]

The tasks of the ledger, oldest first, and the starts that were refused before there was a task.

Examples:
  tasklease audit list --event pull_request:acme/shop#412
  tasklease audit list --outcome refused --since 24h
  tasklease audit list --ledger export.jsonl --profile report-read --output json

Options:
${filterUsage}
  --output table|json  what to print (default table)
${placeUsage}

Exit code: 0 ok, 1 failed, 2 usage
`,
  async run(args) {
    const { values } = parse('audit list', args, {
      ...placeOptions,
      ...filterOptions,
      output: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const output = readOutput('audit list', values.output);
    const filter = filterOf(values);
    const all = new AuditedTasks();
    for await (const record of readRecords(ledgerLines(await ledgerPath(values)))) all.add(record);
    const tasks = all.all().filter((task) => fits(task, filter));
    print(output === 'json' ? JSON.stringify({ tasks }) : table(tasks));
    return Exit.ok;
  },
};

function table(tasks: readonly AuditedTask[]): string {
  if (tasks.length === 0) return 'no task on record that fits';
  const rows = tasks.map((task) => [
    task.started_at,
    task.task ?? '-',
    task.outcome ?? task.state,
    task.profile ?? '-',
    eventText(task.event) || '-',
    task.caller === null ? '-' : String(task.caller.uid),
    task.exposure_seconds === null ? '-' : `${task.exposure_seconds} s`,
    task.problem !== null && task.state !== 'closed'
      ? `${task.problem.code} ${task.problem.detail}`
      : proofs(task),
  ]);
  const heading = ['STARTED', 'TASK', 'OUTCOME', 'PROFILE', 'EVENT', 'UID', 'EXPOSED', 'LEASES'];
  const [first = '', ...lines] = columns([heading, ...rows]).split('\n');
  return [paint('bold', first), ...lines].join('\n');
}

/** `2 revoked, 1 unproved`. */
function proofs({ leases }: AuditedTask): string {
  const counts = new Map<string, number>();
  for (const { proof } of leases) counts.set(proof ?? 'live', (counts.get(proof ?? 'live') ?? 0) + 1);
  return [...counts].map(([proof, count]) => `${count} ${proof}`).join(', ') || '-';
}
