// Owns `tasklease policy lint`: mistakes in policies and roles, of files or of a Vault. Invariant: the exit code is 1 when
// there is a finding, whatever the output; nothing at Vault is changed.

import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { paint, print } from '../../cli/output.ts';
import { parseDuration } from '../../domain/duration.ts';
import { lint } from '../../policy/lint.ts';
import { type Finding, LINT_RULES } from '../../policy/lint-rules.ts';
import { DEFAULT_NAMES } from '../../policy/names.ts';
import { type Given, INPUTS, inputOptions, readInputs } from './inputs.ts';
import { readLive } from './live.ts';
import { type PolicyFiles, readPolicyFiles } from './policy-files.ts';
import { ADMIN, adminOptions, openAdmin } from './vault-admin.ts';

export const command: Command = {
  usage: `Usage: tasklease policy lint [PATH] [options]
       tasklease policy lint --live [options]

Name mistakes in policies and roles: what is wider than the profiles need, and what would break the agent's promises.
Profiles that lie among the files, or are given, make it exact.

Examples:
  tasklease policy lint vault-policies
  tasklease policy lint vault/ --config agent.yaml --output json
  VAULT_ADDR=https://vault.internal:8200 tasklease policy lint --live --config agent.yaml
  tasklease policy lint --explain TL001

Options:
  --live               look at what Vault has, instead of files
${INPUTS}
  --leash D            what the session role's period has to be, where no configuration says it (default 5m)
  --rules              list the rules
  --explain ID         one rule, with a wrong and a right example
  --output table|json  (default table)
${ADMIN}
  -h, --help           this text

Exit code: 0 nothing found, 1 findings, 2 usage
`,
  async run(args) {
    const options = {
      ...inputOptions,
      ...adminOptions,
      live: { type: 'boolean' },
      leash: { type: 'string' },
      rules: { type: 'boolean' },
      explain: { type: 'string' },
      output: { type: 'string' },
    } as const;
    const { values, words } = parse('policy lint', args, options, ['PATH']);
    const output = readOutput('policy lint', values.output);
    if (values.rules === true || values.explain !== undefined) return explain(values.explain, output);
    const wanted =
      values.config !== undefined || values.profiles !== undefined || values.profile !== undefined;
    const given = wanted || values.live === true ? readInputs('policy lint', values) : null;
    const leash = values.leash === undefined ? null : parseDuration(values.leash);
    if (values.leash !== undefined && leash === null)
      throw new UsageError(`--leash ${JSON.stringify(values.leash)} is not a duration`, '--leash 5m');
    const files = values.live === true ? await liveFiles(given!, values) : readPolicyFiles(pathsOf(words));
    const findings = lint({
      ...files,
      profiles: [...files.profiles, ...(given?.profiles ?? [])],
      leashMs: leash ?? given?.names.leashMs ?? DEFAULT_NAMES.leashMs,
    });
    if (output === 'json') print(JSON.stringify({ findings }, null, 2));
    else print(table(findings, files));
    return findings.length === 0 ? Exit.ok : Exit.failed;
  },
};

const pathsOf = (words: readonly string[]): readonly string[] => {
  if (words.length > 0) return words;
  throw new UsageError(
    'policy lint needs a directory, a file or --live',
    'tasklease policy lint vault-policies',
  );
};

async function liveFiles(given: Given, values: Parameters<typeof openAdmin>[1]): Promise<PolicyFiles> {
  const vault = openAdmin('policy lint', values, given.config);
  try {
    return await readLive(vault, given);
  } finally {
    vault.close();
  }
}

function table(findings: readonly Finding[], { policies, roles }: PolicyFiles): string {
  const seen = `${policies.length} policies and ${roles.length} roles`;
  if (findings.length === 0) return paint('green', `nothing found in ${seen}`);
  const lines = findings.map(
    ({ rule, file, line, says }) => `${file}${line === undefined ? '' : `:${line}`}: ${rule} ${says}`,
  );
  const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
  return [
    ...lines,
    paint('yellow', `${count} in ${seen}; tasklease policy lint --explain ID says more`),
  ].join('\n');
}

function explain(id: string | undefined, output: 'table' | 'json'): number {
  const rules = id === undefined ? LINT_RULES : LINT_RULES.filter((rule) => rule.id === id.toUpperCase());
  if (rules.length === 0) throw new UsageError(`there is no rule ${id}`, 'tasklease policy lint --rules');
  if (output === 'json') print(JSON.stringify({ rules }, null, 2));
  else
    print(
      rules
        .map(({ id: name, title, wrong, right }) => `${name}  ${title}\n  wrong: ${wrong}\n  right: ${right}`)
        .join('\n'),
    );
  return Exit.ok;
}
