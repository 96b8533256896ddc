// Owns `tasklease status`: the caller's tasks, or one of them.

import { clientOptions, parse, readOutput, readTaskId, socketPath } from './args.ts';
import { show } from './call.ts';
import { connect, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { statusUsage } from './help.ts';
import { tasks as tasksTable, task as taskTable } from './show.ts';

export const command: Command = {
  usage: statusUsage,
  async run(args) {
    const { values, words } = parse('status', args, clientOptions, ['TASK']);
    const output = readOutput('status', values.output);
    const [task] = words;
    const path = task === undefined ? '/v1/tasks' : taskPath(readTaskId('status', task));
    const reply = await connect(socketPath(values.socket)).request('GET', path);
    show(reply, output, (body) => (task === undefined ? tasksTable(body) : taskTable(body)));
    return Exit.ok;
  },
};
