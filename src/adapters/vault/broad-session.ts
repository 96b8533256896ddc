// Owns the question whether the agent's session could do more than it needs: be root, or come to the secrets of the
// profiles by itself. Invariant: Vault is asked what the token may do (sys/capabilities-self); no secret is read for it.

import type { Secret } from '../../domain/secret.ts';
import type { Requests } from './requests.ts';
import { ownRights } from './rights.ts';

const BROAD: ReadonlySet<string> = new Set(['root', 'read', 'create', 'update']);

/** What is too much about it, in words; null when nothing is, or its policy does not let it ask. */
export async function breadthOf(
  session: { readonly token: Secret; readonly policies: readonly string[] },
  secretPaths: readonly string[],
  requests: Requests,
): Promise<string | null> {
  if (session.policies.includes('root')) return 'is root';
  if (secretPaths.length === 0) return null;
  const paths = [...new Set(secretPaths)];
  const rights = await ownRights(requests, session.token, paths);
  const path = paths.find((each) => rights?.[each]?.some((capability) => BROAD.has(capability)));
  return path === undefined ? null : `may ${rights![path]!.join(' and ')} ${path} by itself`;
}
