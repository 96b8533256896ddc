// Owns the verification of the ledger's signatures (jose). Invariant: EdDSA alone, by the one key that was named, and of the
// kind that is asked for.

import { hash } from 'node:crypto';
import { compactVerify, importJWK } from 'jose';
import type { PublicKey } from '../../domain/record.ts';
import { thumbprint } from './signer.ts';

const keys = new Map<string, Awaited<ReturnType<typeof importJWK>>>();

/** The payload; null when this key did not make it, or as something else. */
export async function verifyJws(jws: string, key: PublicKey, typ: string): Promise<unknown> {
  try {
    if (thumbprint(key.x) !== key.kid) return null;
    const known = keys.get(key.x) ?? (await importJWK({ kty: 'OKP', crv: 'Ed25519', x: key.x }, 'EdDSA'));
    keys.set(key.x, known);
    const { payload, protectedHeader } = await compactVerify(jws, known, { algorithms: ['EdDSA'] });
    if (protectedHeader.typ !== typ) return null;
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null;
  }
}

export const sha256 = (text: string): string => hash('sha256', text);
