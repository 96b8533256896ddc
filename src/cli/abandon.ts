// Owns `tasklease abandon`: an administrator's word that a revocation will never be proved.

import { adminSocketPath, clientOptions, parse, quote, readOutput, readTaskId } from './args.ts';
import { show, stopExit } from './call.ts';
import { connect, taskPath } from './client.ts';
import type { Command } from './command.ts';
import { UsageError } from './failure.ts';
import { abandonUsage } from './help.ts';
import { stoppedTask, warnUnproved } from './stop.ts';
import * as voice from './voice.ts';

export const command: Command = {
  usage: abandonUsage,
  async run(args) {
    const { values, words } = parse('abandon', args, { ...clientOptions, reason: { type: 'string' } }, [
      'TASK',
    ]);
    const output = readOutput('abandon', values.output);
    const [word] = words;
    if (word === undefined) {
      throw new UsageError('abandon needs a task', 'tasklease abandon TASK --reason TEXT');
    }
    const task = readTaskId('abandon', word);
    const { reason } = values;
    if (reason === undefined || reason.trim() === '') {
      throw new UsageError(
        'abandon needs a reason: it goes on record',
        `tasklease abandon ${quote(task)} --reason 'the database was deleted'`,
      );
    }
    const client = connect(adminSocketPath(values.socket));
    const reply = await client.request('POST', taskPath(task, '/abandon'), { body: { reason } });
    show(reply, output, stoppedTask);
    warnUnproved(reply.body);
    return stopExit(reply, `${voice.pending(task)}\n${voice.pendingNext(task)}`);
  },
};
