// Owns the login with an AppRole (developer.hashicorp.com/vault/docs/auth/approle). Invariant: a wrapped secret id is
// unwrapped once; a refused login is not repeated until there is a reason, since Vault locks the role after a few.

import { rmSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { brokenContract } from './classify.ts';
import { fingerprint, readCredential, text } from './credential-file.ts';
import { URGENCY } from './gate.ts';
import { type Login, loginAt } from './login-request.ts';
import type { Requests } from './requests.ts';

export interface AppRoleOptions {
  readonly method: 'approle';
  readonly mount: string;
  readonly roleIdFile: string;
  readonly secretIdFile: string;
  readonly secretIdWrapped: boolean;
}

export function approleLogin(auth: AppRoleOptions, requests: Requests): Login {
  // A wrapping token works once: what came out of it must serve later logins of this process.
  let unwrapped: Secret | null = null;
  return patiently(auth, async () => {
    const roleId = readCredential('vault.auth.role_id_file', auth.roleIdFile);
    if (auth.secretIdWrapped && unwrapped === null) unwrapped = await unwrap(auth.secretIdFile, requests);
    const secretId = unwrapped ?? readCredential('vault.auth.secret_id_file', auth.secretIdFile);
    return loginAt(auth.mount, { role_id: text(roleId), secret_id: text(secretId) }, requests);
  });
}

/** Vault's default lockout is five wrong logins in 15 minutes (api-docs/system/auth, user_lockout_config). */
const REFUSED_PAUSE_MS = 240_000;

/** What was refused is refused again: Vault is not asked anew until a file changes or some minutes pass. */
function patiently(auth: AppRoleOptions, login: Login): Login {
  let refusal: { failure: VaultFailure; files: string; until: number } | null = null;
  return async () => {
    const files = fingerprint([auth.roleIdFile, auth.secretIdFile]);
    if (refusal !== null && refusal.files === files && performance.now() < refusal.until)
      throw refusal.failure;
    try {
      refusal = null;
      return await login();
    } catch (failure) {
      if (failure instanceof VaultFailure && failure.kind === 'refused') {
        refusal = { failure, files, until: performance.now() + REFUSED_PAUSE_MS };
      }
      throw failure;
    }
  };
}

/** Unwraps a secret id (developer.hashicorp.com/vault/docs/concepts/response-wrapping) and deletes the file. */
async function unwrap(file: string, requests: Requests): Promise<Secret> {
  const wrapping = readCredential('vault.auth.secret_id_file', file);
  const line = { method: 'POST', path: 'sys/wrapping/lookup' };
  const lookup = (await requests
    .call('POST', line.path, null, URGENCY.session, { token: text(wrapping) })
    .catch((error: unknown) => {
      throw error instanceof VaultFailure && error.kind === 'refused' ? usedAlready(file, error) : error;
    })) as { data?: { creation_path?: unknown } };
  const origin = lookup.data?.creation_path;
  if (typeof origin !== 'string' || !/^auth\/.+\/role\/[^/]+\/secret-id$/.test(origin)) {
    const { kind, problem } = brokenContract(
      line,
      'the wrapping token does not wrap a secret id',
      'somebody may have replaced it: make a new wrapped secret id and look into it',
    );
    throw new VaultFailure(kind, problem, false, false, 'wrapping_token_replaced');
  }
  const reply = (await requests.issue('POST', 'sys/wrapping/unwrap', wrapping, URGENCY.session)) as {
    data?: { secret_id?: unknown };
  };
  const secretId = reply.data?.secret_id;
  if (typeof secretId !== 'string') {
    throw brokenContract(
      { method: 'POST', path: 'sys/wrapping/unwrap' },
      'there is no secret id inside',
      'make a new wrapped secret id',
    );
  }
  rmSync(file, { force: true });
  return new Secret(Buffer.from(secretId));
}

/** Vault does not know the wrapping token any more, which is how a theft on the way here shows. */
function usedAlready(file: string, { kind, problem: { message }, forbidden }: VaultFailure): VaultFailure {
  const problem = new Problem(
    'VAULT_DENIED',
    `vault.auth.secret_id_file: the wrapping token in ${file} was used already, or is over its time (${message})`,
    {
      hint: "look for sys/wrapping/unwrap in Vault's audit log: unless it was yours, destroy that secret id; then make a new wrapped one",
    },
  );
  return new VaultFailure(kind, problem, false, forbidden, 'wrapping_token_used');
}
