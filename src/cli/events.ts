// Owns `tasklease events`: a stream of facts, until the task is closed or the reader has had enough.

import { clientOptions, parse, readOutput, readTaskId, socketPath } from './args.ts';
import { connect, expectOk, isStream, parseJson, taskPath } from './client.ts';
import { type Command, Exit } from './command.ts';
import { AgentUnreachable } from './failure.ts';
import { eventsUsage } from './help.ts';
import { print, say } from './output.ts';
import { fact, fieldsOf } from './show.ts';
import * as voice from './voice.ts';

export const command: Command = {
  usage: eventsUsage,
  async run(args) {
    const { values, words } = parse('events', args, clientOptions, ['TASK']);
    const output = readOutput('events', values.output);
    const task = words[0] === undefined ? undefined : readTaskId('events', words[0]);
    const path = task === undefined ? '/v1/events' : taskPath(task, '/events');
    const answer = await connect(socketPath(values.socket)).stream('GET', path);
    if (!isStream(answer)) {
      if (output === 'json') print(answer.text);
      expectOk(answer);
      return Exit.ok;
    }
    // A reader such as head(1) closes the pipe when it has enough: that is a good end.
    let enough = false;
    process.stdout.once('error', () => {
      enough = true;
      answer.close();
    });
    let closed = false;
    try {
      for await (const text of answer.lines) {
        const value = parseJson(text);
        print(output === 'json' ? text : fact(value));
        if (task !== undefined && fieldsOf(value).type === 'grant.closed') closed = true;
      }
    } catch (error) {
      // Answered once, and gone since: that is the end of a stream, however abrupt.
      if (!(error instanceof AgentUnreachable)) throw error;
    }
    if (enough || closed) return Exit.ok;
    say(voice.streamEnded());
    return Exit.unreachable;
  },
};
