// Owns the questions that doctor and explain put to a Vault in the agent's place. Invariant: everything that is made to
// ask them (a login, a session, a task token) is revoked by close(), and no secret is read.

import { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { authReply } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { URGENCY } from './gate.ts';
import { loginWith } from './login.ts';
import { namingDenials } from './own-denials.ts';
import { openRequests } from './requests.ts';
import { ownRights, type Rights, rightsByAccessor } from './rights.ts';
import { roleRefusal } from './tokens.ts';
import { openTransport } from './transport.ts';
import type { VaultOptions } from './vault-client.ts';

/** A token as Vault described it when it was made. */
export interface MadeToken {
  readonly token: Secret;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  readonly type: string;
  readonly orphan: boolean;
  readonly hasEntity: boolean;
}

export interface TaskTokenAsk {
  readonly policies: readonly string[];
  readonly entityAlias?: string;
  readonly ttlSeconds: number;
}

export interface Examiner {
  /** Logs in as the agent does. */
  login(): Promise<Secret>;
  /** A session as the agent makes one: under the session role. */
  session(login: Secret): Promise<MadeToken>;
  /** A token as a task gets it. */
  taskToken(session: Secret, ask: TaskTokenAsk): Promise<MadeToken>;
  /** Seconds that a renewal grants. */
  renew(token: Secret): Promise<number>;
  /** Null where the token may not ask. */
  rights(token: Secret, paths: readonly string[]): Promise<Rights | null>;
  rightsOf(session: Secret, accessor: string, paths: readonly string[]): Promise<Rights | null>;
  /** The engine behind a path, by a token that may use that path; null where there is none. */
  engine(
    token: Secret,
    path: string,
  ): Promise<{ readonly type: string; readonly version: string | null } | null>;
  /** The `data` of a reply; null for 403 and 404. */
  read(token: Secret, path: string): Promise<Readonly<Record<string, unknown>> | null>;
  /** Revokes whatever was made here; what could not be revoked, in words. */
  close(): Promise<string[]>;
}

export function examineVault(options: VaultOptions): Examiner {
  const transport = openTransport(options);
  const requests = namingDenials(
    openRequests({ ...options, transport, sessionTimeoutMs: options.timeoutMs }),
  );
  const login = loginWith(options.auth, requests);
  const made: { readonly what: string; readonly token: Secret }[] = [];

  async function make(what: string, path: string, by: Secret, body: unknown): Promise<MadeToken> {
    const reply = authReply.safeParse(await requests.issue('POST', path, by, URGENCY.session, body));
    if (!reply.success)
      throw brokenContract(
        { method: 'POST', path },
        'the reply holds no token',
        'is it really a Vault server?',
      );
    const { auth } = reply.data;
    const token = new Secret(Buffer.from(auth.client_token));
    made.push({ what, token });
    return {
      token,
      accessor: auth.accessor,
      policies: auth.policies,
      ttlSeconds: auth.lease_duration,
      renewable: auth.renewable,
      type: auth.token_type,
      orphan: auth.orphan === true,
      hasEntity: (auth.entity_id ?? '') !== '',
    };
  }

  return {
    async login() {
      const { token, ours } = await login();
      if (ours) made.push({ what: 'the login token', token });
      return token;
    },
    session: (by) => make('the session token', `auth/token/create/${options.sessionRole}`, by, {}),
    taskToken: (session, { policies, entityAlias, ttlSeconds }) =>
      make('a task token', `auth/token/create/${options.tokenRole}`, session, {
        policies,
        ...(entityAlias === undefined ? {} : { entity_alias: entityAlias }),
        ttl: `${ttlSeconds}s`,
        renewable: false,
        type: 'service',
        no_default_policy: true,
        display_name: 'tasklease-doctor',
      }).catch((error: unknown) => {
        throw roleRefusal(error, options.tokenRole, policies);
      }),
    async renew(token) {
      const path = 'auth/token/renew-self';
      const reply = authReply.safeParse(await requests.call('POST', path, token, URGENCY.session, {}));
      if (!reply.success)
        throw brokenContract(
          { method: 'POST', path },
          'the reply holds no token',
          'is it really a Vault server?',
        );
      return reply.data.auth.lease_duration;
    },
    rights: (token, paths) => ownRights(requests, token, paths),
    rightsOf: (session, accessor, paths) => rightsByAccessor(requests, session, accessor, paths),
    async engine(token, path) {
      const data = await found(requests.call('GET', `sys/internal/ui/mounts/${path}`, token, URGENCY.start));
      const { type, options: settings } = (data ?? {}) as {
        type?: unknown;
        options?: { version?: unknown } | null;
      };
      if (typeof type !== 'string') return null;
      const version = settings?.version;
      return { type, version: typeof version === 'string' ? version : null };
    },
    read: (token, path) => found(requests.call('GET', path, token, URGENCY.start)),
    async close() {
      const left: string[] = [];
      for (const { what, token } of made.reverse()) {
        await requests
          .call('POST', 'auth/token/revoke-self', token, URGENCY.session, {})
          .catch(async (error: unknown) => {
            // A task token may not end itself: it goes with its session, which is revoked after it.
            if (!(error instanceof VaultFailure && error.forbidden)) left.push(what);
            else if (what !== 'a task token') left.push(what);
          });
        token[Symbol.dispose]();
      }
      transport.close();
      return left;
    },
  };
}

/** The `data` of a reply, null where Vault says that it is not there or not for this token. */
async function found(reply: Promise<unknown>): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    const { data } = (await reply) as { data?: unknown };
    return data !== null && typeof data === 'object' ? (data as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof VaultFailure && error.kind === 'refused') return null;
    throw error;
  }
}
