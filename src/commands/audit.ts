// Owns `tasklease audit`: which commands it has, and how they fail. Invariant: what reads the ledger changes nothing of it
// and asks nobody, neither the agent nor the network.

import { Exit } from '../cli/command.ts';
import { commandGroup } from '../cli/command-group.ts';
import { clean, say } from '../cli/output.ts';

/** What is no fault of this program, and is said in its own words. */
const EXPECTED: ReadonlySet<string> = new Set(['SourceFault', 'SettingsFault', 'UnreadableLine']);

export const command = commandGroup({
  name: 'audit',
  parts: {
    list: {
      summary: 'tasks and refusals, by event, profile, caller, outcome and time',
      load: () => import('./audit/list.ts'),
    },
    show: { summary: 'everything on record of one task', load: () => import('./audit/show.ts') },
    verify: {
      summary: 'whether all is as it was written, and where it is not',
      load: () => import('./audit/verify.ts'),
    },
    export: {
      summary: 'a signed copy to verify anywhere, a table, or the receipts',
      load: () => import('./audit/export.ts'),
    },
    keys: { summary: 'the public keys that it is signed with', load: () => import('./audit/keys.ts') },
    correlate: {
      summary: "compare it with Vault's own audit log",
      load: () => import('./audit/correlate.ts'),
    },
    report: {
      summary: 'one page for a browser: what was leased, and what is not proved gone',
      load: () => import('./audit/report.ts'),
    },
  },
  usage: (list) => `Usage: tasklease audit COMMAND [options]

Reads the ledger: every start, refusal, renewal, rotation and revocation, under its business event. It needs neither
the agent nor the network: run it as root or the agent's user beside the agent, or anywhere on an export.

Commands:
${list}

Examples:
  tasklease audit list --event pull_request:acme/shop#412
  tasklease audit show build-81 --config /etc/tasklease/agent.yaml

Options of each:
  --config FILE  the agent's configuration, for its state_dir (default /etc/tasklease/agent.yaml)
  --ledger PATH  instead: an export, a file of the ledger, or the directory with all of them; - is stdin
  -h, --help     this text, or that of a command

Exit code: 0 ok, 1 failed or not in order, 2 usage
`,
  failed(part, error) {
    if (!(error instanceof Error) || !EXPECTED.has(error.name)) return null;
    say(`tasklease audit ${part}: ${clean(error.message)}`);
    return Exit.failed;
  },
});
