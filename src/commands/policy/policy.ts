// Owns `tasklease policy`: which commands it has, and how they fail. Invariant: what Vault refused, or that it cannot be
// reached, is said in a sentence and ends with exit code 1.

import { Exit } from '../../cli/command.ts';
import { commandGroup } from '../../cli/command-group.ts';
import { say } from '../../cli/output.ts';
import { problem } from '../../cli/voice.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { AdminRefused } from './vault-admin.ts';

export const command = commandGroup({
  name: 'policy',
  parts: {
    render: { summary: 'make the policies and roles that profiles need', load: () => import('./render.ts') },
    lint: { summary: 'name mistakes in policies and roles', load: () => import('./lint.ts') },
    diff: { summary: 'show what apply would change at Vault', load: () => import('./diff.ts') },
    apply: { summary: 'give Vault what the profiles need, after a yes', load: () => import('./apply.ts') },
    test: {
      summary: 'ask Vault that each profile may do all it must, and nothing beside',
      load: () => import('./test.ts'),
    },
  },
  usage: (list) => `Usage: tasklease policy COMMAND [options]

From profiles to the least that Vault has to allow, checked against Vault itself.

Examples:
  tasklease policy render --config agent.yaml --out vault/
  tasklease policy lint vault/ --config agent.yaml
  tasklease policy apply --config agent.yaml
  tasklease policy test --config agent.yaml

Commands:
${list}

  tasklease policy COMMAND --help shows a command's options and its exit codes.
`,
  failed(part, error) {
    if (error instanceof VaultFailure) {
      const { code, message, hint } = error.problem;
      say(problem({ code, detail: message, ...(hint === undefined ? {} : { hint }) }, `policy ${part}`));
      return Exit.failed;
    }
    if (!(error instanceof AdminRefused)) return null;
    const hint =
      error.status === 403
        ? 'take the token of an administrator who may do this (VAULT_TOKEN or --token-file)'
        : 'look at what Vault says';
    say(problem({ code: 'VAULT_DENIED', detail: error.message, hint }, `policy ${part}`));
    return Exit.failed;
  },
});
