// Owns `tasklease health`: readiness for exec probes. Invariant: it always ends, within 5 s, because a
// probe that hangs hides what it should show.

import { clientOptions, parse, readOutput, socketPath } from './args.ts';
import { connect } from './client.ts';
import { type Command, Exit } from './command.ts';
import { Refused } from './failure.ts';
import { healthUsage } from './help.ts';
import { clean, paint, print, say } from './output.ts';
import { fieldsOf, listOf, textOf } from './show.ts';
import * as voice from './voice.ts';

const TIMEOUT_MS = 5_000;

export const command: Command = {
  usage: healthUsage,
  async run(args) {
    const { values } = parse('health', args, clientOptions);
    const output = readOutput('health', values.output);
    const reply = await connect(socketPath(values.socket)).request('GET', '/v1/health?ready', {
      timeoutMs: TIMEOUT_MS,
    });
    if (output === 'json') print(reply.text);
    const ready = reply.status >= 200 && reply.status < 300;
    // 503 is the answer "not ready"; anything else is a refusal.
    if (!ready && reply.status !== 503) throw new Refused(reply.status, reply.text, reply.body);
    if (output === 'table')
      print(ready ? paint('green', 'ready') : ['not ready', ...reasons(reply.body)].map(clean).join('\n'));
    if (output === 'table') {
      const { faults } = fieldsOf(fieldsOf(reply.body).profiles);
      for (const fault of listOf(faults)) say(voice.profileFault(textOf(fault)));
    }
    return ready ? Exit.ok : Exit.failed;
  },
};

/** The reasons of a readiness answer, one line each. */
export const reasons = (body: unknown): string[] =>
  listOf(fieldsOf(body).reasons).map((item) => {
    const { code, detail, hint } = fieldsOf(item);
    const why = [detail, hint].map(textOf).filter((text) => text !== '');
    return `  ${textOf(code)}: ${why.join('; ')}`;
  });
