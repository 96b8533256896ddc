// Owns an orchestrator that signs assertions: keys of every kind, and JWTs good and bad. Invariant: what is bad about a
// token is what its caller asked for, and nothing else.

import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export const ISSUER = 'https://ci.example';
export const AUDIENCE = 'tasklease';

export interface SigningKey {
  readonly alg: string;
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

export function signingKey(alg: string, kid = `key-${alg}`, modulusLength = 2048): SigningKey {
  if (/^(?:RS|PS)/.test(alg)) return { alg, kid, ...generateKeyPairSync('rsa', { modulusLength }) };
  const curve = CURVES[alg];
  if (curve === undefined) return { alg, kid, ...generateKeyPairSync('ed25519') };
  return { alg, kid, ...generateKeyPairSync('ec', { namedCurve: curve }) };
}

export const pem = ({ publicKey }: SigningKey): string =>
  publicKey.export({ type: 'spki', format: 'pem' }) as string;

export const jwk = ({ publicKey, kid, alg }: SigningKey): Record<string, unknown> => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
  alg,
  use: 'sig',
});

export const base64url = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const signature = ({ alg, privateKey }: SigningKey, head: string): Buffer => {
  const data = Buffer.from(head);
  if (alg === 'EdDSA' || alg === 'Ed25519') return sign(null, data, privateKey);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('ES')) return sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  // 6: RSA_PKCS1_PSS_PADDING, with a salt as long as the hash (RFC 7518 §3.5).
  return alg.startsWith('PS')
    ? sign(hash, data, { key: privateKey, padding: 6, saltLength: Number(alg.slice(2)) / 8 })
    : sign(hash, data, privateKey);
};

/** Signs these texts as they are. */
export function compact(key: SigningKey, header: unknown, payload: unknown): string {
  const head = `${base64url(header)}.${base64url(payload)}`;
  return `${head}.${signature(key, head).toString('base64url')}`;
}

/** As `compact`, with a MAC: what an attacker can make who knows nothing but the public key. */
export function maced(secret: string | Buffer, header: unknown, payload: unknown): string {
  const head = `${base64url(header)}.${base64url(payload)}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

export const headerOf = ({ alg, kid }: SigningKey): Record<string, unknown> => ({ alg, kid, typ: 'JWT' });

export const seconds = (wallMs: number): number => Math.floor(wallMs / 1000);

/** Claims of one CI job, good for five minutes. */
export const jobClaims = (changes: Readonly<Record<string, unknown>> = {}, wallMs = Date.now()) => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'repo:acme/shop:ref:refs/heads/main',
  jti: crypto.randomUUID(),
  iat: seconds(wallMs),
  nbf: seconds(wallMs) - 5,
  exp: seconds(wallMs) + 300,
  repository: 'acme/shop',
  ref: 'refs/heads/main',
  ...changes,
});

export const assertionOf = (key: SigningKey, changes: Readonly<Record<string, unknown>> = {}): string =>
  compact(key, headerOf(key), jobClaims(changes));
