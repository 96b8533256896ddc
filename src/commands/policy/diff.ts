// Owns `tasklease policy diff`: what `apply` would change at Vault. Invariant: nothing is changed.

import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import type { Change } from '../../policy/plan.ts';
import { INPUTS } from './inputs.ts';
import { PLAN, planned, planOptions, showPlan } from './plan.ts';
import { ADMIN } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy diff [options]

Show what "tasklease policy apply" would change at Vault, line by line. Nothing is changed.

Examples:
  tasklease policy diff --config agent.yaml
  tasklease policy diff --profiles profiles/ --output json

Options:
${INPUTS}
${PLAN}
  --output table|json  (default table)
${ADMIN}
  -h, --help           this text

Exit code: 0 nothing to change, 1 something to change, or Vault could not be asked, 2 usage
`,
  async run(args) {
    const { values } = parse('policy diff', args, { ...planOptions, output: { type: 'string' } });
    const output = readOutput('policy diff', values.output);
    const show = output === 'json' ? asJson : showPlan;
    return planned('policy diff', values, show, (changes) =>
      changes.some(({ does }) => does !== 'keep') ? Exit.failed : Exit.ok,
    );
  },
};

const asJson = (changes: readonly Change[]): string => JSON.stringify({ changes }, null, 2);
