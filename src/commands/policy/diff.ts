// Owns `tasklease policy diff`: what `apply` would change at Vault. Invariant: nothing is changed.

import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { print, say } from '../../cli/output.ts';
import { INPUTS, inputOptions, readInputs } from './inputs.ts';
import { planAt, showPlan, warnings } from './plan.ts';
import { ADMIN, adminOptions, openAdmin } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy diff [options]

Show what "tasklease policy apply" would change at Vault, line by line. Nothing is changed.

Examples:
  tasklease policy diff --config agent.yaml
  tasklease policy diff --profiles profiles/ --output json

Options:
${INPUTS}
  --any-profiles       leave the session and the token role open for profiles to come
  --take-over          replace policies of these names that were not made by tasklease
  --output table|json  (default table)
${ADMIN}
  -h, --help           this text

Exit code: 0 nothing to change, 1 something to change, or Vault could not be asked, 2 usage
`,
  async run(args) {
    const options = {
      ...inputOptions,
      ...adminOptions,
      'any-profiles': { type: 'boolean' },
      'take-over': { type: 'boolean' },
      output: { type: 'string' },
    } as const;
    const { values } = parse('policy diff', args, options);
    const output = readOutput('policy diff', values.output);
    const given = readInputs('policy diff', values);
    const vault = openAdmin('policy diff', values, given.config);
    try {
      const { changes, kit } = await planAt(vault, given, {
        takeOver: values['take-over'] === true,
        anyProfiles: values['any-profiles'] === true,
      });
      print(output === 'json' ? JSON.stringify({ changes }, null, 2) : showPlan(changes, vault.address));
      for (const note of [...kit.notes, ...warnings(changes)]) say(`note: ${note}`);
      return changes.some(({ does }) => does !== 'keep') ? Exit.failed : Exit.ok;
    } finally {
      vault.close();
    }
  },
};
