// Owns the one field of an OpenSSH certificate that matters here, its end (OpenSSH's PROTOCOL.certkeys).

import { SshReader } from './ssh-wire.ts';

/** Fields of the public key between the nonce and the serial, by type. */
const KEY_FIELDS: Readonly<Record<string, number>> = {
  'ssh-ed25519-cert-v01@openssh.com': 1,
  'ssh-rsa-cert-v01@openssh.com': 2,
  'rsa-sha2-256-cert-v01@openssh.com': 2,
  'rsa-sha2-512-cert-v01@openssh.com': 2,
  'ecdsa-sha2-nistp256-cert-v01@openssh.com': 2,
  'ecdsa-sha2-nistp384-cert-v01@openssh.com': 2,
  'ecdsa-sha2-nistp521-cert-v01@openssh.com': 2,
  'sk-ssh-ed25519-cert-v01@openssh.com': 2,
  'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com': 3,
};

/** Unix seconds; null for one without an end, and for what is no certificate. */
export function validBefore(line: string): number | null {
  const [type = '', base64 = ''] = line.trim().split(/\s+/);
  const fields = KEY_FIELDS[type];
  if (fields === undefined) return null;
  try {
    const reader = new SshReader(Buffer.from(base64, 'base64'));
    // Its type again, the nonce, the key.
    for (let n = 0; n < 2 + fields; n += 1) reader.string();
    reader.uint64(); // serial
    reader.take(4); // user or host
    reader.string(); // key id
    reader.string(); // principals
    reader.uint64(); // valid after
    const end = reader.uint64();
    return end >= 0xffffffffffffffffn ? null : Number(end);
  } catch {
    return null;
  }
}
