// Owns how the agent itself logs in to Vault: one function an auth method. Invariant: credentials come
// from files, never from the environment or the command line; a wrapped secret id is unwrapped once.

import { readFileSync, rmSync, statSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { authReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';

export type AuthOptions = { readonly method: 'token_file'; readonly tokenFile: string } | AppRoleOptions;

interface AppRoleOptions {
  readonly method: 'approle';
  readonly mount: string;
  readonly roleIdFile: string;
  readonly secretIdFile: string;
  readonly secretIdWrapped: boolean;
}

export interface LoginToken {
  readonly token: Secret;
  /** True when the token was made by this login and should be revoked once the session exists. */
  readonly ours: boolean;
}

export type Login = () => Promise<LoginToken>;

export function loginWith(auth: AuthOptions, requests: Requests): Login {
  if (auth.method === 'token_file') {
    return async () => ({ token: readCredential('vault.auth.token_file', auth.tokenFile), ours: false });
  }
  // A wrapping token works once: what came out of it must serve later logins of this process.
  let unwrapped: Secret | null = null;
  return patiently(auth, async () => {
    const roleId = readCredential('vault.auth.role_id_file', auth.roleIdFile);
    if (auth.secretIdWrapped && unwrapped === null) unwrapped = await unwrap(auth.secretIdFile, requests);
    const secretId = unwrapped ?? readCredential('vault.auth.secret_id_file', auth.secretIdFile);
    const path = `auth/${auth.mount}/login`;
    const reply = await requests.call('POST', path, null, URGENCY.session, {
      role_id: text(roleId),
      secret_id: text(secretId),
    });
    const parsed = authReply.safeParse(reply);
    if (!parsed.success) {
      throw brokenContract(
        { method: 'POST', path },
        'the login answered no token',
        'is this an AppRole mount?',
      );
    }
    return { token: new Secret(Buffer.from(parsed.data.auth.client_token)), ours: true };
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

/** The files as they are now: another text when one of them was replaced. */
const fingerprint = (files: readonly string[]): string =>
  files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'none' : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    })
    .join(' ');

/** Unwraps a secret id (developer.hashicorp.com/vault/docs/concepts/response-wrapping) and deletes the file. */
async function unwrap(file: string, requests: Requests): Promise<Secret> {
  const wrapping = readCredential('vault.auth.secret_id_file', file);
  const lookup = (await requests.call('POST', 'sys/wrapping/lookup', null, URGENCY.session, {
    token: text(wrapping),
  })) as { data?: { creation_path?: unknown } };
  const origin = lookup.data?.creation_path;
  if (typeof origin !== 'string' || !/^auth\/.+\/role\/[^/]+\/secret-id$/.test(origin)) {
    throw brokenContract(
      { method: 'POST', path: 'sys/wrapping/lookup' },
      'the wrapping token does not wrap a secret id',
      'somebody may have replaced it: make a new wrapped secret id and look into it',
    );
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

function readCredential(key: string, file: string): Secret {
  try {
    const bytes = readFileSync(file);
    const trimmed = Buffer.from(bytes.toString('utf8').trim());
    bytes.fill(0);
    if (trimmed.length > 0) return new Secret(trimmed);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new VaultFailure(
      'refused',
      new Problem('VAULT_DENIED', `${key}: ${file} cannot be read (${code})`, {
        cause,
        hint: 'put the credential there, readable for the agent only',
      }),
    );
  }
  throw new VaultFailure(
    'refused',
    new Problem('VAULT_DENIED', `${key}: ${file} is empty`, { hint: 'put the credential there' }),
  );
}

const text = (secret: Secret): string => Buffer.from(secret.reveal()).toString('utf8');
