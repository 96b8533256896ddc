// Owns which policies a role at Vault does not give that profiles name, and the line that it lacks. Invariant: only what
// Vault has shown of the role is judged.

import { addTo, LOGIN_ROLE_LIST, roleLine, TOKEN_ROLE_LIST } from '../../domain/policy-line.ts';

export interface RoleLack {
  /** `role PATH`. */
  readonly into: string;
  readonly add: string;
  readonly why: string;
}

type Shown = Readonly<Record<string, unknown>>;

const listed = (role: Shown, key: string): string[] =>
  Array.isArray(role[key]) ? (role[key] as string[]) : [];

/** A token role without any list gives every policy that its asker has: none of a task's. */
export function tokenRoleLack(name: string, role: Shown, policies: readonly string[]): RoleLack | null {
  const globs = [...listed(role, 'allowed_policies'), ...listed(role, TOKEN_ROLE_LIST)];
  const lacks = policies.filter((policy) => !globs.some((glob) => fits(policy.toLowerCase(), glob)));
  return lackOf(`auth/token/roles/${name}`, TOKEN_ROLE_LIST, lacks, 'allow');
}

export function loginRoleLack(path: string, role: Shown, policies: readonly string[]): RoleLack | null {
  const gives = new Set(loginPolicies(role));
  return lackOf(
    path,
    LOGIN_ROLE_LIST,
    policies.filter((policy) => !gives.has(policy.toLowerCase())),
    'give',
  );
}

export const loginPolicies = (role: Shown): readonly string[] => listed(role, LOGIN_ROLE_LIST);

const lackOf = (path: string, key: string, lacks: readonly string[], verb: string): RoleLack | null =>
  lacks.length === 0
    ? null
    : {
        into: `role ${path}`,
        add: roleLine(key, lacks),
        why: `role ${path} does not ${verb} ${lacks.join(', ')}`,
      };

export const nextFor = ({ into, add }: RoleLack): string => addTo(into, add);

const fits = (name: string, glob: string): boolean =>
  glob.split('*').every((part, at, parts) => {
    if (at === 0) return parts.length === 1 ? name === part : name.startsWith(part);
    return at === parts.length - 1 ? name.endsWith(part) : name.includes(part);
  });
