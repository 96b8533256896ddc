// Owns a kit as Terraform resources of HashiCorp's vault provider
// (registry.terraform.io/providers/hashicorp/vault/latest/docs). Invariant: applying them gives the same policies and
// roles as the files; nothing of a policy is taken for Terraform's own templates.

import { parseDuration, wholeSeconds } from '../domain/duration.ts';
import { printHcl } from './hcl-print.ts';
import type { Kit } from './kit.ts';
import { ACCESSOR } from './names.ts';
import type { Role } from './roles.ts';

export function printTerraform(kit: Kit): string {
  const filled = kit.policies.map(({ policy }) => ({ name: policy.name, text: printHcl(policy) }));
  const asked = filled.some(({ text }) => text.includes(`aliases.${ACCESSOR}.`));
  const mount = kit.mounts[0] ?? 'token';
  return [
    ...(asked ? [resource('data', 'vault_auth_backend', id(mount), [['path', mount]])] : []),
    ...filled.map(({ name, text }) => policy(name, text, mount)),
    ...kit.roles.map(role),
  ].join('\n');
}

/** Doubled, a sign begins no template. */
const literal = (text: string): string => text.replace(/[$%](?=\{)/g, (sign) => sign + sign);

/** Terraform's names: letters, digits, underscores and hyphens. */
const id = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, '_').replace(/^(?=[0-9-])/, '_');

function policy(name: string, text: string, mount: string): string {
  const escaped = literal(text);
  const accessor = `\${data.vault_auth_backend.${id(mount)}.accessor}`;
  const body = escaped.replaceAll(`aliases.${ACCESSOR}.`, `aliases.${accessor}.`).trimEnd().split('\n');
  return `resource "vault_policy" "${id(name)}" {
  name   = ${JSON.stringify(name)}
  policy = <<-EOT
${body.map((line) => (line === '' ? '' : `    ${line}`)).join('\n')}
  EOT
}
`;
}

/** By the path in Vault: the provider's resource, and what it calls what the path says. */
const KINDS: readonly {
  readonly path: RegExp;
  readonly type: string;
  readonly keys: readonly string[];
}[] = [
  { path: /^auth\/token\/roles\/(.+)$/, type: 'vault_token_auth_backend_role', keys: ['role_name'] },
  {
    path: /^auth\/(.+)\/role\/([^/]+)$/,
    type: 'vault_jwt_auth_backend_role',
    keys: ['backend', 'role_name'],
  },
];

function role({ path, file, body }: Role): string {
  const kind = KINDS.find((each) => each.path.test(path))!;
  const words = kind.path.exec(path)!.slice(1);
  const isApprole = file === 'approle.json';
  const type = isApprole ? 'vault_approle_auth_backend_role' : kind.type;
  const attributes = Object.entries(body).map(([key, value]) => [key, inProvider(key, value)] as const);
  const keys = kind.keys.map((key, at) => [key, words[at]!] as const);
  return resource('resource', type, id(words.at(-1)!), [...keys, ...attributes]);
}

/** The provider wants seconds, and texts for claims with several values. */
function inProvider(key: string, value: unknown): unknown {
  if (/(?:_ttl|_period)$/.test(key) && typeof value === 'string') {
    const ms = parseDuration(value);
    return ms === null ? value : wholeSeconds(ms);
  }
  if (key === 'bound_claims') {
    return Object.fromEntries(
      Object.entries(value as object).map(([name, one]) => [name, Array.isArray(one) ? one.join(',') : one]),
    );
  }
  return value;
}

function resource(
  what: 'resource' | 'data',
  type: string,
  name: string,
  attributes: readonly (readonly [string, unknown])[],
): string {
  const width = Math.max(...attributes.map(([key]) => key.length));
  const lines = attributes.map(([key, value]) => `  ${key.padEnd(width)} = ${expression(value)}`);
  return `${what} "${type}" "${name}" {\n${lines.join('\n')}\n}\n`;
}

function expression(value: unknown): string {
  if (typeof value === 'string') return literal(JSON.stringify(value));
  if (Array.isArray(value)) return `[${value.map(expression).join(', ')}]`;
  if (value === null || typeof value !== 'object') return String(value);
  const pairs = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)} = ${expression(each)}`);
  return `{ ${pairs.join(', ')} }`;
}
