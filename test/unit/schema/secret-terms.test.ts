// Owns what a profile may say of an engine's own ways, what it becomes, and what contradicts itself.

import { describe, expect, test } from 'vitest';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';
import { FILES, faultOf, MINIMAL, SECRET, secret } from './profile-samples.ts';

const pki = (change: Record<string, unknown>) => secret({ path: 'pki/sign/app', method: 'write', ...change });

test.each<[string, unknown, string]>([
  [
    'a TTL field that is none',
    secret({ ttl_field: 'a b' }),
    'secrets.db.ttl_field must be the name of a field',
  ],
  [
    'a TTL field that the body has too',
    pki({ ttl_field: 'ttl', body: { ttl: '1h' } }),
    'secrets.db.ttl_field is given in the body too',
  ],
  ['version 0', secret({ version: 0 }), 'secrets.db.version must be a version of the secret'],
  ['a version of what is written', pki({ version: 1 }), 'secrets.db.version needs method: read'],
  ['another requirement', secret({ require: 'lease' }), 'secrets.db.require must be revocable, or left out'],
  ['another revocation', secret({ revoke: 'lease' }), 'secrets.db.revoke must be serial or none'],
  [
    'a serial of what is no certificate',
    secret({ revoke: 'serial' }),
    'secrets.db.revoke serial is for certificates',
  ],
  [
    'revocable and not',
    secret({ require: 'revocable', revoke: 'none' }),
    'secrets.db.require contradicts revoke: none',
  ],
  [
    'revocable as a whole, and not in one',
    { ...secret({ revoke: 'none' }), require: 'revocable' },
    "secrets.db.revoke contradicts the profile's require: revocable",
  ],
  [
    'a key of a weak type',
    pki({ key: { type: 'rsa-1024', as: 'csr' } }),
    'secrets.db.key.type must be one of ec-p256',
  ],
  ['a key for nothing', pki({ key: { type: 'ed25519' } }), 'secrets.db.key.as must be csr'],
  [
    'a key for what is read',
    secret({ key: { type: 'ed25519', as: 'csr' } }),
    'secrets.db.key needs method: write',
  ],
  [
    'a key beside a request of the author',
    pki({ key: { type: 'ed25519', as: 'csr' }, body: { csr: 'x' } }),
    'secrets.db.key fills csr, which is given in the body too',
  ],
  ['a period of nothing', secret({ period: '0s' }), 'secrets.db.period must be between 1s and 1h'],
])('%s is refused', (_what, value, sentence) => {
  expect(faultOf(value)).toContain(sentence);
});

describe('what is said', () => {
  const rulesOf = (value: unknown) => toProfile(profileFile.parse(value)).secrets;

  test('becomes the rule of the secret', () => {
    const key = { type: 'ec-p256', as: 'csr' };
    expect(rulesOf(pki({ ttl_field: 'ttl', revoke: 'serial', require: 'revocable', key }))[0]).toMatchObject({
      ttlField: 'ttl',
      revoke: 'serial',
      require: 'revocable',
      key,
    });
    expect(rulesOf(secret({ version: 3, period: '30s' }))[0]).toMatchObject({ version: 3, periodMs: 30_000 });
  });

  test('for the whole profile holds for each secret', () => {
    const more = { path: 'database/creds/other', files: { 'other.json': FILES['db.json'] } };
    const rules = rulesOf({ ...MINIMAL, require: 'revocable', secrets: { db: SECRET, more } });
    expect(rules.map(({ require }) => require)).toEqual(['revocable', 'revocable']);
  });

  test('not at all leaves nothing behind: journals of earlier agents read the same', () => {
    expect(Object.keys(rulesOf(MINIMAL)[0]!).toSorted()).toEqual(['files', 'method', 'name', 'path']);
  });
});
