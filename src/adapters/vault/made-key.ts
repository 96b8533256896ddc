// Owns key pairs that are made here: the public half goes into the request, the private half into the secret's fields.
// Invariant: the private key is in no request, and nowhere but in memory until its file on tmpfs is written.

import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyRule } from '../../domain/profile.ts';
import { certificateRequest } from './certificate-request.ts';
import { opensshPrivateKey, opensshPublicKey } from './openssh-key.ts';

const generate = promisify(generateKeyPair) as (
  type: string,
  options: object,
) => Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }>;

export interface MadeKey {
  /** For the request. */
  readonly asked: Readonly<Record<string, unknown>>;
  /** For the files, under the names that Vault has for keys of its own making. */
  readonly kept: Readonly<Record<string, unknown>>;
}

export async function madeKey(rule: KeyRule, body: Readonly<Record<string, unknown>>): Promise<MadeKey> {
  const { publicKey, privateKey } = await pair(rule.type);
  const kind = rule.type.split('-')[0]!;
  if (rule.as === 'ssh') {
    return {
      asked: { public_key: opensshPublicKey(publicKey) },
      kept: { private_key: opensshPrivateKey(privateKey), private_key_type: kind },
    };
  }
  return {
    asked: { csr: certificateRequest(privateKey, publicKey, body) },
    kept: {
      private_key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })).trimEnd(),
      private_key_type: kind,
    },
  };
}

function pair(type: KeyRule['type']): ReturnType<typeof generate> {
  switch (type) {
    case 'ec-p256':
      return generate('ec', { namedCurve: 'prime256v1' });
    case 'ec-p384':
      return generate('ec', { namedCurve: 'secp384r1' });
    case 'ed25519':
      return generate('ed25519', {});
    default:
      return generate('rsa', { modulusLength: Number(type.slice('rsa-'.length)) });
  }
}
