// Owns `tasklease policy apply`: Vault gets the policies and roles that profiles need. Invariant: what is shown is what is
// done, after a yes; a second run finds nothing to do; when one step fails, what is done and what is not is told.

import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { ask, paint, print, say } from '../../cli/output.ts';
import { problem } from '../../cli/voice.ts';
import type { Change } from '../../policy/plan.ts';
import { INPUTS } from './inputs.ts';
import { PLAN, planned, planOptions, showPlan } from './plan.ts';
import { ADMIN, type VaultAdmin } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy apply [options]

Give Vault the policies and roles that profiles need. What would change is shown first, and asked for. Nothing is
deleted, and a policy that was not made by tasklease is kept. Run again, it finds nothing to do.

Examples:
  tasklease policy apply --config agent.yaml
  tasklease policy apply --profiles profiles/ --yes

Options:
${INPUTS}
${PLAN}
  --yes                do not ask
${ADMIN}
  -h, --help           this text

Exit code: 0 done, or nothing to do; 1 refused, failed or not agreed to; 2 usage
`,
  async run(args) {
    const { values } = parse('policy apply', args, { ...planOptions, yes: { type: 'boolean' } });
    return planned('policy apply', values, showPlan, async (changes, vault) => {
      const due = changes.filter(({ request }) => request !== undefined);
      if (due.length === 0) return Exit.ok;
      if (values.yes !== true && !(await agreed())) {
        say('tasklease: nothing was changed');
        return Exit.failed;
      }
      return perform(vault, due);
    });
  },
};

async function agreed(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'policy apply asks before it changes Vault, and there is no terminal',
      'tasklease policy apply --yes, after tasklease policy diff',
    );
  }
  return /^y(?:es)?$/i.test(await ask('Apply it? [y/N]'));
}

async function perform(vault: VaultAdmin, due: readonly Change[]): Promise<number> {
  for (const [at, { what, request }] of due.entries()) {
    const failed = await vault.write(request!.path, request!.body).then(
      () => null,
      (error: unknown) => error as Error,
    );
    if (failed === null) {
      print(`${paint('green', 'done')} ${what}`);
      continue;
    }
    const left = due.slice(at).map((each) => each.what);
    const detail = `${what} could not be written: ${failed.message}. ${at} of ${due.length} steps are done; not done: ${left.join(', ')}`;
    say(
      problem(
        {
          code: 'VAULT_DENIED',
          detail,
          hint: 'correct that and repeat the command: it goes on where it ended',
        },
        'policy apply',
      ),
    );
    return Exit.failed;
  }
  return Exit.ok;
}
