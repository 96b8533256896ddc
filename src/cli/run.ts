// Owns `tasklease run`: its command line and help text. What happens then is in run-task.ts.

import { clientOptions, parse, quote, socketPath } from './args.ts';
import { lookUp } from './child.ts';
import { connect } from './client.ts';
import { type Command, RunExit } from './command.ts';
import { UsageError } from './failure.ts';
import { ASKS } from './help.ts';
import { say } from './output.ts';
import { runTask } from './run-task.ts';
import { readStart, startOptions } from './start-body.ts';
import { readTrace } from './trace.ts';
import * as voice from './voice.ts';

const usage = `Usage: tasklease run --profile P [options] -- CMD [ARG]...

Lease the profile's secrets, run CMD with them, and revoke them when it ends. $TASKLEASE_DIR has the files,
$TASKLEASE_TASK the task's id, $TRACEPARENT its trace. Signals are forwarded, the terminal is left alone.

Example:
  tasklease run --profile report-read --param env=prod --duration 15m -- \\
    sh -c 'set -a; . "$TASKLEASE_DIR/db.env"; psql -c "select 1"'
  tasklease run --profile tool-call --parent "$TASKLEASE_TASK" -- ./tool.sh   # inside another run

Options:
${ASKS}
  --restart-on-change  when a rotation has changed the files: SIGTERM to CMD, SIGKILL after the grace (10 s
                       at least), and CMD is started again
  --socket PATH        the agent's socket; else TASKLEASE_SOCKET, else /run/tasklease/agent.sock
  -h, --help           this text

The task is bound to this process: when it ends, kill -9 included, the lease is revoked; CMD then lives on
without its secret. When the duration is over, CMD gets SIGTERM, and SIGKILL at the deadline; "tasklease
extend" moves both. When someone else stops the task, CMD gets SIGTERM. A signal that the profile sends after
a rotation (on_change) reaches CMD.
With --restart-on-change leave on_change out. A CMD that ends by itself or by your SIGTERM ends the run.

An agent that is restarted does not disturb CMD. Where the agent is in another pid namespace (a sidecar), the
task is bound to the connection instead: when the agent stays away for 10 s, it is lost and CMD gets SIGTERM.

When all is well nothing is printed beside CMD's own output but a line a restart. "tasklease stop TASK" shows
the receipt again; --task gives the task an id that you know.

Exit code: CMD's own (128+n when signal n ended it), 124 when the duration was over, 125 when tasklease
failed or the task was lost, 126 when CMD is not executable, 127 when it is not found.
`;

export const command: Command = {
  usage,
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
