// Owns the one request that issues a secret and the reading of its reply. Invariant: a lease that does
// not belong to the path that was asked is refused, and its token's revocation takes it.

import { Problem } from '../../domain/problem.ts';
import type { Secret } from '../../domain/secret.ts';
import { type IssuedSecret, type Vault, VaultFailure } from '../../ports/vault.ts';
import { secretReply } from '../../schema/vault-reply.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';

/** Reads or writes one path with the task's token; what comes back must belong to that path. */
export async function readSecret(
  requests: Requests,
  token: Secret,
  ask: Parameters<Vault['readSecret']>[1],
): Promise<IssuedSecret> {
  const method = ask.method === 'write' ? 'POST' : 'GET';
  const reply = await requests.issue(
    method,
    ask.path,
    token,
    URGENCY.start,
    method === 'POST' ? (ask.body ?? {}) : undefined,
  );
  const parsed = secretReply.safeParse(reply);
  if (!parsed.success) {
    // A lease may hang under the token whose id cannot be read here: the token's revocation takes it.
    const problem = new Problem('VAULT_CONTRACT', `${method} ${ask.path}: the reply holds no secret`, {
      hint: 'check that the path of the profile issues or stores a secret',
    });
    throw new VaultFailure('unknown', problem);
  }
  const { lease_id: leaseId, lease_duration: seconds, renewable, data, mount_type: mount } = parsed.data;
  if (leaseId === '') {
    return { leaseId: null, ttlMs: lifetime(data), renewable: false, data: mount === 'kv' ? kv(data) : data };
  }
  if (!leaseId.startsWith(`${ask.path}/`)) {
    throw new VaultFailure(
      'unknown',
      new Problem('VAULT_CONTRACT', `${method} ${ask.path}: the lease belongs to another path`, {
        hint: 'report it with the version of Vault',
      }),
    );
  }
  return { leaseId, ttlMs: seconds * 1000, renewable, data };
}

/** What a certificate without a lease says of its own end (pki: `expiration`, Unix seconds). */
function lifetime(data: Readonly<Record<string, unknown>>): number | null {
  const { certificate, serial_number: serial, expiration: end } = data;
  const isCertificate = typeof certificate === 'string' && typeof serial === 'string';
  return isCertificate && typeof end === 'number' ? Math.max(0, end * 1000 - Date.now()) : null;
}

/** KV version 2 wraps the secret in data and metadata (api-docs/secret/kv/kv-v2). */
function kv(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const inner = data.data;
  const wrapped = inner !== null && typeof inner === 'object' && 'metadata' in data;
  return wrapped ? { ...(inner as Record<string, unknown>) } : data;
}
