// Owns how a profile describes one secret: its Vault path, the request that issues it, the files made of it.

import * as z from 'zod';
import type { SecretRule } from '../domain/profile.ts';
import { hasStrayBraces } from '../domain/template.ts';
import { defined } from './defined.ts';
import { fileName, fileRule, toFileRule } from './file-rule.ts';
import { vaultName } from './scalars.ts';

const secretPath = z
  .string()
  .min(1)
  .refine((path) => !hasStrayBraces(path), 'has braces that are not a {{slot}}')
  .refine(
    (path) => vaultName.safeParse(path.replace(/\{\{[^}]*\}\}/g, 'x')).success,
    'must be a Vault path such as database/creds/report, without "..", "?", "#", "*" or "+"',
  )
  .refine(
    (path) => !/^(?:sys|auth|identity|cubbyhole)(?:\/|$)/.test(path),
    'must not point into sys/, auth/, identity/ or cubbyhole/',
  );

export const secretRule = z
  .strictObject({
    path: secretPath,
    method: z.enum(['read', 'write'], { error: 'must be read or write' }).default('read'),
    body: z.record(z.string(), z.unknown()).optional(),
    files: z
      .record(fileName, fileRule)
      .refine((files) => Object.keys(files).length > 0, 'needs at least one file'),
  })
  .refine((rule) => rule.body === undefined || rule.method === 'write', {
    path: ['body'],
    message: 'needs method: write',
  });

/** The domain's rule from a parsed one. */
export const toSecretRule = (name: string, rule: z.infer<typeof secretRule>): SecretRule => ({
  name,
  path: rule.path,
  method: rule.method,
  ...defined({ body: rule.body }),
  files: Object.entries(rule.files).map(([file, rest]) => toFileRule(file, rest)),
});
