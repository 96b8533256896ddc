// Owns `tasklease run`: its command line. What happens then is in run-task.ts.

import { clientOptions, parse, quote, socketPath } from './args.ts';
import { lookUp } from './child.ts';
import { connect } from './client.ts';
import { type Command, RunExit } from './command.ts';
import { UsageError } from './failure.ts';
import { runUsage } from './help.ts';
import { say } from './output.ts';
import { runTask } from './run-task.ts';
import { readStart, startOptions } from './start-body.ts';
import { readTrace } from './trace.ts';
import * as voice from './voice.ts';

export const command: Command = {
  usage: runUsage,
  async run(args) {
    const { ours, cmd } = splitAtCommand(args);
    const { output: _none, ...options } = clientOptions;
    const { values } = parse('run', ours, {
      ...startOptions,
      ...options,
      'restart-on-change': { type: 'boolean', default: false },
    });
    const start = readStart('run', values);
    const found = lookUp(cmd[0] ?? '');
    if (found !== 'found') {
      say(voice.run[found](cmd[0] ?? ''));
      return found === 'notExecutable' ? RunExit.notExecutable : RunExit.notFound;
    }
    const trace = readTrace(values.traceparent);
    const client = connect(socketPath(values.socket), trace);
    const restartOnChange = values['restart-on-change'];
    return runTask({ client, start, command: cmd, restartOnChange, trace });
  },
};

/** Everything after the first `--` is CMD's, untouched. @throws UsageError */
export function splitAtCommand(args: readonly string[]): { ours: string[]; cmd: string[] } {
  const at = args.indexOf('--');
  if (at >= 0 && at < args.length - 1) return { ours: args.slice(0, at), cmd: args.slice(at + 1) };
  if (at >= 0) throw new UsageError('there is no command after --', 'tasklease run --profile P -- CMD');
  const word = firstWord(args);
  if (word < 0) throw new UsageError('run needs a command', 'tasklease run --profile P -- CMD');
  const corrected = [...args.slice(0, word), '--', ...args.slice(word)].map(quote).join(' ');
  throw new UsageError('run needs -- before its command', `tasklease run ${corrected}`);
}

const FLAGS: ReadonlySet<string> = new Set(['--help', '--restart-on-change']);

/** Where CMD seems to start when `--` was forgotten: the first word that no option takes as its value. */
function firstWord(args: readonly string[]): number {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? '';
    if (!word.startsWith('-')) return at;
    const takesValue = word.startsWith('--') && !word.includes('=') && !FLAGS.has(word);
    if (takesValue) at++;
  }
  return -1;
}
