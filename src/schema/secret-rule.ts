// Owns how a profile describes one secret: its Vault path, the request that issues it, the files made of it.

import * as z from 'zod';
import { certificateMount } from '../domain/certificate.ts';
import type { SecretRule } from '../domain/profile.ts';
import { hasStrayBraces } from '../domain/template.ts';
import { defined } from './defined.ts';
import { fileName, fileRule, toFileRule } from './file-rule.ts';
import { vaultName } from './scalars.ts';
import { secretTerms, toSecretTerms } from './secret-terms.ts';

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
    ...secretTerms,
    files: z
      .record(fileName, fileRule)
      .refine((files) => Object.keys(files).length > 0, 'needs at least one file'),
  })
  .refine((rule) => rule.body === undefined || rule.method === 'write', {
    path: ['body'],
    message: 'needs method: write',
  })
  .superRefine((rule, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const { path, method, body = {}, ttl_field: ttlField, key } = rule;
    if (ttlField !== undefined && ttlField in body)
      complain('ttl_field', 'is given in the body too: take one out');
    if (rule.version !== undefined && method !== 'read') complain('version', 'needs method: read');
    if (rule.revoke === 'serial' && certificateMount(path) === null) {
      complain(
        'revoke',
        'serial is for certificates: the path must be one like pki/issue/ROLE or pki/sign/ROLE',
      );
    }
    if (rule.require === 'revocable' && rule.revoke === 'none') {
      complain('require', 'contradicts revoke: none: take one out');
    }
    if (key === undefined) return;
    if (method !== 'write') complain('key', 'needs method: write');
    const filled = key.as === 'csr' ? 'csr' : 'public_key';
    if (filled in body) complain('key', `fills ${filled}, which is given in the body too: take one out`);
  });

/** The domain's rule from a parsed one. */
export const toSecretRule = (name: string, rule: z.infer<typeof secretRule>): SecretRule => ({
  name,
  path: rule.path,
  method: rule.method,
  ...defined({ body: rule.body }),
  ...toSecretTerms(rule),
  files: Object.entries(rule.files).map(([file, rest]) => toFileRule(file, rest)),
});
