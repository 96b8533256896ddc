// Owns the trial of policies on a Vault that is in use: by capabilities and by the text of its policies, without reading a
// secret. Invariant: the tokens that are made for it are revoked; nothing else is changed.

import { addTo, intoPolicy } from '../../domain/policy-line.ts';
import type { Profile } from '../../domain/profile.ts';
import { readPolicy } from '../../policy/hcl-read.ts';
import type { Result } from '../../policy/junit.ts';
import { identityOf } from '../../policy/lint-policies.ts';
import type { Policy } from '../../policy/model.ts';
import { LOGIN, mountOf, type Names, policiesOf, SESSION } from '../../policy/names.ts';
import { remedy, type Trial } from '../../policy/neighbours.ts';
import { type Known, permits } from '../../policy/permits.ts';
import { loginTrials, sessionTrials } from '../../policy/session-trials.ts';
import { loginRoleLack, type RoleLack, tokenRoleLack } from '../inspect/role-lines.ts';
import { aliasOfSample, sampleValues, taskToken } from './trial-token.ts';
import type { VaultAdmin } from './vault-admin.ts';

type Capabilities = Readonly<Record<string, readonly string[]>>;

interface Judge {
  readonly policies: readonly Policy[];
  /** Where a line goes that is missing. */
  readonly into: string;
  readonly known?: Known;
  /** What Vault says of the token; null where none could be made for it. */
  readonly capabilities: Capabilities | null;
}

export async function tryLive(
  vault: VaultAdmin,
  profile: Profile,
  trials: readonly Trial[],
  tokenRole: string,
): Promise<Result[]> {
  const policies = await policiesAt(vault, policiesOf(profile));
  const role = await roleResult(vault, profile, tokenRole);
  // What a login alone knows cannot be had here: the text of the policies says it.
  const byText =
    mountOf(profile) !== 'token' &&
    policies.some(({ rules }) => rules.some(({ path }) => path.includes('{{identity.')));
  const capabilities =
    byText || role.found === 'denied'
      ? null
      : await capabilitiesOf(vault, trials, taskToken(vault, profile, tokenRole, aliasOfSample(profile)));
  const known = { identity: identityOf(profile, sampleValues(profile)) };
  const into = intoPolicy(policiesOf(profile));
  return [role, ...judged(trials, { policies, into, known, capabilities })];
}

/** The agent's login, where it has the policy that is made for it, and its session. */
export async function tryAgent(
  vault: VaultAdmin,
  names: Names,
  profiles: readonly Profile[],
): Promise<Result[]> {
  const login = await policiesAt(vault, [LOGIN]);
  const results =
    login.length === 0
      ? []
      : judged(loginTrials(names), { policies: login, into: intoPolicy([LOGIN]), capabilities: null });
  const path = `auth/token/roles/${names.sessionRole}`;
  const role = await vault.read(path);
  const listed = role?.allowed_policies;
  const its = Array.isArray(listed) && listed.length > 0 ? (listed as string[]) : [SESSION];
  const policies = await policiesAt(vault, its);
  const trials = sessionTrials(names, profiles);
  const session = async () => {
    const { auth } = await vault.write(`auth/token/create/${names.sessionRole}`, {});
    return { accessor: auth?.accessor ?? '' };
  };
  const capabilities = role === null ? null : await capabilitiesOf(vault, trials, session());
  return [...results, ...judged(trials, { policies, into: intoPolicy(its), capabilities })];
}

function judged(trials: readonly Trial[], { policies, into, known, capabilities }: Judge): Result[] {
  return trials.map((trial): Result => {
    const { path, capability, body } = trial;
    const verdict = permits(policies, { path, capabilities: [capability], ...(body && { body }) }, known);
    const has = capabilities?.[path];
    const atVault = has === undefined || has.includes(capability) || has.includes('root');
    const allowed = atVault && verdict.permitted;
    const says = verdict.permitted
      ? atVault
        ? `${verdict.by.map(({ policy, rule }) => `${policy.name}: path "${rule.path}"`).join(' and ')} permits it`
        : 'the policies permit it, but Vault says that this token may not'
      : `${verdict.why}${remedy(trial, into)}`;
    return { ...trial, found: allowed ? 'allowed' : 'denied', says };
  });
}

/** Whether the role that makes the task's token gives the policies that the profile names. */
async function roleResult(vault: VaultAdmin, profile: Profile, tokenRole: string): Promise<Result> {
  const { login, policies } = profile;
  const path =
    login === undefined ? `auth/token/roles/${tokenRole}` : `auth/${login.mount}/role/${login.role}`;
  const role = await vault.read(path);
  const lack: RoleLack | null =
    role === null
      ? null
      : login === undefined
        ? tokenRoleLack(tokenRole, role, policies)
        : loginRoleLack(path, role, policies);
  const given = role !== null && lack === null;
  return {
    profile: profile.name,
    what: `a token with ${policiesOf(profile).join(' and ')}`,
    kind: 'own',
    path,
    capability: 'update',
    needs: ['update'],
    expect: 'allowed',
    found: given ? 'allowed' : 'denied',
    says: given
      ? `role ${path} gives it`
      : lack === null
        ? `there is no role ${path}; tasklease policy apply makes it`
        : `${lack.why}; ${addTo(lack.into, lack.add)}`,
  };
}

async function policiesAt(vault: VaultAdmin, names: readonly string[]): Promise<Policy[]> {
  const found: Policy[] = [];
  for (const name of names) {
    const policy = (await vault.read(`sys/policies/acl/${name}`))?.policy;
    if (typeof policy === 'string' && policy !== '') found.push(readPolicy(policy, name, `policy ${name}`));
  }
  return found;
}

async function capabilitiesOf(
  vault: VaultAdmin,
  trials: readonly Trial[],
  made: Promise<{ readonly accessor: string }>,
): Promise<Capabilities> {
  const { accessor } = await made;
  try {
    const paths = [...new Set(trials.map(({ path }) => path))];
    const answer = await vault.write('sys/capabilities-accessor', { accessor, paths });
    return answer.data as Capabilities;
  } finally {
    await vault.write('auth/token/revoke-accessor', { accessor });
  }
}
