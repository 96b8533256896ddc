// Owns the question whether the agent's session could do more than it needs: be root, or come to the secrets of the
// profiles by itself. Invariant: Vault is asked what the token may do (sys/capabilities-self); no secret is read for it.

import type { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { capabilitiesReply } from '../../schema/vault-reply.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';

const BROAD: ReadonlySet<string> = new Set(['root', 'read', 'create', 'update']);

/** What is too much about it, in words; null when nothing is, or its policy does not let it ask. */
export async function breadthOf(
  session: { readonly token: Secret; readonly policies: readonly string[] },
  secretPaths: readonly string[],
  requests: Requests,
): Promise<string | null> {
  if (session.policies.includes('root')) return 'is root';
  if (secretPaths.length === 0) return null;
  const body = { paths: [...new Set(secretPaths)] };
  let reply: unknown;
  try {
    reply = await requests.call('POST', 'sys/capabilities-self', session.token, URGENCY.session, body);
  } catch (error) {
    if (error instanceof VaultFailure && error.forbidden) return null;
    throw error;
  }
  const { data } = capabilitiesReply.parse(reply);
  const path = body.paths.find((each) => data[each]?.some((capability) => BROAD.has(capability)));
  return path === undefined ? null : `may ${data[path]!.join(' and ')} ${path} by itself`;
}
