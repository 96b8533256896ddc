// Owns the reading of a Vault's policies and roles that an agent with these profiles uses. Invariant: only those are read;
// what is not there is left out, and lint says what lacks.

import { readPolicy } from '../../policy/hcl-read.ts';
import { renderKit } from '../../policy/kit.ts';
import { type LintRole, roleKind } from '../../policy/lint-kinds.ts';
import type { Policy } from '../../policy/model.ts';
import { LOGIN, policiesOf, SESSION, SESSION_JWT } from '../../policy/names.ts';
import type { Given } from './inputs.ts';
import type { PolicyFiles } from './policy-files.ts';
import type { VaultAdmin } from './vault-admin.ts';

export async function readLive(vault: VaultAdmin, given: Given): Promise<PolicyFiles> {
  const kit = renderKit(given.profiles, { names: given.names });
  const roles: LintRole[] = [];
  const session = new Set<string>();
  for (const { path } of kit.roles) {
    const body = await vault.read(path);
    if (body === null) continue;
    const kind = path.endsWith(`/${given.names.sessionRole}`) ? 'session' : roleKind(path, body);
    roles.push({ file: path, kind, body });
    if (kind === 'session') for (const name of (body.allowed_policies ?? []) as string[]) session.add(name);
  }
  const names = new Set([...session, SESSION, SESSION_JWT, LOGIN, ...given.profiles.flatMap(policiesOf)]);
  const policies: Policy[] = [];
  for (const name of names) {
    const data = await vault.read(`sys/policies/acl/${name}`);
    if (typeof data?.policy === 'string') policies.push(readPolicy(data.policy, name, `policy ${name}`));
  }
  return { policies, roles, profiles: [], faults: [] };
}
