// Owns `tasklease start`: one start signal, the grant printed.

import { clientOptions, parse, readOutput, socketPath } from './args.ts';
import { show } from './call.ts';
import { connect, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { startUsage } from './help.ts';
import { task as taskTable } from './show.ts';
import { readStart, startOptions } from './start-body.ts';

export const command: Command = {
  usage: startUsage,
  async run(args) {
    const { values } = parse('start', args, {
      ...startOptions,
      deadline: { type: 'string' },
      pid: { type: 'string' },
      ...clientOptions,
    });
    const output = readOutput('start', values.output);
    const { task, body } = readStart('start', values);
    const bind = values.pid === undefined ? {} : { bind: { pid: readPid(values.pid) } };
    const reply = await connect(socketPath(values.socket)).request('PUT', taskPath(task), {
      body: { ...body, ...bind },
    });
    show(reply, output, (answer) => taskTable(answer));
    return Exit.ok;
  },
};

function readPid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(
    `--pid ${JSON.stringify(text)} is not a process id`,
    'tasklease start --profile P --pid $$',
  );
}
