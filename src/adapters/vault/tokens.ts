// Owns the making of tokens: the agent's session and the tasks' tokens. Invariant: a token whose type,
// policies, TTL or parent is not exactly what was asked for is revoked and never used.

import { wholeSeconds } from '../../domain/duration.ts';
import { addTo, roleLine, TOKEN_ROLE_LIST } from '../../domain/policy-line.ts';
import { Problem } from '../../domain/problem.ts';
import { Secret } from '../../domain/secret.ts';
import { type SessionToken, type TaskToken, type Vault, VaultFailure } from '../../ports/vault.ts';
import { authReply } from '../../schema/vault-reply.ts';
import { breadthOf } from './broad-session.ts';
import { brokenContract, type RequestLine } from './classify.ts';
import { URGENCY } from './gate.ts';
import type { Login } from './login-request.ts';
import type { Requests } from './requests.ts';

export interface SessionOptions {
  readonly sessionRole: string;
  readonly leashMs: number;
  /** Paths that the session must not come to by itself; asked at each login. */
  readonly secretPaths?: () => readonly string[];
  /** A session that is root or can read secrets is used all the same. */
  readonly allowBroadSession?: boolean;
}

/** The token in a reply. */
export function tokenReply(line: RequestLine, reply: unknown) {
  const parsed = authReply.safeParse(reply);
  if (parsed.success) return parsed.data.auth;
  throw brokenContract(line, 'the reply holds no token', 'is vault.address really a Vault server?');
}

/** Logs in, makes the session token and revokes the login's own token. */
export async function openSession(
  requests: Requests,
  login: Login,
  options: SessionOptions,
): Promise<SessionToken> {
  const { token: loginToken, ours } = await login();
  const line = { method: 'POST', path: `auth/token/create/${options.sessionRole}` };
  try {
    // Cut off at the time limit: a session whose making nobody saw end has no tasks and ends by its leash.
    const auth = tokenReply(line, await requests.call('POST', line.path, loginToken, URGENCY.session, {}));
    const session = new Secret(Buffer.from(auth.client_token));
    const leash = wholeSeconds(options.leashMs);
    const wrong =
      auth.token_type !== 'service'
        ? `a token of type ${auth.token_type}`
        : auth.orphan !== true
          ? 'a token that is not an orphan and would die with the login'
          : !auth.renewable
            ? 'a token that cannot be renewed'
            : auth.lease_duration !== leash
              ? `a token of ${auth.lease_duration}s where vault.leash is ${leash}s`
              : null;
    if (wrong !== null) {
      await revoked(requests, session);
      throw brokenContract(
        line,
        `the session role makes ${wrong}`,
        `set token_type=service, orphan=true, renewable=true and token_period=${leash}s on it (vault-policies/session-role.json)`,
      );
    }
    if (options.allowBroadSession !== true) {
      await refuseBroad(requests, line, { token: session, policies: auth.policies }, options);
    }
    return { token: session, accessor: auth.accessor, ttlMs: auth.lease_duration * 1000 };
  } finally {
    if (ours) {
      await revoked(requests, loginToken);
      loginToken[Symbol.dispose]();
    }
  }
}

/** Revoked by itself, if Vault can be asked; else it ends by its TTL. */
const revoked = (requests: Requests, token: Secret): Promise<unknown> =>
  requests.call('POST', 'auth/token/revoke-self', token, URGENCY.session, {}).catch(() => {});

/** @throws VaultFailure when the session may more than it needs; it is revoked then */
async function refuseBroad(
  requests: Requests,
  line: RequestLine,
  session: { readonly token: Secret; readonly policies: readonly string[] },
  { secretPaths, sessionRole }: SessionOptions,
): Promise<void> {
  try {
    const breadth = await breadthOf(session, secretPaths?.() ?? [], requests);
    if (breadth === null) return;
    throw brokenContract(
      line,
      `the session ${breadth}`,
      `let token role ${sessionRole} allow the policy tasklease-session only (vault-policies/session-role.json), or set vault.allow_broad_session: true`,
    );
  } catch (error) {
    await revoked(requests, session.token);
    throw error;
  }
}

