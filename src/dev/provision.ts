// Owns what a Vault administrator would do once for tasklease: secrets engines, and the very files of
// vault-policies/ applied under their names. Invariant: idempotent; the policies' bytes come from those
// files and from nowhere else, only the leash is put in.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EngineDatabase, provisionEngines } from './provision-engines.ts';
import type { VaultBody, VaultServer } from './vault-server.ts';

const POLICIES = fileURLToPath(new URL('../../vault-policies/', import.meta.url));

/** A call as Vault's administrator that must succeed. */
export type Admin = (method: string, path: string, body?: unknown) => Promise<VaultBody>;

export type ProvisionOptions = {
  vault: Pick<VaultServer, 'request'>;
  /** Without one, there is no database engine. */
  postgres?: EngineDatabase;
  /** The session role's period as Vault writes durations, e.g. "5m". Default "5m". */
  leash?: string;
  /** Default true: an AppRole "tasklease" for the agent's login. */
  approle?: boolean;
  /** Policies beside the shipped ones that task tokens may have: name → HCL. */
  extraPolicies?: Record<string, string>;
  /** What task tokens may have as entity alias; nothing by default. */
  entityAliases?: readonly string[];
};

export type Provisioned = {
  /** The AppRole's role id; '' with `approle: false`. */
  roleId: string;
  /** A new secret id of that AppRole. */
  secretId(): Promise<string>;
  /** The same, response-wrapped: the answer is a wrapping token that is good for one unwrap. */
  wrappedSecretId(wrapTtl?: string): Promise<string>;
  /** A token that may only create a session, for auth method token_file. */
  loginToken(ttl?: string): Promise<string>;
};

const administrator =
  (vault: ProvisionOptions['vault']): Admin =>
  async (method, path, body) => {
    const reply = await vault.request(method, path, body);
    if (reply.status >= 300) {
      const why = (reply.body.errors ?? []).join('; ');
      throw new Error(`Vault answered ${reply.status} to ${method} ${path} while it was set up: ${why}`);
    }
    return reply.body;
  };

const role = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${POLICIES}${file}`, 'utf8')) as Record<string, unknown>;

/** Applies vault-policies/ and the sample engines to a Vault. Errors name the call that Vault refused. */
export const provision = async (options: ProvisionOptions): Promise<Provisioned> => {
  const { vault, leash = '5m', approle = true, extraPolicies = {}, entityAliases } = options;
  const admin = administrator(vault);

  for (const file of readdirSync(POLICIES).filter((name) => name.endsWith('.hcl'))) {
    const name = `tasklease-${basename(file, '.hcl')}`;
    await admin('PUT', `sys/policies/acl/${name}`, { policy: readFileSync(`${POLICIES}${file}`, 'utf8') });
  }
  for (const [name, policy] of Object.entries(extraPolicies)) {
    await admin('PUT', `sys/policies/acl/${name}`, { policy });
  }
  await admin('POST', 'auth/token/roles/tasklease-session', {
    ...role('session-role.json'),
    token_period: leash,
  });
  const tokenRole = role('token-role.json');
  await admin('POST', 'auth/token/roles/tasklease', {
    ...tokenRole,
    allowed_policies_glob: [...(tokenRole.allowed_policies_glob as string[]), ...Object.keys(extraPolicies)],
    ...(entityAliases === undefined ? {} : { allowed_entity_aliases: entityAliases }),
  });

  await provisionEngines(admin, options.postgres);

  let roleId = '';
  if (approle) {
    const mounted = (await admin('GET', 'sys/auth')).data ?? {};
    if (!('approle/' in mounted)) await admin('POST', 'sys/auth/approle', { type: 'approle' });
    await admin('POST', 'auth/approle/role/tasklease', role('approle.json'));
    const answer = await admin('GET', 'auth/approle/role/tasklease/role-id');
    roleId = answer.data?.role_id as string;
  }

  return {
    roleId,
    secretId: async () => {
      const answer = await admin('POST', 'auth/approle/role/tasklease/secret-id', {});
      return answer.data?.secret_id as string;
    },
    wrappedSecretId: async (wrapTtl = '10m') => {
      const path = 'auth/approle/role/tasklease/secret-id';
      const reply = await vault.request('POST', path, {}, undefined, { 'x-vault-wrap-ttl': wrapTtl });
      if (!reply.body.wrap_info) throw new Error(`Vault answered ${reply.status} to a wrapped POST ${path}`);
      return reply.body.wrap_info.token;
    },
    loginToken: async (ttl = '24h') => {
      const answer = await admin('POST', 'auth/token/create', {
        policies: ['tasklease-login'],
        no_default_policy: true,
        display_name: 'tasklease-login',
        ttl,
      });
      return answer.auth!.client_token;
    },
  };
};
