// Owns the trial of policies on a Vault that is in use: by capabilities and by the text of its policies, without reading a
// secret. Invariant: the token that is made for it is revoked; nothing else is changed.

import type { Profile } from '../../domain/profile.ts';
import { readPolicy } from '../../policy/hcl-read.ts';
import type { Result } from '../../policy/junit.ts';
import { identityOf } from '../../policy/lint-policies.ts';
import type { Policy } from '../../policy/model.ts';
import { mountOf, policiesOf } from '../../policy/names.ts';
import type { Trial } from '../../policy/neighbours.ts';
import { permits } from '../../policy/permits.ts';
import { profileRequests, sampleRequest } from '../../policy/requests.ts';
import { aliasOfSample, taskToken } from './trial-token.ts';
import type { VaultAdmin } from './vault-admin.ts';

export async function tryLive(
  vault: VaultAdmin,
  profile: Profile,
  trials: readonly Trial[],
  tokenRole: string,
): Promise<Result[]> {
  const policies = await policiesAt(vault, profile);
  const { values } = sampleRequest(profile, profileRequests(profile)[0]!);
  const identity = identityOf(profile, values);
  // What a login alone knows cannot be had here: the text of the policies says it.
  const byText =
    mountOf(profile) !== 'token' &&
    policies.some(({ rules }) => rules.some(({ path }) => path.includes('{{identity.')));
  const capabilities = byText ? null : await capabilitiesOf(vault, profile, trials, tokenRole);
  return trials.map((trial): Result => {
    const { path, capability, body } = trial;
    const verdict = permits(
      policies,
      { path, capabilities: [capability], ...(body && { body }) },
      { identity },
    );
    const has = capabilities?.[path];
    const atVault = has === undefined || has.includes(capability) || has.includes('root');
    const allowed = atVault && verdict.permitted;
    const says = verdict.permitted
      ? atVault
        ? `${verdict.by.map(({ policy, rule }) => `${policy.name}: path "${rule.path}"`).join(' and ')} permits it`
        : 'the policies permit it, but Vault says that this token may not'
      : `${verdict.why}; add ${verdict.missing}`;
    return { ...trial, found: allowed ? 'allowed' : 'denied', says };
  });
}

async function policiesAt(vault: VaultAdmin, profile: Profile): Promise<Policy[]> {
  const found: Policy[] = [];
  for (const name of policiesOf(profile)) {
    const data = await vault.read(`sys/policies/acl/${name}`);
    const mounts = JSON.stringify(data?.policy ?? '');
    if (mounts !== '""') found.push(readPolicy(String(data!.policy), name, `policy ${name}`));
  }
  return found;
}

async function capabilitiesOf(
  vault: VaultAdmin,
  profile: Profile,
  trials: readonly Trial[],
  tokenRole: string,
): Promise<Record<string, string[]>> {
  const made = await taskToken(vault, profile, tokenRole, aliasOfSample(profile));
  try {
    const paths = [...new Set(trials.map(({ path }) => path))];
    const answer = await vault.write('sys/capabilities-accessor', { accessor: made.accessor, paths });
    return answer.data as Record<string, string[]>;
  } finally {
    await vault.write('auth/token/revoke-accessor', { accessor: made.accessor });
  }
}
