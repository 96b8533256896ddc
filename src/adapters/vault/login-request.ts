// Owns the one request that every auth method comes to: credentials to the mount's login, a token back.

import { Secret } from '../../domain/secret.ts';
import { authReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';

export interface LoginToken {
  readonly token: Secret;
  /** True when the token was made by this login and should be revoked once the session exists. */
  readonly ours: boolean;
}

export type Login = () => Promise<LoginToken>;

/** @throws VaultFailure also when the answer has no token */
export async function loginAt(
  mount: string,
  credentials: Readonly<Record<string, string>>,
  requests: Requests,
): Promise<LoginToken> {
  const path = `auth/${mount}/login`;
  const reply = await requests.call('POST', path, null, URGENCY.session, credentials);
  const parsed = authReply.safeParse(reply);
  if (!parsed.success) {
    throw brokenContract(
      { method: 'POST', path },
      'the login answered no token',
      'is vault.auth.mount a mount of vault.auth.method?',
    );
  }
  return { token: new Secret(Buffer.from(parsed.data.auth.client_token)), ours: true };
}
