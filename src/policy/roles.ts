// Owns the roles at Vault that profiles need: those of the session, of the task tokens, of logins with an assertion, and
// the agent's AppRole. Invariant: service tokens without the default policy, and no longer than a profile can need.

import { formatDuration, wholeSeconds } from '../domain/duration.ts';
import type { Profile } from '../domain/profile.ts';
import { LOGIN, type Names, policiesOf } from './names.ts';
import { globOf } from './narrow.ts';
import { profileRequests } from './requests.ts';
import { childPolicies } from './session-policy.ts';
import { mappedClaims, metadataName } from './task-policy.ts';

export interface Role {
  /** In vault-policies/, and below it. */
  readonly file: string;
  /** In Vault. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export const sessionRole = (session: string, names: Names): Role => ({
  file: 'session-role.json',
  path: `auth/token/roles/${names.sessionRole}`,
  body: {
    orphan: true,
    token_period: formatDuration(names.leashMs),
    token_type: 'service',
    renewable: true,
    token_no_default_policy: true,
    allowed_policies: [session],
  },
});

/** @param ceiling the longest time that a task's token may live; absent for profiles that are not known */
export function tokenRole(profiles: readonly Profile[], names: Names, ceiling: boolean): Role {
  const children = profiles.filter(({ login }) => login === undefined);
  const aliases = children.filter(({ entityAlias }) => entityAlias !== undefined).flatMap(aliasesOf);
  return {
    file: 'token-role.json',
    path: `auth/token/roles/${names.tokenRole}`,
    body: {
      orphan: false,
      token_type: 'service',
      renewable: false,
      token_no_default_policy: true,
      ...(ceiling ? { token_explicit_max_ttl: ceilingOf(children) } : {}),
      allowed_policies_glob: childPolicies(children),
      ...(aliases.length === 0 ? {} : { allowed_entity_aliases: [...new Set(aliases)] }),
    },
  };
}

/** Names that tokens of a profile have, each that it lists, or how all of them begin. */
function aliasesOf(profile: Profile): string[] {
  const path = profile.entityAlias!;
  const asked = { ...profile, secrets: [{ name: 'alias', method: 'read' as const, path, files: [] }] };
  return profileRequests(asked).map((request) => globOf(profile, request.path));
}

/** The end of the longest task, and a minute for clocks and for the time that a start takes. */
export const longestMs = (profiles: readonly Profile[]): number =>
  Math.max(...profiles.map(({ ttl }) => ttl.maxMs + ttl.graceMs)) + 60_000;

const ceilingOf = (profiles: readonly Profile[]): string =>
  formatDuration(wholeSeconds(longestMs(profiles)) * 1000);

/** One role for each that profiles of mode jwt name. */
export function jwtRoles(profiles: readonly Profile[], { leashMs }: Names): Role[] {
  const byPath = new Map<string, Profile[]>();
  for (const profile of profiles) {
    if (profile.login === undefined) continue;
    const path = `auth/${profile.login.mount}/role/${profile.login.role}`;
    byPath.set(path, [...(byPath.get(path) ?? []), profile]);
  }
  return [...byPath].map(([path, members]) => ({
    file: `vault/${path}.json`,
    path,
    body: jwtRole(members, leashMs),
  }));
}

function jwtRole(members: readonly Profile[], leashMs: number): Record<string, unknown> {
  const rules = members.map(({ allow }) => allow.assertion!);
  const claims = new Map<string, string>();
  let templated = false;
  for (const profile of members) {
    const mapped = mappedClaims(profile);
    templated ||= mapped.size > 0;
    const named = profile.login!.claims ?? [...mapped.keys()].map((param) => profile.params[param]!.claim!);
    for (const claim of named) claims.set(claim, metadataName(claim));
  }
  const bound = boundClaims(rules.map((rule) => ({ iss: [rule.issuer], ...rule.claims })));
  const glob = Object.values(bound)
    .flat()
    .some((pattern) => pattern.includes('*'));
  return {
    role_type: 'jwt',
    // A policy that looks at the alias's metadata needs an alias of the job's own: Vault keeps metadata with the alias.
    user_claim: templated ? 'jti' : 'sub',
    bound_audiences: [...new Set(rules.map(({ audience }) => audience))],
    ...(glob ? { bound_claims_type: 'glob' } : {}),
    bound_claims: bound,
    ...(claims.size === 0 ? {} : { claim_mappings: Object.fromEntries(claims) }),
    token_type: 'service',
    token_policies: [...new Set(members.flatMap(policiesOf))],
    token_no_default_policy: true,
    token_ttl: formatDuration(Math.min(leashMs, longestMs(members))),
    token_max_ttl: ceilingOf(members),
  };
}

/** What is bound for every one of them; a pattern's `**` and `*` are both any text to Vault (bound_claims_type=glob). */
function boundClaims(
  all: readonly Readonly<Record<string, readonly string[]>>[],
): Record<string, string | string[]> {
  const names = Object.keys(all[0]!).filter((name) => all.every((each) => each[name] !== undefined));
  return Object.fromEntries(
    names.map((name) => {
      const values = [
        ...new Set(all.flatMap((each) => each[name]!.map((pattern) => pattern.replaceAll('**', '*')))),
      ];
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
}

export const approle = ({ mount }: Names['login']): Role => ({
  file: 'approle.json',
  path: `auth/${mount}/role/tasklease`,
  body: {
    token_type: 'service',
    token_policies: [LOGIN],
    token_no_default_policy: true,
    token_ttl: '5m',
    token_max_ttl: '5m',
    secret_id_ttl: '24h',
    secret_id_num_uses: 0,
  },
});
