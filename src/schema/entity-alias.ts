// Owns the shape of `vault.entity_alias` in a profile: the name that Vault itself knows the tokens of a task by.

import * as z from 'zod';
import { ALIAS_RULE, isAlias } from '../domain/alias.ts';
import { hasStrayBraces, slots } from '../domain/template.ts';

/** May have slots. The TTL is none of them: it is another with every token, and would be another entity each time. */
export const entityAlias = z
  .string()
  .refine((alias) => !hasStrayBraces(alias), 'has braces that are not a {{slot}}')
  .refine((alias) => isAlias(alias.replace(/\{\{[^}]*\}\}/g, 'x')), `must be ${ALIAS_RULE}`)
  .refine((alias) => !slots(alias).includes('task.ttl'), 'must not have {{task.ttl}} in it');
