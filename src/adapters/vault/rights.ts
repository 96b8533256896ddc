// Owns the questions what a token may do. Invariant: asking needs no secret and makes nothing; a session that may not
// ask is told from a token that may do nothing.

import type { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { capabilitiesReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY, type Urgency } from './gate.ts';
import type { Requests } from './requests.ts';

/** Vault's words by path, such as `read`, or `deny` for nothing at all. */
export type Rights = Readonly<Record<string, readonly string[]>>;

/**
 * Of another token (developer.hashicorp.com/vault/api-docs/system/capabilities-accessor); null where the asker may not
 * ask. @throws VaultFailure with `missing` for a token that Vault does not know
 */
export const rightsByAccessor = (
  requests: Requests,
  asker: Secret,
  accessor: string,
  paths: readonly string[],
): Promise<Rights | null> =>
  unlessForbidden(told(requests, 'sys/capabilities-accessor', asker, URGENCY.start, { accessor, paths }));

/** Of the asker itself (developer.hashicorp.com/vault/api-docs/system/capabilities-self). */
export const ownRights = (
  requests: Requests,
  token: Secret,
  paths: readonly string[],
): Promise<Rights | null> => unlessForbidden(toldOfItself(requests, token, URGENCY.session, paths));

/** As ownRights, for who cannot go on without an answer. @throws VaultFailure also where the asker may not ask */
export const toldOfItself = (
  requests: Requests,
  token: Secret,
  urgency: Urgency,
  paths: readonly string[],
): Promise<Rights> => told(requests, 'sys/capabilities-self', token, urgency, { paths });

async function told(
  requests: Requests,
  path: string,
  token: Secret,
  urgency: Urgency,
  body: unknown,
): Promise<Rights> {
  const reply = capabilitiesReply.safeParse(await requests.call('POST', path, token, urgency, body));
  if (reply.success) return reply.data.data;
  throw brokenContract(
    { method: 'POST', path },
    'the reply says nothing',
    'report it with the version of Vault',
  );
}

async function unlessForbidden(asked: Promise<Rights>): Promise<Rights | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof VaultFailure && error.forbidden && !error.missing) return null;
    throw error;
  }
}
