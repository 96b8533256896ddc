// Owns a token as a task of a profile would have it, for trying policies. Invariant: it lives for two minutes at most.

import type { Profile } from '../../domain/profile.ts';
import { policiesOf } from '../../policy/names.ts';
import { fill, profileRequests, sampleRequest } from '../../policy/requests.ts';
import { AdminRefused, type VaultAdmin } from './vault-admin.ts';

/** What the task of the trials has in its slots. */
export const sampleValues = (profile: Profile): Record<string, string> =>
  Object.assign({}, ...profileRequests(profile).map((each) => sampleRequest(profile, each).values));

/** The alias of the same task; absent where the profile has none. */
export const aliasOfSample = (profile: Profile): string | undefined =>
  profile.entityAlias === undefined ? undefined : fill(profile.entityAlias, sampleValues(profile));

export async function taskToken(
  vault: VaultAdmin,
  profile: Profile,
  role: string,
  alias: string | undefined,
) {
  const body = {
    policies: policiesOf(profile),
    no_default_policy: true,
    ttl: '2m',
    renewable: false,
    type: 'service',
    ...(alias === undefined ? {} : { entity_alias: alias }),
  };
  // A profile that logs in by itself has no token role; its policies are tried all the same.
  const path = profile.login === undefined ? `auth/token/create/${role}` : 'auth/token/create';
  const { auth } = await vault.write(path, body);
  if (auth === null) throw new AdminRefused(`${path} gave no token`, 500);
  return { token: auth.client_token, accessor: auth.accessor };
}
