// Owns what of a JWK Set (RFC 7517 §5) is taken, and which of its keys an assertion may be signed with. Invariant:
// public keys only; one key or none for a header, never a guess among several.

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { JSONWebKeySet, JWK } from 'jose';

const MAX_KEYS = 100;

/** @throws Error that says in a few words what is wrong */
export function keySet(value: unknown): JSONWebKeySet {
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new Error('it gave no JWK Set');
  if (keys.length > MAX_KEYS) throw new Error(`it gave more than ${MAX_KEYS} keys`);
  // A set may hold keys of kinds that nobody here knows (RFC 7517 §5): they are no reason to do without the others.
  return { keys: keys.filter(isPublic) };
}

function isPublic(key: unknown): key is JWK {
  if (key === null || typeof key !== 'object') return false;
  const { kty, d, kid } = key as Record<string, unknown>;
  if (d !== undefined || (kid !== undefined && typeof kid !== 'string')) return false;
  return kty === 'RSA' || kty === 'EC' || kty === 'OKP';
}

export interface Header {
  readonly alg: string;
  readonly kid?: string;
}

/** The key for this header; null when there is none, or more than one. */
export function keyFor({ keys }: JSONWebKeySet, { alg, kid }: Header): KeyObject | null {
  const fitting = keys.filter(
    (key) => (kid === undefined || key.kid === kid) && fits(key, alg) && meantForSignatures(key, alg),
  );
  if (fitting.length !== 1) return null;
  try {
    return createPublicKey({ key: fitting[0] as JsonWebKey, format: 'jwk' });
  } catch {
    return null;
  }
}

const CURVES: Readonly<Record<string, readonly string[]>> = {
  ES256: ['P-256'],
  ES384: ['P-384'],
  ES512: ['P-521'],
  EdDSA: ['Ed25519'],
  Ed25519: ['Ed25519'],
};

/** RFC 7518 §3.1 and RFC 8037: which kind of key an algorithm is for. */
function fits({ kty, crv }: JWK, alg: string): boolean {
  if (/^(?:RS|PS)/.test(alg)) return kty === 'RSA';
  const wanted = alg.startsWith('ES') ? 'EC' : 'OKP';
  return kty === wanted && CURVES[alg]?.includes(crv ?? '') === true;
}

const meantForSignatures = (key: JWK, alg: string): boolean =>
  (key.alg === undefined || key.alg === alg) &&
  (key.use === undefined || key.use === 'sig') &&
  (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify')));
