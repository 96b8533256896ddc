// Owns the book of presented assertions that a fleet of agents shares: one entry of a KV version 2 mount each, written
// with cas=0 (developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret). Invariant: the entry that is
// there first stays; nothing of the assertion is in it.

import { createHash } from 'node:crypto';
import type { Secret } from '../../domain/secret.ts';
import { type UseRecord, VaultFailure } from '../../ports/vault.ts';
import { useReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';

export async function claimUse(
  requests: Requests,
  mount: string,
  session: Secret,
  use: string,
  record: UseRecord,
): Promise<boolean> {
  const path = `${mount}/data/${createHash('sha256').update(use).digest('hex')}`;
  try {
    await requests.call('POST', path, session, URGENCY.start, { options: { cas: 0 }, data: record });
    return true;
  } catch (error) {
    // One that is there already; also our own, whose answer was lost.
    if (!(error instanceof VaultFailure) || !/check-and-set/.test(error.problem.message)) throw error;
  }
  const reply = useReply.safeParse(await requests.call('GET', path, session, URGENCY.start));
  if (!reply.success) {
    throw brokenContract(
      { method: 'GET', path },
      'what is there was not written by tasklease',
      `give tasklease a KV version 2 mount of its own (vault.uses_mount, now ${mount})`,
    );
  }
  const there = reply.data.data.data;
  return there.agent === record.agent && there.task === record.task && there.digest === record.digest;
}
