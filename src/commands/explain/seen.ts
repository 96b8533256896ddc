// Owns what is known of Vault for an explanation, and what an administrator's token adds to it. Invariant: with that token
// policies, roles and mounts are read; nothing is made.

import type { Secret } from '../../domain/secret.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { type Live, problemOf } from '../inspect/live.ts';
import type { Sources } from '../inspect/permission.ts';
import { loginPolicies, loginRoleLack, type RoleLack, tokenRoleLack } from '../inspect/role-lines.ts';
import { type SecretLine, secretLine } from './files.ts';
import type { Explained } from './subject.ts';
import type { RoleMax } from './time.ts';

export interface Seen {
  readonly login: Sources;
  readonly session: Sources;
  readonly task: Sources;
  readonly lack: RoleLack | null;
  readonly max: RoleMax | null;
  readonly secrets: readonly SecretLine[];
  /** Why Vault was not asked; null where it was. */
  readonly why: string | null;
}

/** @param refused the policies of a login that Vault refused a session */
export const withoutSession = (base: Seen, refused: readonly string[] | null, path: string): Seen =>
  refused === null
    ? base
    : { ...base, login: { names: refused, book: null, rights: { [path]: ['deny'] }, unasked: '' } };

export async function withOperator(
  live: Live,
  operator: Secret,
  base: Seen,
  config: AgentConfig,
  { asks, login, policies }: Explained['settled']['plan'],
): Promise<Seen> {
  const { vault } = live;
  const { token_role: role, session_role: sessionRole } = config.vault;
  try {
    const settings = await vault.read(operator, `auth/token/roles/${role}`);
    const loginPath = `auth/${login?.mount}/role/${login?.role}`;
    const loginRole = login === undefined ? null : await vault.read(operator, loginPath);
    const session = (await vault.read(operator, `auth/token/roles/${sessionRole}`))?.allowed_policies;
    const mount = await vault.read(operator, 'sys/auth/token/tune');
    const limits = [
      settings?.token_explicit_max_ttl,
      settings?.explicit_max_ttl,
      settings?.token_max_ttl,
      mount?.max_lease_ttl,
    ];
    const seconds = limits.filter((limit): limit is number => typeof limit === 'number' && limit > 0);
    const secrets: SecretLine[] = [];
    for (const { secret, path } of asks) {
      const engine = await vault.engine(operator, path);
      const pki =
        engine?.type === 'pki'
          ? await vault.read(operator, path.replace(/\/(?:issue|sign)\//, '/roles/'))
          : null;
      const generate = pki?.generate_lease;
      secrets.push(secretLine(secret, path, engine, typeof generate === 'boolean' ? generate : null));
    }
    return {
      ...base,
      ...(Array.isArray(session) && session.length > 0
        ? { session: { ...base.session, names: session as string[] } }
        : {}),
      ...(loginRole === null || policies.length > 0
        ? {}
        : { task: { ...base.task, names: loginPolicies(loginRole) } }),
      lack:
        login !== undefined
          ? loginRole && loginRoleLack(loginPath, loginRole, policies)
          : settings && tokenRoleLack(role, settings, policies),
      max:
        seconds.length === 0
          ? null
          : { seconds: Math.min(...seconds), from: `as Vault reports of role ${role} and auth/token` },
      secrets,
    };
  } catch (error) {
    return { ...base, why: problemOf(error).message };
  }
}
