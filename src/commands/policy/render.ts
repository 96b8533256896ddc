// Owns `tasklease policy render`: the kit of policies and roles that profiles need, on standard output or as files.
// Invariant: the same input gives the same bytes; a file that is there is replaced only as a whole.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { print, say } from '../../cli/output.ts';
import { printHcl, printJson } from '../../policy/hcl-print.ts';
import { type Kit, renderKit } from '../../policy/kit.ts';
import { ACCESSOR } from '../../policy/names.ts';
import { printTerraform } from '../../policy/terraform.ts';
import { INPUTS, inputOptions, readInputs } from './inputs.ts';
import { filledAccessors } from './mounts.ts';
import { ADMIN, adminOptions } from './vault-admin.ts';

const FORMATS = ['hcl', 'json', 'terraform'] as const;
type Format = (typeof FORMATS)[number];

export const command: Command = {
  usage: `Usage: tasklease policy render [options]

Make the policies and roles that profiles need in Vault, and nothing beside: exact paths and capabilities, limits on
parameters, templates on the identity where the profile pins one; the agent's session, login and token role with them.

Examples:
  tasklease policy render --profiles /etc/tasklease/profiles
  tasklease policy render --config agent.yaml --out vault/ --mount-accessor token=auth_token_1a2b3c4d
  tasklease policy render --profile report-read --format terraform > tasklease.tf

Options:
${INPUTS}
  --ask-vault          ask Vault for the accessors that are not given
  --format F           hcl (default), json or terraform
  --out DIR            write files, one a policy and role, instead of printing
  --any-profiles       leave the session and the token role open for profiles to come
${ADMIN}
  -h, --help           this text

Exit code: 0 rendered, 1 Vault could not be asked, 2 usage
`,
  async run(args) {
    const { values } = parse('policy render', args, {
      ...inputOptions,
      ...adminOptions,
      format: { type: 'string' },
      out: { type: 'string' },
      'ask-vault': { type: 'boolean' },
      'any-profiles': { type: 'boolean' },
    });
    const format = (values.format ?? 'hcl') as Format;
    if (!FORMATS.includes(format)) {
      throw new UsageError(
        `--format ${JSON.stringify(values.format)} is not a format`,
        `tasklease policy render --format ${FORMATS.join('|')}`,
      );
    }
    const given = readInputs('policy render', values);
    const options = {
      names: given.names,
      anyProfiles: values['any-profiles'] === true,
      ...(given.only && { only: given.only }),
    };
    const bare = renderKit(given.profiles, { ...options, accessors: given.accessors });
    const accessors =
      values['ask-vault'] === true ? await filledAccessors(given, bare.mounts, values) : given.accessors;
    const kit = renderKit(given.profiles, { ...options, accessors });
    const files = filesOf(kit, format);
    if (values.out === undefined) print(onePage(files, format, kit));
    else for (const [file, text] of files) write(join(values.out, file), text);
    if (values.out !== undefined) say(`${files.size} files written to ${values.out}`);
    for (const note of [...kit.notes, ...unfilled(kit, accessors, format)]) say(`note: ${note}`);
    return Exit.ok;
  },
};

const unfilled = (kit: Kit, accessors: Readonly<Record<string, string>>, format: Format): string[] =>
  format === 'terraform'
    ? []
    : kit.mounts
        .filter((mount) => accessors[mount] === undefined)
        .map(
          (mount) =>
            `${ACCESSOR} stands for the accessor of auth/${mount}: give --mount-accessor ${mount}=…, or --ask-vault`,
        );

function filesOf(kit: Kit, format: Format): Map<string, string> {
  if (format === 'terraform') return new Map([['tasklease.tf', printTerraform(kit)]]);
  const policies = kit.policies.map(({ file, policy }): [string, string] =>
    format === 'hcl' ? [file, printHcl(policy)] : [file.replace(/\.hcl$/, '.policy.json'), printJson(policy)],
  );
  return new Map([
    ...policies,
    ...kit.roles.map(({ file, body }): [string, string] => [file, roleText(body)]),
  ]);
}

/** One line for what is short, as people write it. */
export function roleText(body: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(body).map(([key, value]) => `  ${JSON.stringify(key)}: ${inline(value)}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${inline(each)}`);
  return `{ ${pairs.join(', ')} }`;
}

/** Everything at once: JSON as one document, HCL with a line that says which file is which. */
function onePage(files: ReadonlyMap<string, string>, format: Format, kit: Kit): string {
  if (format === 'terraform') return files.get('tasklease.tf')!;
  if (format === 'hcl') return [...files].map(([file, text]) => `## ${file}\n${text}`).join('\n');
  const policies = kit.policies.map(({ policy }) => [policy.name, JSON.parse(printJson(policy))]);
  const roles = kit.roles.map(({ path, body }) => [path, body]);
  return JSON.stringify(
    { policies: Object.fromEntries(policies), roles: Object.fromEntries(roles) },
    null,
    2,
  );
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, text, { mode: 0o644 });
  renameSync(beside, file);
}
