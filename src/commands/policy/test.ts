// Owns `tasklease policy test`: Vault itself is asked whether each profile can do all it must, and nothing beside it.
// Invariant: no secret is read from a Vault that is in use; the exit code is 1 when one answer is not as expected.

import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { columns, paint, print } from '../../cli/output.ts';
import { printJunit, type Result } from '../../policy/junit.ts';
import { ACCESSOR, policiesOf } from '../../policy/names.ts';
import { trialsOf } from '../../policy/neighbours.ts';
import { taskPolicies } from '../../policy/task-policy.ts';
import { type PolicyBook, policyFiles } from '../inspect/policy-book.ts';
import { policyDirectory } from '../inspect/policy-directory.ts';
import { type Given, INPUTS, inputOptions, readInputs } from './inputs.ts';
import { tryAgent, tryLive } from './trial-live.ts';
import { openThrowAway } from './trial-throw-away.ts';
import { ADMIN, adminOptions, openAdmin } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy test [options]

Ask Vault itself: every request that a profile can make is allowed, and what lies beside it is denied: other paths,
verbs and parameters, other profiles' paths, Vault's own. The agent's own login and session are tried too. On a Vault that
is in use by capabilities and by the text of its policies, without reading a secret; on a throw-away Vault by real requests.

Examples:
  tasklease policy test --config agent.yaml
  tasklease policy test --profiles profiles/ --throw-away --output junit > policies.xml
  tasklease policy test --config agent.yaml --throw-away --policies vault-policies/

Options:
${INPUTS}
  --throw-away         start a Vault for it, with the policies that render makes (VAULT_BIN, or vault on PATH)
  --policies DIR       try the policies in these files (.hcl, .json) there, instead of those that render makes
  --output F           table (default), json or junit
${ADMIN}
  -h, --help           this text

Exit code: 0 all as expected, 1 not, or Vault could not be asked, 2 usage
`,
  async run(args) {
    const options = {
      ...inputOptions,
      ...adminOptions,
      'throw-away': { type: 'boolean' },
      policies: { type: 'string' },
      output: { type: 'string' },
    } as const;
    const { values } = parse('policy test', args, options);
    const output = values.output ?? 'table';
    if (!['table', 'json', 'junit'].includes(output)) {
      throw new UsageError(
        `--output ${JSON.stringify(output)} is not a format`,
        'tasklease policy test --output table|json|junit',
      );
    }
    const given = readInputs('policy test', values);
    if (values.policies !== undefined && values['throw-away'] !== true)
      throw new UsageError(
        'policy test --policies is about a throw-away Vault',
        'tasklease policy test --throw-away --policies DIR',
      );
    const files = values.policies === undefined ? null : policyDirectory(values.policies, policyFiles);
    const results =
      values['throw-away'] === true ? await onThrowAway(given, files) : await onLive(given, values);
    if (output === 'json') print(JSON.stringify({ results }, null, 2));
    else print(output === 'junit' ? printJunit(results) : table(results));
    return results.every(({ found, expect }) => found === expect) ? Exit.ok : Exit.failed;
  },
};

const wanted = ({ profiles, only }: Given) => profiles.filter(({ name }) => only?.includes(name) ?? true);

const trialsFor = (given: Given, profile: Given['profiles'][number]) => {
  const made = taskPolicies(given.profiles, () => ACCESSOR).filter(({ name }) =>
    policiesOf(profile).includes(name),
  );
  return trialsOf(profile, given.profiles, made);
};

async function onLive(given: Given, values: Parameters<typeof openAdmin>[1]): Promise<Result[]> {
  const vault = openAdmin('policy test', values, given.config);
  try {
    const results = await tryAgent(vault, given.names, given.profiles);
    for (const profile of wanted(given))
      results.push(...(await tryLive(vault, profile, trialsFor(given, profile), given.names.tokenRole)));
    return results;
  } finally {
    vault.close();
  }
}

async function onThrowAway(given: Given, files: PolicyBook | null): Promise<Result[]> {
  const server = await openThrowAway(given, files);
  try {
    const results: Result[] = [];
    for (const profile of wanted(given))
      results.push(...(await server.tryOne(profile, trialsFor(given, profile))));
    return [...(await server.tryAgent()), ...results];
  } finally {
    await server.close();
  }
}

function table(results: readonly Result[]): string {
  const wrong = results.filter(({ found, expect }) => found !== expect);
  const profiles = [...new Set(results.map(({ profile }) => profile))];
  const rows = profiles.map((name) => {
    const own = results.filter(({ profile }) => profile === name);
    const count = (expect: Result['expect']) =>
      `${own.filter((one) => one.expect === expect && one.found === expect).length} of ${own.filter((one) => one.expect === expect).length}`;
    return [name, count('allowed'), count('denied')];
  });
  const head = columns([['PROFILE', 'ALLOWED', 'DENIED'], ...rows]);
  const lines = wrong.map(
    ({ profile, what, expect, found, says }) =>
      `${paint('red', 'wrong')} ${profile}: ${what} is ${found}, not ${expect}: ${says}`,
  );
  return [head, ...lines].join('\n');
}
