// Owns OpenSSH's forms of a key pair: the one line of the public key, and the private key as ssh reads every type
// (OpenSSH's PROTOCOL.key, without a passphrase: it lies on tmpfs for as long as its task).

import { type JsonWebKey, type KeyObject, randomBytes } from 'node:crypto';
import { mpint, string, uint32 } from './ssh-wire.ts';

const CURVES: Readonly<Record<string, string>> = { 'P-256': 'nistp256', 'P-384': 'nistp384' };

/** `ssh-ed25519 AAAA…` */
export function opensshPublicKey(key: KeyObject): string {
  const { type, blob } = publicOf(key.export({ format: 'jwk' }));
  return `${type} ${blob.toString('base64')}`;
}

export function opensshPrivateKey(key: KeyObject): string {
  const jwk = key.export({ format: 'jwk' });
  const { type, blob } = publicOf(jwk);
  const check = randomBytes(4);
  const parts = [check, check, string(type), ...privateOf(jwk), string('')];
  // Padded to whole blocks with 1, 2, 3 …
  const left = 8 - (parts.reduce((sum, { length }) => sum + length, 0) % 8);
  if (left < 8) parts.push(Buffer.from(Array.from({ length: left }, (_, n) => n + 1)));
  const secret = Buffer.concat(parts);
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    uint32(1),
    string(blob),
    string(secret),
  ]);
  const lines = whole.toString('base64').replace(/(.{70})(?=.)/g, '$1\n');
  for (const bytes of [...parts, secret, whole]) bytes.fill(0);
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----`;
}

function publicOf(jwk: JsonWebKey): { type: string; blob: Buffer } {
  switch (jwk.kty) {
    case 'OKP': {
      const type = 'ssh-ed25519';
      return { type, blob: Buffer.concat([string(type), string(bytes(jwk.x))]) };
    }
    case 'EC': {
      const curve = CURVES[jwk.crv!]!;
      const type = `ecdsa-sha2-${curve}`;
      return { type, blob: Buffer.concat([string(type), string(curve), string(point(jwk))]) };
    }
    default: {
      const type = 'ssh-rsa';
      return { type, blob: Buffer.concat([string(type), mpint(bytes(jwk.e)), mpint(bytes(jwk.n))]) };
    }
  }
}

function privateOf(jwk: JsonWebKey): Buffer[] {
  switch (jwk.kty) {
    case 'OKP': {
      const open = bytes(jwk.x);
      return [string(open), string(Buffer.concat([bytes(jwk.d), open]))];
    }
    case 'EC':
      return [string(CURVES[jwk.crv!]!), string(point(jwk)), mpint(bytes(jwk.d))];
    default:
      return [jwk.n, jwk.e, jwk.d, jwk.qi, jwk.p, jwk.q].map((number) => mpint(bytes(number)));
  }
}

const point = ({ x, y }: JsonWebKey): Buffer => Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]);
const bytes = (base64url: string | undefined): Buffer => Buffer.from(base64url!, 'base64url');
