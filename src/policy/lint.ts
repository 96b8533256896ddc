// Owns the whole of lint: every policy and role is held to the rules of its kind. Invariant: findings are in the order of
// files and lines, so that two runs can be compared.

import { type LintRole, policyKind } from './lint-kinds.ts';
import { lintLogin, lintTask } from './lint-policies.ts';
import { lintRole, type RoleContext } from './lint-roles.ts';
import type { Finding } from './lint-rules.ts';
import { lintSession } from './lint-session.ts';

export interface LintInput extends RoleContext {
  readonly roles: readonly LintRole[];
  /** What could not be read at all. */
  readonly faults?: readonly Finding[];
}

export function lint(input: LintInput): Finding[] {
  const ofPolicies = input.policies.flatMap((policy) => {
    const kind = policyKind(policy);
    if (kind === 'session') return lintSession(policy);
    return kind === 'login' ? lintLogin(policy) : lintTask(policy, input.profiles);
  });
  const all = [
    ...(input.faults ?? []),
    ...ofPolicies,
    ...input.roles.flatMap((role) => lintRole(role, input)),
  ];
  return all.sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
}
