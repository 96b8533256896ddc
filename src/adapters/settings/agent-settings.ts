// Owns the step from agent.yaml and the environment to what the agent runs with. Invariant: the
// environment may say where Vault is, never who we are: a token there would leak.

import { join, resolve } from 'node:path';
import * as z from 'zod';
import { type AgentConfig, agentConfig } from '../../schema/config.ts';
import { readYaml, SettingsFault } from './yaml-file.ts';

export interface VaultEnvironment {
  readonly tlsServerName?: string;
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
}

export interface Settings {
  /** Where it was read, and is followed. */
  readonly file: string;
  readonly config: AgentConfig;
  readonly environment: VaultEnvironment;
}

/** Settings that would switch off what the agent promises. */
const REFUSED: Readonly<Record<string, string>> = {
  VAULT_TOKEN: 'an environment leaks: use vault.auth in the configuration',
  VAULT_SKIP_VERIFY: 'Vault must be verified: give vault.ca_file',
  NODE_TLS_REJECT_UNAUTHORIZED: 'Vault must be verified: give vault.ca_file',
};

/** @throws SettingsFault */
export function readSettings(file: string, env: NodeJS.ProcessEnv): Settings {
  for (const [name, why] of Object.entries(REFUSED)) {
    if (env[name] !== undefined && env[name] !== '')
      throw new SettingsFault(`${name} is set in the environment: ${why}`);
  }
  const schema = z.preprocess((value) => withEnvironment(value, env), agentConfig);
  const config = readYaml(file, schema);
  const environment = {
    ...given('tlsServerName', env.VAULT_TLS_SERVER_NAME),
    ...given('clientCertFile', env.VAULT_CLIENT_CERT),
    ...given('clientKeyFile', env.VAULT_CLIENT_KEY),
  };
  return { file: resolve(file), config, environment };
}

/** What the file leaves out and Vault's own variables give (developer.hashicorp.com/vault/docs/commands). */
function withEnvironment(value: unknown, env: NodeJS.ProcessEnv): unknown {
  if (value === null || typeof value !== 'object') return value;
  const { vault } = value as { vault?: unknown };
  if (vault === null || typeof vault !== 'object') return value;
  const defaults = {
    ...given('address', env.VAULT_ADDR),
    ...given('namespace', env.VAULT_NAMESPACE),
    ...given('ca_file', env.VAULT_CACERT),
  };
  return { ...value, vault: withCredentials({ ...defaults, ...vault }, env.CREDENTIALS_DIRECTORY) };
}

const CREDENTIAL_KEYS = /^(?:path|file|.+_file)$/;
const CREDENTIAL_NAME = /^(?!\.\.?$)[^/]+$/;

/**
 * Files of `vault` that are named without a path are credentials that systemd hands to the unit: they lie in
 * $CREDENTIALS_DIRECTORY under that name (systemd.exec(5), LoadCredential=).
 */
function withCredentials(vault: Readonly<Record<string, unknown>>, dir: string | undefined): unknown {
  if (dir === undefined || dir === '') return vault;
  const placed = (owner: object) =>
    Object.fromEntries(
      Object.entries(owner).map(([key, value]) => [
        key,
        CREDENTIAL_KEYS.test(key) && typeof value === 'string' && CREDENTIAL_NAME.test(value)
          ? join(dir, value)
          : value,
      ]),
    );
  const { auth } = vault;
  const isMap = auth !== null && typeof auth === 'object' && !Array.isArray(auth);
  return { ...placed(vault), ...(isMap ? { auth: placed(auth) } : {}) };
}

const given = (key: string, value: string | undefined): Record<string, string> =>
  value === undefined || value === '' ? {} : { [key]: value };
