// Owns `tasklease policy apply`: Vault gets the policies and roles that profiles need. Invariant: what is shown is what is
// done, after a yes; a second run finds nothing to do; when one step fails, what is done and what is not is told.

import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { ask, paint, print, say } from '../../cli/output.ts';
import { problem } from '../../cli/voice.ts';
import { credentialsOf, handOver, missing } from './credentials.ts';
import { INPUTS } from './inputs.ts';
import { PLAN, planned, planOptions, showPlan } from './plan.ts';
import { ADMIN } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy apply [options]

Give Vault the policies and roles that profiles need. What would change is shown first, and asked for. Nothing is
deleted, and a policy that was not made by tasklease is kept. Run again, it finds nothing to do. With --credentials, run
on the agent's host, the agent gets what it logs in with; it is never shown.

Examples:
  tasklease policy apply --config agent.yaml
  tasklease policy apply --config agent.yaml --credentials
  tasklease policy apply --profiles profiles/ --yes

Options:
${INPUTS}
${PLAN}
  --credentials        write the role id and a secret id (token_file: a token) to the files that the configuration names,
                       mode 0600, owned as their directory is; a file that is there is kept
  --yes                do not ask
${ADMIN}
  -h, --help           this text

Exit code: 0 done, or nothing to do; 1 refused, failed or not agreed to; 2 usage
`,
  async run(args) {
    const options = { ...planOptions, credentials: { type: 'boolean' }, yes: { type: 'boolean' } } as const;
    const { values } = parse('policy apply', args, options);
    return planned('policy apply', values, showPlan, async (changes, vault, { config }) => {
      const due = changes.filter(({ request }) => request !== undefined);
      if (values.credentials === true && config === undefined)
        throw new UsageError(
          'policy apply --credentials needs the configuration that names their files',
          'tasklease policy apply --config agent.yaml --credentials',
        );
      const lacking = config === undefined ? [] : missing(credentialsOf(config));
      const wanted = values.credentials === true ? lacking : [];
      for (const { file, what } of wanted) print(`${paint('green', `write ${file}`)}: ${what}`);
      if (lacking.length > wanted.length)
        say(
          `note: ${lacking.map(({ file }) => file).join(' and ')} not there: --credentials, on the agent's host, writes what the agent logs in with`,
        );
      if (due.length === 0 && wanted.length === 0) return Exit.ok;
      if (values.yes !== true && !(await agreed())) {
        say('tasklease: nothing was changed');
        return Exit.failed;
      }
      return perform([
        ...due.map(
          ({ what, request }): Step => ({ what, run: () => vault.write(request!.path, request!.body) }),
        ),
        ...wanted.map((one): Step => ({ what: one.file, run: () => handOver(one, vault) })),
      ]);
    });
  },
};

interface Step {
  readonly what: string;
  run(): Promise<unknown>;
}

async function agreed(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'policy apply asks before it changes Vault, and there is no terminal',
      'tasklease policy apply --yes, after tasklease policy diff',
    );
  }
  return /^y(?:es)?$/i.test(await ask('Apply it? [y/N]'));
}

async function perform(due: readonly Step[]): Promise<number> {
  for (const [at, { what, run }] of due.entries()) {
    const failed = await run().then(
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
