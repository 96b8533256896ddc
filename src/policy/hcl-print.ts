// Owns how a policy is written: HCL as `vault policy fmt` writes it, or the JSON that Vault takes too. Invariant: reading
// what was written gives the same policy; the same policy is always written the same.

import type { ParameterLimits, PathRule, Policy } from './model.ts';

export function printHcl({ comment = [], rules }: Policy): string {
  const blocks: string[] = [];
  for (const [at, rule] of rules.entries()) {
    // Blocks without a comment of their own belong to the one above.
    const gap = at === 0 || rule.comment === undefined ? '' : '\n';
    blocks.push(`${gap}${block(rule)}`);
  }
  const head = comment.map(remark).join('');
  const gap = head !== '' && rules[0]?.comment !== undefined ? '\n' : '';
  return `${head}${gap}${blocks.join('')}`;
}

const remark = (line: string): string => `${`# ${line}`.trimEnd()}\n`;

function block(rule: PathRule): string {
  const plain: [string, string][] = [['capabilities', list(rule.capabilities)]];
  if (rule.required !== undefined) plain.push(['required_parameters', list(rule.required)]);
  for (const [key, value] of Object.entries(rule.other ?? {})) plain.push([key, expression(value)]);
  const lines = [
    ...aligned(plain, '  '),
    ...(rule.allowed === undefined ? [] : limits('allowed_parameters', rule.allowed)),
    ...(rule.denied === undefined ? [] : limits('denied_parameters', rule.denied)),
  ];
  return `${(rule.comment ?? []).map(remark).join('')}path ${quoted(rule.path)} {\n${lines.join('\n')}\n}\n`;
}

const limits = (name: string, values: ParameterLimits): string[] => [
  `  ${name} = {`,
  ...aligned(
    Object.entries(values).map(([key, each]) => [quoted(key), list(each)]),
    '    ',
  ),
  '  }',
];

function aligned(pairs: readonly (readonly [string, string])[], indent: string): string[] {
  const width = Math.max(...pairs.map(([key]) => key.length));
  return pairs.map(([key, value]) => `${indent}${key.padEnd(width)} = ${value}`);
}

const LINE = 110;

function list(values: readonly unknown[]): string {
  const parts = values.map(expression);
  const line = `[${parts.join(', ')}]`;
  return line.length <= LINE ? line : `[\n${parts.map((part) => `      ${part},\n`).join('')}    ]`;
}

function expression(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(expression).join(', ')}]`;
  if (value === null || typeof value !== 'object') return String(value);
  return `{ ${Object.entries(value)
    .map(([key, each]) => `${quoted(key)} = ${expression(each)}`)
    .join(', ')} }`;
}

const quoted = (text: string): string => JSON.stringify(text);

/** As Vault takes it (docs/concepts/policies); comments have no place there. */
export const printJson = ({ rules }: Policy): string =>
  `${JSON.stringify({ path: Object.fromEntries(rules.map((rule) => [rule.path, bodyOf(rule)])) }, null, 2)}\n`;

const bodyOf = ({ capabilities, required, allowed, denied, other }: PathRule): Record<string, unknown> => ({
  capabilities,
  ...(required === undefined ? {} : { required_parameters: required }),
  ...(allowed === undefined ? {} : { allowed_parameters: allowed }),
  ...(denied === undefined ? {} : { denied_parameters: denied }),
  ...other,
});
