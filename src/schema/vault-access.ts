// Owns the shape of `vault` in a profile: how its tasks get their tokens.

import * as z from 'zod';
import { claimName } from './assertion-rule.ts';
import { entityAlias } from './entity-alias.ts';
import { vaultName } from './scalars.ts';

export const vaultAccess = z
  .strictObject({
    mode: z.enum(['child', 'jwt'], { error: 'must be child or jwt' }).default('child'),
    mount: vaultName.optional(),
    role: vaultName.optional(),
    claims: z.array(claimName).optional(),
    policies: z
      .array(
        vaultName.refine(
          (policy) => policy !== 'root' && policy !== 'default',
          'must be a policy of its own',
        ),
      )
      .default([]),
    entity_alias: entityAlias.optional(),
  })
  .superRefine((vault, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (vault.mode === 'jwt') {
      if (vault.role === undefined) complain('role', 'is missing: name the role at the jwt mount');
      if (vault.entity_alias !== undefined) complain('entity_alias', 'belongs to mode: child');
      return;
    }
    if (vault.policies.length === 0) complain('policies', 'needs at least one policy');
    for (const key of ['mount', 'role', 'claims'] as const) {
      if (vault[key] !== undefined) complain(key, 'belongs to mode: jwt');
    }
  });
