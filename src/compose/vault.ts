// Owns the step from the configuration to how the agent reaches Vault: address, TLS, login, roles.

import type { Settings } from '../adapters/settings/agent-settings.ts';
import type { VaultOptions } from '../adapters/vault/vault-client.ts';
import type { AgentConfig } from '../schema/config.ts';

export function vaultOptions(config: AgentConfig, environment: Settings['environment']): VaultOptions {
  const { namespace, ca_file: caFile } = config.vault;
  return {
    address: config.vault.address.replace(/\/+$/, ''),
    standbys: config.vault.standbys,
    ...(namespace === undefined ? {} : { namespace }),
    ...(caFile === undefined ? {} : { caFile }),
    ...environment,
    ...authOptions(config.vault.auth),
    sessionRole: config.vault.session_role,
    tokenRole: config.vault.token_role,
    usesMount: config.vault.uses_mount,
    allowBroadSession: config.vault.allow_broad_session,
    leashMs: config.vault.leash,
    timeoutMs: config.vault.timeout,
  };
}

function authOptions(auth: AgentConfig['vault']['auth']): Partial<VaultOptions> & Pick<VaultOptions, 'auth'> {
  switch (auth.method) {
    case 'token_file':
      return { auth: { method: auth.method, tokenFile: auth.token_file } };
    case 'approle':
      return {
        auth: {
          method: auth.method,
          mount: auth.mount,
          roleIdFile: auth.role_id_file,
          secretIdFile: auth.secret_id_file,
          secretIdWrapped: auth.secret_id_wrapped,
        },
      };
    case 'jwt':
    case 'kubernetes': {
      const { method, mount, token_file: tokenFile } = auth;
      return { auth: { method, mount, tokenFile, ...(auth.role === undefined ? {} : { role: auth.role }) } };
    }
    case 'cert':
      return {
        auth: {
          method: auth.method,
          mount: auth.mount,
          ...(auth.role === undefined ? {} : { role: auth.role }),
        },
        // Before whatever the environment says: this is who we are.
        clientCertFile: auth.cert_file,
        clientKeyFile: auth.key_file,
      };
  }
}
