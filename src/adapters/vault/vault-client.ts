// Owns the Vault port on a real server: which request each verb is, and the check of every reply.
// Invariant: a token or secret that is not exactly what was asked for is never used.

import type { Vault } from '../../ports/vault.ts';
import { renewReply } from '../../schema/vault-reply.ts';
import { lookupCertificate, mayRevokeCertificates, revokeCertificate } from './certificates.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import { type AuthOptions, loginWith } from './login.ts';
import { namingDenials } from './own-denials.ts';
import { openRequests } from './requests.ts';
import { rightsByAccessor } from './rights.ts';
import { readSecret } from './secrets.ts';
import { loginTask, renewToken } from './task-login.ts';
import { openSession, tokenMaker, tokenReply } from './tokens.ts';
import { openTransport, type TransportOptions } from './transport.ts';
import { claimUse } from './uses.ts';

export interface VaultOptions extends TransportOptions {
  readonly namespace?: string;
  readonly auth: AuthOptions;
  readonly sessionRole: string;
  readonly tokenRole: string;
  /** A KV version 2 mount of tasklease's own: which assertions were presented. */
  readonly usesMount?: string;
  readonly leashMs: number;
  readonly secretPaths?: () => readonly string[];
  readonly allowBroadSession?: boolean;
}

export function connectVault(options: VaultOptions): Vault & { look(): boolean; close(): Promise<void> } {
  const transport = openTransport(options);
  const requests = openRequests({
    ...options,
    transport,
    sessionTimeoutMs: Math.min(options.timeoutMs, options.leashMs / 3),
  });
  const login = loginWith(options.auth, requests);
  const usesMount = options.usesMount ?? 'tasklease-uses';
  const own = namingDenials(requests, (path) =>
    path.startsWith(`${usesMount}/data/`) ? `${usesMount}/data/+` : path,
  );
  return {
    openSession: () => openSession(own, login, options),
    async renewSession(session) {
      const line = { method: 'POST', path: 'auth/token/renew-self' };
      const reply = await own.call('POST', line.path, session, URGENCY.session, {});
      return tokenReply(line, reply).lease_duration * 1000;
    },
    async closeSession(session) {
      await own.call('POST', 'auth/token/revoke-self', session, URGENCY.session, {});
    },
    createToken: tokenMaker(own, options.tokenRole),
    readSecret: (token, ask) => readSecret(requests, token, ask),
    lookupLease: (session, leaseId) =>
      own.find('sys/leases/lookup', session, URGENCY.revoke, { lease_id: leaseId }),
    async renewLease(session, leaseId, increment) {
      const line = { method: 'POST', path: 'sys/leases/renew' };
      const reply = await own.call('POST', line.path, session, URGENCY.renew, {
        lease_id: leaseId,
        increment,
      });
      const parsed = renewReply.safeParse(reply);
      if (!parsed.success || parsed.data.lease_id !== leaseId) {
        throw brokenContract(
          line,
          'the reply is not about that lease',
          'report it with the version of Vault',
        );
      }
      return { ttlMs: parsed.data.lease_duration * 1000, renewable: parsed.data.renewable };
    },
    claimUse: (session, use, record) => claimUse(own, usesMount, session, use, record),
    login: (request) => loginTask(requests, request),
    renewToken: (session, accessor, increment) => renewToken(own, session, accessor, increment),
    async revokeLease(session, leaseId) {
      // In the body, with sync: without it the answer means "queued" and says nothing about the engine.
      // Revoking what Vault does not know is a success.
      await own.find('sys/leases/revoke', session, URGENCY.revoke, { lease_id: leaseId, sync: true });
    },
    lookupCertificate: (certificate) => lookupCertificate(requests, certificate),
    revokeCertificate: (session, certificate) => revokeCertificate(own, session, certificate),
    mayRevokeCertificates: (session, mount) => mayRevokeCertificates(own, session, mount),
    async revokeToken(session, accessor) {
      await own.find('auth/token/revoke-accessor', session, URGENCY.revoke, { accessor });
    },
    lookupToken: (session, accessor) =>
      own.find('auth/token/lookup-accessor', session, URGENCY.revoke, { accessor }),
    async rightsOf(session, accessor, path) {
      const rights = await rightsByAccessor(requests, session, accessor, [path]);
      return rights?.[path] ?? null;
    },
    look: () => transport.look(),
    close: async () => transport.close(),
  };
}
