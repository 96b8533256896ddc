// Owns `tasklease policy`: which of its commands runs. Invariant: only that one's code is loaded; what Vault refused, or
// that it cannot be reached, is said in a sentence and ends with exit code 1.

import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { nearest } from '../../cli/nearest.ts';
import { say } from '../../cli/output.ts';
import { problem } from '../../cli/voice.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { AdminRefused } from './vault-admin.ts';

const parts: Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<{ readonly command: Command }> }>
> = {
  render: { summary: 'make the policies and roles that profiles need', load: () => import('./render.ts') },
  lint: { summary: 'name mistakes in policies and roles', load: () => import('./lint.ts') },
  diff: { summary: 'show what apply would change at Vault', load: () => import('./diff.ts') },
  apply: { summary: 'give Vault what the profiles need, after a yes', load: () => import('./apply.ts') },
  test: {
    summary: 'ask Vault that each profile may do all it must, and nothing beside',
    load: () => import('./test.ts'),
  },
};

const width = Math.max(...Object.keys(parts).map((name) => name.length));

export const command: Command = {
  usage: `Usage: tasklease policy COMMAND [options]

From profiles to the least that Vault has to allow, checked against Vault itself.

Examples:
  tasklease policy render --config agent.yaml --out vault/
  tasklease policy lint vault/ --config agent.yaml
  tasklease policy apply --config agent.yaml
  tasklease policy test --config agent.yaml

Commands:
${Object.entries(parts)
  .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  .join('\n')}

  tasklease policy COMMAND --help shows a command's options and its exit codes.
`,
  async usageOf(name) {
    return Object.hasOwn(parts, name) ? (await parts[name]!.load()).command.usage : null;
  },
  async run([name, ...args]) {
    if (name === undefined)
      throw new UsageError('policy needs a command', `tasklease policy ${Object.keys(parts).join('|')}`);
    const part = Object.hasOwn(parts, name) ? parts[name]! : undefined;
    if (part === undefined) {
      const meant = nearest(name, Object.keys(parts));
      throw new UsageError(
        `there is no command policy ${name}`,
        meant === undefined ? 'tasklease policy --help' : ['tasklease policy', meant, ...args].join(' '),
      );
    }
    const { command: chosen } = await part.load();
    try {
      return await chosen.run(args);
    } catch (error) {
      if (error instanceof VaultFailure) {
        const { code, message, hint } = error.problem;
        say(problem({ code, detail: message, ...(hint === undefined ? {} : { hint }) }, `policy ${name}`));
        return Exit.failed;
      }
      if (!(error instanceof AdminRefused)) throw error;
      const hint =
        error.status === 403
          ? 'take the token of an administrator who may do this (VAULT_TOKEN or --token-file)'
          : 'look at what Vault says';
      say(problem({ code: 'VAULT_DENIED', detail: error.message, hint }, `policy ${name}`));
      return Exit.failed;
    }
  },
};
