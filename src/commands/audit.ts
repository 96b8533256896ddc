// Owns `tasklease audit`: which commands it has, and how they fail. Invariant: what reads the ledger changes nothing of it
// and asks nobody, neither the agent nor the network.

import type { Command } from '../cli/command.ts';
import { Exit } from '../cli/command.ts';
import { UsageError } from '../cli/failure.ts';
import { nearest } from '../cli/nearest.ts';
import { clean, say } from '../cli/output.ts';

type Load = () => Promise<{ readonly command: Command }>;

/** In the order of the usage; a further one is one line here. */
const COMMANDS: readonly (readonly [name: string, summary: string, load: Load])[] = [
  [
    'list',
    'tasks and refusals, by event, profile, caller, outcome and time',
    () => import('./audit/list.ts'),
  ],
  ['show', 'everything on record of one task', () => import('./audit/show.ts')],
  ['verify', 'whether all is as it was written, and where it is not', () => import('./audit/verify.ts')],
  ['export', 'a signed copy to verify anywhere, a table, or the receipts', () => import('./audit/export.ts')],
  ['keys', 'the public keys that it is signed with', () => import('./audit/keys.ts')],
  ['correlate', "compare it with Vault's own audit log", () => import('./audit/correlate.ts')],
  [
    'report',
    'one page for a browser: what was leased, and what is not proved gone',
    () => import('./audit/report.ts'),
  ],
];

const usage = `Usage: tasklease audit COMMAND [options]

Reads the ledger: every start, refusal, renewal, rotation and revocation, under its business event. It needs neither
the agent nor the network: run it as root or the agent's user beside the agent, or anywhere on an export.

Commands:
${COMMANDS.map(([name, summary]) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

Examples:
  tasklease audit list --event pull_request:acme/shop#412
  tasklease audit show build-81 --config /etc/tasklease/agent.yaml

Options of each:
  --config FILE  the agent's configuration, for its state_dir (default /etc/tasklease/agent.yaml)
  --ledger PATH  instead: an export, a file of the ledger, or the directory with all of them; - is stdin
  -h, --help     this text, or that of a command

Exit code: 0 ok, 1 failed or not in order, 2 usage
`;

/** What is no fault of this program, and is said in its own words. */
const EXPECTED: ReadonlySet<string> = new Set(['SourceFault', 'SettingsFault', 'UnreadableLine']);

export const command: Command = {
  usage,
  async usageOf(word) {
    const entry = COMMANDS.find(([name]) => name === word);
    return entry === undefined ? null : (await entry[2]()).command.usage;
  },
  async run(args) {
    const [word, ...rest] = args;
    const entry = COMMANDS.find(([name]) => name === word);
    if (entry === undefined) throw unknown(word);
    try {
      return await (await entry[2]()).command.run(rest);
    } catch (error) {
      if (!(error instanceof Error) || !EXPECTED.has(error.name)) throw error;
      say(`tasklease audit ${word}: ${clean(error.message)}`);
      return Exit.failed;
    }
  },
};

function unknown(word: string | undefined): UsageError {
  const names = COMMANDS.map(([name]) => name);
  if (word === undefined)
    return new UsageError('audit needs a command', `tasklease audit ${names.join(' | ')}`);
  const meant = nearest(word, names);
  return new UsageError(
    `audit has no command ${JSON.stringify(word)}`,
    meant === undefined ? `tasklease audit ${names.join(' | ')}` : `tasklease audit ${meant}`,
  );
}
