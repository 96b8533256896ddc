// Format json: one object, keys as given, a final newline (RFC 8259).

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';

export function json(values: Values, { fields }: RuleOf<'json'>): string {
  const { secret, data } = values.own;
  const members = Object.entries(
    fields === undefined
      ? data
      : Object.fromEntries(
          Object.entries(fields).map(([output, name]) => [output, values.named(name).value]),
        ),
  ).map(([output, value]) => [output, value, { secret, field: fields?.[output] ?? output, value }] as const);
  for (const [, , found] of members) values.json(found);
  return `${JSON.stringify(Object.fromEntries(members), null, 2)}\n`;
}
