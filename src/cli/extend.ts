// Owns `tasklease extend`: the deadline of a living task moved later.

import { clientOptions, parse, readDuration, readOutput, readTaskId, socketPath } from './args.ts';
import { show } from './call.ts';
import { connect, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { extendUsage } from './help.ts';
import { task as taskTable } from './show.ts';

export const command: Command = {
  usage: extendUsage,
  async run(args) {
    const { values, words } = parse('extend', args, { ...clientOptions, duration: { type: 'string' } }, [
      'TASK',
    ]);
    const output = readOutput('extend', values.output);
    const [task] = words;
    if (task === undefined) throw new UsageError('extend needs a task', 'tasklease extend TASK --duration D');
    if (values.duration === undefined) {
      throw new UsageError('extend needs a duration', `tasklease extend ${task} --duration 10m`);
    }
    const { text: duration } = readDuration('--duration', values.duration);
    const path = taskPath(readTaskId('extend', task), '/extend');
    const reply = await connect(socketPath(values.socket)).request('POST', path, { body: { duration } });
    show(reply, output, (answer) => taskTable(answer));
    return Exit.ok;
  },
};
