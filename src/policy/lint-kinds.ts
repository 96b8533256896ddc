// Owns what a policy or role is for: the agent's session, its login, a task. Invariant: whatever is not the agent's counts
// as a task's, for which the rules are the strictest.

import type { PathRule, Policy } from './model.ts';

export type RoleKind = 'session' | 'token' | 'additions' | 'approle' | 'jwt' | 'kubernetes' | 'other';

export interface LintRole {
  readonly file: string;
  readonly kind: RoleKind;
  readonly body: Readonly<Record<string, unknown>>;
}

export function policyKind({ name, rules }: Policy): 'session' | 'login' | 'task' {
  if (/(?:^|-)session(?:-jwt)?$/.test(name) || rules.some(({ path }) => path === 'sys/leases/revoke'))
    return 'session';
  return /(?:^|-)login$/.test(name) ? 'login' : 'task';
}

const has = (body: LintRole['body'], ...keys: string[]): boolean =>
  keys.some((key) => Object.hasOwn(body, key));

/** By its file's name or its path in Vault, else by what only that kind has. */
export function roleKind(file: string, body: LintRole['body']): RoleKind {
  if (/token-role-additions\.json$/.test(file)) return 'additions';
  if (/session-role\.json$|auth\/token\/roles\/.*session[^/]*$/.test(file)) return 'session';
  if (/token-role\.json$|auth\/token\/roles\//.test(file)) return 'token';
  if (has(body, 'bound_service_account_names', 'bound_service_account_namespaces')) return 'kubernetes';
  if (has(body, 'secret_id_ttl', 'secret_id_num_uses', 'bind_secret_id') || /approle/.test(file))
    return 'approle';
  if (has(body, 'user_claim', 'bound_audiences', 'bound_claims') || /jwt-role|auth\/.*\/role\//.test(file))
    return 'jwt';
  if (has(body, 'allowed_policies', 'allowed_policies_glob'))
    return body.orphan === true ? 'session' : 'token';
  return 'other';
}

export const isWrite = ({ capabilities }: PathRule): boolean =>
  capabilities.some((each) => each === 'create' || each === 'update' || each === 'patch');

export const isWild = (path: string): boolean => path.endsWith('*') || /(?:^|\/)\+(?:\/|$)/.test(path);
