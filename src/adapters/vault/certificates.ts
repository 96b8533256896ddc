// Owns the end of certificates that have no lease: by their serial, at the mount that issued them
// (developer.hashicorp.com/vault/api-docs/secret/pki). Invariant: ended is what the mount
// itself dates as revoked, or what has expired.

import { X509Certificate } from 'node:crypto';
import type { Certificate } from '../../domain/certificate.ts';
import type { Secret } from '../../domain/secret.ts';
import { certificateReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';
import { toldOfItself } from './rights.ts';

/** Needs no token: certificates are public. */
export async function lookupCertificate(
  requests: Requests,
  { mount, serial }: Certificate,
): Promise<'valid' | 'ended' | 'unknown'> {
  const path = `${mount}/cert/${serial}`;
  const reply = await requests.look(path, URGENCY.revoke);
  if (reply === null) return 'unknown';
  const parsed = certificateReply.safeParse(reply);
  if (!parsed.success) {
    throw brokenContract({ method: 'GET', path }, 'the reply is no certificate', 'is it a PKI mount?');
  }
  const { certificate, revocation_time: revokedAt } = parsed.data.data;
  // Vault does not put what has expired on its list any more.
  const isOver = () => new X509Certificate(certificate).validToDate.getTime() <= Date.now();
  return revokedAt > 0 || isOver() ? 'ended' : 'valid';
}

export async function revokeCertificate(
  requests: Requests,
  session: Secret,
  { mount, serial }: Certificate,
): Promise<void> {
  await requests.call('POST', `${mount}/revoke`, session, URGENCY.revoke, { serial_number: serial });
}

export async function mayRevokeCertificates(
  requests: Requests,
  session: Secret,
  mount: string,
): Promise<boolean> {
  const path = `${mount}/revoke`;
  const rights = await toldOfItself(requests, session, URGENCY.start, [path]);
  return rights[path]?.some((right) => right === 'update' || right === 'root') ?? false;
}
