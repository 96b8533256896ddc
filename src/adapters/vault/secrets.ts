// Owns the one request that issues a secret and the reading of its reply. Invariant: a lease that does
// not belong to the path that was asked is refused, and its token's revocation takes it.

import type { TimedAsk } from '../../domain/ask.ts';
import { certificateId, certificateMount } from '../../domain/certificate.ts';
import { Problem } from '../../domain/problem.ts';
import type { Secret } from '../../domain/secret.ts';
import { type IssuedSecret, VaultFailure } from '../../ports/vault.ts';
import { secretReply } from '../../schema/vault-reply.ts';
import { lookupCertificate } from './certificates.ts';
import { URGENCY } from './gate.ts';
import { lifetime } from './lifetime.ts';
import { madeKey } from './made-key.ts';
import type { Requests } from './requests.ts';

/** Vault looks for what it has to rotate every 5 s: one that is due is waited for a little longer than that. */
const DUE_MS = 6000;
const DUE_PAUSE_MS = 500;

/** Reads or writes one path with the task's token; what comes back must belong to that path. */
export async function readSecret(requests: Requests, token: Secret, ask: TimedAsk): Promise<IssuedSecret> {
  const giveUpAt = performance.now() + DUE_MS;
  for (;;) {
    const issued = await readOnce(requests, token, ask);
    if (ask.fresh !== true || issued.follows !== true || issued.ttlMs! > 0) return issued;
    if (performance.now() >= giveUpAt) throw notRotated(ask);
    await new Promise((resolve) => setTimeout(resolve, DUE_PAUSE_MS));
  }
}

async function readOnce(requests: Requests, token: Secret, ask: TimedAsk): Promise<IssuedSecret> {
  const method = ask.method === 'write' ? 'POST' : 'GET';
  const made = ask.key === undefined ? null : await madeKey(ask.key, ask.body ?? {});
  const body = method === 'POST' ? { ...ask.body, ...made?.asked } : undefined;
  const reply = await requests.issue(method, ask.path, token, URGENCY.start, body, ask.query);
  const parsed = secretReply.safeParse(reply);
  if (!parsed.success) {
    // A lease may hang under the token whose id cannot be read here: the token's revocation takes it.
    throw broken('unknown', ask, 'the reply holds no secret', 'issues or stores a secret');
  }
  const { lease_id: leaseId, lease_duration: seconds, renewable, mount_type: mount } = parsed.data;
  const data = { ...(mount === 'kv' ? kv(parsed.data.data, ask) : parsed.data.data), ...made?.kept };
  if (leaseId === '') {
    return {
      ...lifetime(data, mount, ask),
      leaseId: await bySerial(requests, data, ask),
      renewable: false,
      data,
    };
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

/** KV version 2 wraps the secret in data and metadata (api-docs/secret/kv/kv-v2). */
function kv(data: Readonly<Record<string, unknown>>, ask: TimedAsk): Readonly<Record<string, unknown>> {
  const { data: inner, metadata } = data;
  const wrapped =
    inner !== null && typeof inner === 'object' && metadata !== null && typeof metadata === 'object';
  if (
    ask.version !== undefined &&
    (!wrapped || (metadata as Record<string, unknown>).version !== ask.version)
  ) {
    const what = wrapped ? 'another version came back' : 'the mount is KV version 1, which has no versions';
    throw broken('refused', ask, what, `is KV version 2 and has version ${ask.version}`);
  }
  return wrapped ? { ...(inner as Record<string, unknown>) } : data;
}

/** What its revocation goes by: null where the ask does not want that, or the mount does not keep the certificate. */
async function bySerial(
  requests: Requests,
  data: Readonly<Record<string, unknown>>,
  ask: TimedAsk,
): Promise<string | null> {
  const mount = certificateMount(ask.path);
  const { serial_number: serial } = data;
  if (ask.revoke !== 'serial' || mount === null || typeof serial !== 'string') return null;
  const certificate = { mount, serial };
  // It is there already: whatever comes in between, it must be told and revoked.
  const found = await lookupCertificate(requests, certificate).catch(() => 'valid' as const);
  return found === 'unknown' ? null : certificateId(certificate);
}

const broken = (kind: 'unknown' | 'refused', { method, path }: TimedAsk, what: string, should: string) =>
  new VaultFailure(
    kind,
    new Problem('VAULT_CONTRACT', `${method} ${path}: ${what}`, {
      hint: `check that the path of the profile ${should}`,
    }),
  );

const notRotated = ({ path }: TimedAsk): VaultFailure =>
  new VaultFailure(
    'later',
    new Problem('VAULT_UNREACHABLE', `${path} is due, and Vault has not rotated it`, {
      hint: 'look at the log of Vault: its engine may not reach what it manages',
    }),
  );
