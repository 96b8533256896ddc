// Owns `tasklease approve`: what is asked is shown, then approved. Invariant: what is approved is what was shown, by
// its digest.

import { isatty } from 'node:tty';
import { adminSocketPath, clientOptions, parse, readOutput, readTaskId } from './args.ts';
import { show } from './call.ts';
import { connect, expectOk, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { approveUsage } from './help.ts';
import { readJwt } from './jwt-file.ts';
import { ask, say } from './output.ts';
import { fieldsOf, task as taskTable } from './show.ts';
import { request } from './show-approval.ts';
import * as voice from './voice.ts';

const STDIN = 0;

export const command: Command = {
  usage: approveUsage,
  async run(args) {
    const options = {
      ...clientOptions,
      yes: { type: 'boolean' },
      reason: { type: 'string' },
      'jwt-file': { type: 'string' },
    } as const;
    const { values, words } = parse('approve', args, options, ['TASK']);
    const output = readOutput('approve', values.output);
    const [word] = words;
    if (word === undefined) throw new UsageError('approve needs a task', 'tasklease approve TASK');
    const task = readTaskId('approve', word);
    if (values['jwt-file'] !== undefined) {
      const jwt = readJwt('--jwt-file', values['jwt-file']);
      const signed = connect(adminSocketPath(values.socket)).request('POST', taskPath(task, '/approval'), {
        body: { jwt },
      });
      show(await signed, output, (answer) => taskTable(answer));
      return Exit.ok;
    }
    if (values.yes !== true && !isatty(STDIN)) {
      throw new UsageError(
        'approve asks first, and there is no terminal to ask on',
        `tasklease approve ${task} --yes`,
      );
    }
    const client = connect(adminSocketPath(values.socket));
    const { body } = expectOk(await client.request('GET', taskPath(task)));
    const { state, approval } = fieldsOf(body);
    const { digest } = fieldsOf(approval);
    // Of anything else the agent says what it is.
    if (state === 'pending_approval') {
      say(request(body));
      if (values.yes !== true && !/^y(?:es)?$/i.test(await ask(voice.approvable))) {
        say(voice.notApproved(task));
        return Exit.failed;
      }
    }
    const reply = await client.request('POST', taskPath(task, '/approval'), {
      body: {
        approve: true,
        ...(digest === undefined ? {} : { digest }),
        ...(values.reason === undefined ? {} : { reason: values.reason }),
      },
    });
    show(reply, output, (answer) => taskTable(answer));
    return Exit.ok;
  },
};
