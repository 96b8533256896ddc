// Owns the keys of a profile's secret that are about what its engine has of its own: TTL, version, revocation, keys.

import * as z from 'zod';
import type { KeyRule, SecretTerms } from '../domain/profile.ts';
import { defined } from './defined.ts';
import { duration } from './scalars.ts';

const KEY_TYPES: readonly KeyRule['type'][] = [
  'ec-p256',
  'ec-p384',
  'ed25519',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
];

/** A start is refused whose secret could not be taken back. */
export const requirement = z.literal('revocable', { error: 'must be revocable, or left out' }).optional();

const keyRule = z.strictObject({
  type: z.enum(KEY_TYPES, { error: `must be one of ${KEY_TYPES.join(', ')}` }),
  as: z.enum(['csr', 'ssh'], {
    error: 'must be csr (PKI signs a certificate request) or ssh (SSH signs a public key)',
  }),
});

export const secretTerms = {
  ttl_field: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'must be the name of a field of the request, such as ttl')
    .optional(),
  version: z.number().int().min(1, 'must be a version of the secret: 1 or more').optional(),
  period: duration(1000, 3_600_000).optional(),
  require: requirement,
  revoke: z
    .enum(['serial', 'none'], { error: 'must be serial or none; left out, the lease is revoked' })
    .optional(),
  key: keyRule.optional(),
};

type Terms = z.infer<z.ZodObject<typeof secretTerms>>;

export const toSecretTerms = (rule: Terms): SecretTerms =>
  defined({
    ttlField: rule.ttl_field,
    version: rule.version,
    periodMs: rule.period,
    require: rule.require,
    revoke: rule.revoke,
    key: rule.key,
  });