type TokenRequest = Parameters<Vault['createToken']>[1];

/** What must be said of every task token; a session policy has to allow these parameters. */
const demands = (request: TokenRequest) => ({
  policies: request.policies,
  ...(request.entityAlias === undefined ? {} : { entity_alias: request.entityAlias }),
  ttl: `${request.ttlSeconds}s`,
  renewable: false,
  type: 'service',
});

/**
 * Makes task tokens under one role. Parameters that only help (a name and metadata for Vault's audit log,
 * no default policy where the role forgets to say so) are left out once a session policy refused them: what
 * comes back is checked all the same.
 */
export function tokenMaker(requests: Requests, role: string): Vault['createToken'] {
  const line = { method: 'POST', path: `auth/token/create/${role}` };
  let modest = false;
  return async (session, request) => {
    const full = {
      ...demands(request),
      no_default_policy: true,
      display_name: request.displayName,
      meta: request.meta,
    };
    const ask = (body: unknown) =>
      requests.issue('POST', line.path, session, URGENCY.start, body).catch((error: unknown) => {
        throw roleRefusal(error, role, request.policies);
      });
    if (modest) return checkedToken(requests, line, await ask(demands(request)), session, request);
    try {
      return await checkedToken(requests, line, await ask(full), session, request);
    } catch (error) {
      if (!(error instanceof VaultFailure) || !error.forbidden) throw error;
      const token = await ask(demands(request)).catch(() => {
        throw error;
      });
      modest = true;
      return checkedToken(requests, line, token, session, request);
    }
  };
}

const OUTSIDE = /must be subset of the role's allowed policies/;

/** A token role that does not list the policies: the same failure, with what it has to list. */
export function roleRefusal(error: unknown, role: string, policies: readonly string[]): unknown {
  if (!(error instanceof VaultFailure) || !OUTSIDE.test(error.problem.message)) return error;
  const hint = addTo(`role auth/token/roles/${role}`, roleLine(TOKEN_ROLE_LIST, policies));
  return new VaultFailure(error.kind, new Problem(error.problem.code, error.problem.message, { hint }));
}

/** The task token in a reply, refused and revoked unless it is exactly what was asked for. */
async function checkedToken(
  requests: Requests,
  line: RequestLine,
  reply: unknown,
  session: Secret,
  request: TokenRequest,
): Promise<TaskToken> {
  const auth = tokenReply(line, reply);
  const wrong =
    auth.token_type !== 'service'
      ? `is of type ${auth.token_type}`
      : auth.renewable
        ? 'can be renewed'
        : auth.orphan === true
          ? 'is an orphan, so it would outlive the agent'
          : !sameSet(auth.policies, request.policies)
            ? `has the policies ${auth.policies.join(', ')}`
            : auth.lease_duration > request.ttlSeconds
              ? `lives ${auth.lease_duration}s where ${request.ttlSeconds}s were asked`
              : auth.lease_duration < request.ttlSeconds - 1
                ? `lives only ${auth.lease_duration}s of the ${request.ttlSeconds}s that were asked`
                : request.entityAlias !== undefined && !auth.entity_id
                  ? `belongs to no entity where alias ${request.entityAlias} was asked for`
                  : null;
  if (wrong !== null) {
    const { accessor } = auth;
    await requests
      .call('POST', 'auth/token/revoke-accessor', session, URGENCY.revoke, { accessor })
      .catch(() => {});
    throw brokenContract(
      line,
      `the task token ${wrong}`,
      'compare the token role with vault-policies/token-role.json',
    );
  }
  return {
    token: new Secret(Buffer.from(auth.client_token)),
    accessor: auth.accessor,
    ttlMs: auth.lease_duration * 1000,
  };
}

/** Vault keeps policy names in lower case. */
export const sameSet = (has: readonly string[], asked: readonly string[]): boolean => {
  const names = new Set(asked.map((name) => name.toLowerCase()));
  return has.length === names.size && has.every((name) => names.has(name));
};
