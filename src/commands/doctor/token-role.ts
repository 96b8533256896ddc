// Owns doctor's look at the token role as Vault has it, where an operator's token may read it: what a dry run cannot
// show, because the agent's own requests are stricter than the role.

import type { Examiner } from '../../adapters/vault/examine.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Secret } from '../../domain/secret.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { loginRoleLack, nextFor, tokenRoleLack } from '../inspect/role-lines.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';

export async function tokenRole(
  vault: Examiner,
  operator: Secret | null,
  { vault: settings }: AgentConfig,
  profiles: readonly Profile[],
): Promise<Finding[]> {
  const id = 'vault.token-role';
  const name = settings.token_role;
  if (operator === null) return [];
  const role = await vault.read(operator, `auth/token/roles/${name}`);
  if (role === null) {
    const next = `write it (vault-policies/token-role.json), or give a token that may read auth/token/roles/${name}`;
    return [
      info(
        id,
        `token role ${name} could not be read`,
        'it is not there, or the given token may not read it',
        next,
      ),
    ];
  }
  const next = `vault write auth/token/roles/${name} @token-role.json (vault-policies/)`;
  const stolen = 'a stolen session could make tokens that the agent never makes';
  const found: Finding[] = [];
  const is = (wrong: boolean, finding: Finding) => {
    if (wrong) found.push(finding);
  };
  const listed = (key: string) => (Array.isArray(role[key]) ? (role[key] as string[]) : []);
  const period = Number(role.token_period ?? role.period ?? 0);
  is(
    role.orphan === true,
    error(
      id,
      `token role ${name} makes orphans`,
      'task tokens would outlive the session, and the leash would end nothing',
      next,
    ),
  );
  is(
    period > 0,
    error(
      id,
      `token role ${name} has a period of ${period}s`,
      'its tokens do not end with the deadline',
      next,
    ),
  );
  is(
    role.token_type !== 'service',
    warning(
      id,
      `token role ${name} says token_type ${String(role.token_type)}, not service`,
      'batch tokens, which nobody can revoke, could be made',
      next,
    ),
  );
  is(role.renewable === true, warning(id, `token role ${name} says renewable=true`, stolen, next));
  is(
    role.token_no_default_policy !== true,
    warning(id, `token role ${name} lacks token_no_default_policy`, stolen, next),
  );
  is(
    listed('allowed_policies').length > 0,
    warning(
      id,
      `token role ${name} has allowed_policies`,
      'asked for a token without policies, Vault gives all of them: a stolen session could',
      `list them under allowed_policies_glob instead; ${next}`,
    ),
  );
  const globs = [...listed('allowed_policies'), ...listed('allowed_policies_glob')];
  const wide = globs.filter((glob) => glob.includes('*'));
  is(
    wide.length > 0,
    warning(
      id,
      `token role ${name} allows ${wide.join(', ')}`,
      'any policy of such a name can be had by a stolen session',
      'list the policies of the profiles one by one',
    ),
  );
  const wanted = new Set(
    profiles.filter(({ login }) => login === undefined).flatMap(({ policies }) => policies),
  );
  for (const policy of wanted) {
    const lack = tokenRoleLack(name, role, [policy]);
    if (lack === null) continue;
    found.push(error(id, lack.why, 'profiles name it, so their starts are refused', nextFor(lack)));
  }
  return found.length > 0
    ? found
    : [ok(id, `token role ${name} is as it should be, and allows the policies of all profiles`)];
}

/** Roles of logins with an assertion: what the profiles name, and the role does not give. */
export async function loginRoles(
  vault: Examiner,
  operator: Secret | null,
  profiles: readonly Profile[],
): Promise<Finding[]> {
  if (operator === null) return [];
  const found: Finding[] = [];
  for (const { name, login, policies } of profiles) {
    if (login === undefined) continue;
    const path = `auth/${login.mount}/role/${login.role}`;
    const role = await vault.read(operator, path);
    const lack = role === null ? null : loginRoleLack(path, role, policies);
    const id = `profile.${name}.login`;
    if (role === null)
      found.push(
        info(
          id,
          `${name}: ${path} could not be read`,
          'it is not there, or the given token may not read it',
          `tasklease policy apply writes it`,
        ),
      );
    else if (lack === null) found.push(ok(id, `${name}: ${path} gives all that the profile names`));
    else found.push(error(id, `${name}: ${lack.why}`, 'no start succeeds', nextFor(lack)));
  }
  return found;
}
