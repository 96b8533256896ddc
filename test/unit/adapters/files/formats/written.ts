// Owns the shortest way from a file's rule and a secret to the bytes of the file.

import { render } from '../../../../../src/adapters/files/render.ts';
import type { FileRule, FormatName, RuleOf } from '../../../../../src/domain/file-rule.ts';
import type { Delivery } from '../../../../../src/ports/files.ts';

/** A rule without the name of its file. */
export type Rule = { [Name in FormatName]: Omit<RuleOf<Name>, 'name'> }[FormatName];

/** @param others secrets of the same task: name → fields */
export function written(
  rule: Rule,
  data: Delivery['data'],
  name = 'f',
  others: Readonly<Record<string, Delivery['data']>> = {},
): Buffer {
  const own: Delivery = { secret: 'db', data, files: [] };
  const all = Object.entries(others).map(
    ([secret, fields]): Delivery => ({ secret, data: fields, files: [] }),
  );
  return render({ name, ...rule } as FileRule, own, [own, ...all]);
}
