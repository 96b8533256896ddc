// Owns the name that Vault itself knows a task's tokens by (vault.entity_alias). Invariant: one path segment without
// capital letters: Vault puts it into templated policies unescaped, and takes C-1 for c-1 when it looks it up, so that
// a task of the one would come to what belongs to the other.

import { isSegment, SEGMENT_RULE } from './ids.ts';
import { Problem } from './problem.ts';
import { renderSegments } from './template.ts';

export const isAlias = (text: string): boolean => isSegment(text) && !/[A-Z]/.test(text);

export const ALIAS_RULE = `${SEGMENT_RULE}, and without capital letters: Vault takes C-1 and c-1 for the same alias`;

/** @throws Problem SIGNAL_INVALID when a value is missing, or the name would be none */
export function aliasOf(template: string, values: ReadonlyMap<string, string>): string {
  const alias = renderSegments(template, (name) => values.get(name));
  if (isAlias(alias)) return alias;
  throw new Problem('SIGNAL_INVALID', `the entity alias of this start is not ${ALIAS_RULE}`, {
    hint: `choose other values: the profile makes the alias from "${template}"`,
  });
}
