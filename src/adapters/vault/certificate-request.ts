// Owns the making of a certificate request (PKCS #10, RFC 2986) with the names that the profile's request has. Vault's
// roles take names from the certificate request first (use_csr_common_name, use_csr_sans), so they are in both.

import { type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bitString, context, der, integer, NULL, octets, oid, sequence, set } from './der.ts';

const COMMON_NAME = oid('2.5.4.3');
const SUBJECT_ALT_NAME = oid('2.5.29.17');
const EXTENSION_REQUEST = oid('1.2.840.113549.1.9.14');
const SHA256_RSA = sequence(oid('1.2.840.113549.1.1.11'), NULL);
const SHA256_ECDSA = sequence(oid('1.2.840.10045.4.3.2'));
const SHA384_ECDSA = sequence(oid('1.2.840.10045.4.3.3'));
const ED25519 = sequence(oid('1.3.101.112'));

/** PEM. The names are those of pki/sign's body: `common_name`, `alt_names`, `ip_sans`, `uri_sans`. */
export function certificateRequest(
  privateKey: KeyObject,
  publicKey: KeyObject,
  body: Readonly<Record<string, unknown>>,
): string {
  const commonName = typeof body.common_name === 'string' ? body.common_name : '';
  const subject =
    commonName === '' ? sequence() : sequence(set(sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
  const names = altNames(commonName, body);
  const extension = sequence(SUBJECT_ALT_NAME, octets(sequence(...names)));
  const attributes = names.length === 0 ? [] : [sequence(EXTENSION_REQUEST, set(sequence(extension)))];
  const info = sequence(
    integer(0),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    context(0, Buffer.concat(attributes)),
  );
  const { algorithm, digest } = signing(privateKey);
  const whole = sequence(info, algorithm, bitString(sign(digest, info, privateKey)));
  const lines = whole.toString('base64').replace(/(.{64})(?=.)/g, '$1\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----`;
}

function altNames(commonName: string, body: Readonly<Record<string, unknown>>): Buffer[] {
  const listed = list(body.alt_names);
  // As Vault does it for keys of its own making: unless the request says otherwise, the common name is one of them.
  const names = body.exclude_cn_from_sans === true || commonName === '' ? listed : [commonName, ...listed];
  const text = (tag: number, value: string) => der(0x80 | tag, Buffer.from(value, 'latin1'));
  return [
    ...[...new Set(names)].map((name) => text(name.includes('@') ? 1 : 2, name)),
    ...list(body.uri_sans).map((uri) => text(6, uri)),
    ...list(body.ip_sans).map((address) => der(0x87, ipBytes(address))),
  ];
}

/** Vault takes lists as such or with commas. */
const list = (value: unknown): string[] =>
  (Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split(',') : [])
    .map((item) => item.trim())
    .filter((item) => item !== '');

function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const groups = (half: string): number[] =>
    half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16));
  // A URL writes it in its one shortest form, without dots.
  const [head = '', tail] =
    isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1).split('::') : [];
  const [first, last] = [groups(head), groups(tail ?? '')];
  const middle = tail === undefined ? [] : new Array<number>(8 - first.length - last.length).fill(0);
  return Buffer.from([...first, ...middle, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

function signing(key: KeyObject): { algorithm: Buffer; digest: string | null } {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { algorithm: ED25519, digest: null };
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
        ? { algorithm: SHA384_ECDSA, digest: 'sha384' }
        : { algorithm: SHA256_ECDSA, digest: 'sha256' };
    default:
      return { algorithm: SHA256_RSA, digest: 'sha256' };
  }
}
