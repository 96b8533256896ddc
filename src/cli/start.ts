// Owns `tasklease start`: one start signal, its approval waited for where it needs one, the grant printed.

import { startApproved } from './approval-wait.ts';
import { clientOptions, parse, readOutput, socketPath } from './args.ts';
import { show } from './call.ts';
import { connect } from './client.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { startUsage } from './help.ts';
import { task as taskTable } from './show.ts';
import { readStart, startOptions } from './start-body.ts';
import { readTrace } from './trace.ts';

export const command: Command = {
  usage: startUsage,
  async run(args) {
    const { values } = parse('start', args, {
      ...startOptions,
      deadline: { type: 'string' },
      pid: { type: 'string' },
      cgroup: { type: 'string' },
      ...clientOptions,
    });
    const output = readOutput('start', values.output);
    const { task, body } = readStart('start', values);
    const bind = readBind(values);
    const client = connect(socketPath(values.socket), readTrace(values.traceparent));
    const reply = await startApproved(client, task, { ...body, ...bind });
    show(reply, output, (answer) => taskTable(answer));
    return Exit.ok;
  },
};

function readBind({ pid, cgroup }: { pid?: string | undefined; cgroup?: string | undefined }) {
  if (pid !== undefined && cgroup !== undefined) {
    throw new UsageError('--pid and --cgroup exclude each other', 'give one of them');
  }
  if (cgroup !== undefined) return { bind: { cgroup } };
  return pid === undefined ? {} : { bind: { pid: readPid(pid) } };
}

function readPid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(
    `--pid ${JSON.stringify(text)} is not a process id`,
    'tasklease start --profile P --pid $$',
  );
}
