// Owns `tasklease deny`: an approver's no, with its reason.

import { adminSocketPath, clientOptions, parse, readOutput, readTaskId } from './args.ts';
import { show } from './call.ts';
import { connect, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { denyUsage } from './help.ts';
import { task as taskTable } from './show.ts';

export const command: Command = {
  usage: denyUsage,
  async run(args) {
    const { values, words } = parse('deny', args, { ...clientOptions, reason: { type: 'string' } }, ['TASK']);
    const output = readOutput('deny', values.output);
    const [word] = words;
    if (word === undefined) throw new UsageError('deny needs a task', 'tasklease deny TASK --reason TEXT');
    const task = readTaskId('deny', word);
    const reason = values.reason === undefined ? {} : { reason: values.reason };
    const client = connect(adminSocketPath(values.socket));
    const reply = await client.request('POST', taskPath(task, '/approval'), {
      body: { approve: false, ...reason },
    });
    show(reply, output, (answer) => taskTable(answer));
    return Exit.ok;
  },
};
