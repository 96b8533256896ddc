// Owns the making of signatures: compact JWS (RFC 7515) with EdDSA (RFC 8037). Invariant: what is signed says by its `typ`
// what it is, so that no head can pass for a receipt. They are made here and now, by node:crypto: jose's answer comes
// later, and a receipt has to be part of the transaction that closes its grant. jose verifies them (jws.ts).

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { PublicKey } from '../../domain/record.ts';

export type Signed = 'tasklease-head' | 'tasklease-receipt' | 'tasklease-key' | 'tasklease-export';

export interface Signer {
  readonly key: PublicKey;
  sign(typ: Signed, payload: object): string;
}

/** @param pem a private Ed25519 key (PKCS #8). @throws Error for any other */
export function openSigner(pem: string | Buffer): Signer {
  const secret = createPrivateKey(pem);
  if (secret.asymmetricKeyType !== 'ed25519') throw new Error('it is no Ed25519 key');
  const key = publicKey(createPublicKey(secret));
  const headers = new Map<Signed, string>();
  const header = (typ: Signed): string => {
    const made = headers.get(typ) ?? base64url(JSON.stringify({ alg: 'EdDSA', typ, kid: key.kid }));
    headers.set(typ, made);
    return made;
  };
  return {
    key,
    sign(typ, payload) {
      const input = `${header(typ)}.${base64url(JSON.stringify(payload))}`;
      return `${input}.${sign(null, Buffer.from(input), secret).toString('base64url')}`;
    },
  };
}

function publicKey(object: KeyObject): PublicKey {
  const { x } = object.export({ format: 'jwk' }) as { x: string };
  return { kty: 'OKP', crv: 'Ed25519', x, kid: thumbprint(x) };
}

/** RFC 7638: the required members in lexical order. */
export const thumbprint = (x: string): string =>
  createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');

const base64url = (text: string): string => Buffer.from(text).toString('base64url');
