// Owns what the policy commands are given: profiles, the names of the installation, accessors of mounts. Invariant: all
// of it is read before Vault is asked anything; a profile that cannot be read stops the command.

import { existsSync } from 'node:fs';
import { readSettings } from '../../adapters/settings/agent-settings.ts';
import { nameOf, profileFiles, readProfile } from '../../adapters/settings/profile-files.ts';
import { SettingsFault } from '../../adapters/settings/yaml-file.ts';
import { UsageError } from '../../cli/failure.ts';
import type { Profile } from '../../domain/profile.ts';
import { DEFAULT_NAMES, type Names } from '../../policy/names.ts';
import type { AgentConfig } from '../../schema/config.ts';

export const inputOptions = {
  config: { type: 'string' },
  profiles: { type: 'string' },
  profile: { type: 'string', multiple: true },
  'mount-accessor': { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

export const INPUTS = `  --config FILE        the agent's configuration: where its profiles are, what its roles are called, the leash
                       (default /etc/tasklease/agent.yaml, where there is one)
  --profiles DIR       the profiles, where they are elsewhere (default profiles_dir of the configuration)
  --profile P          only this profile; may be given again. A path to a file will do as well
  --mount-accessor MOUNT=ACCESSOR
                       of the mount that templated policies name, such as token=auth_token_1a2b3c4d`;

export interface Inputs {
  readonly config?: string | undefined;
  readonly profiles?: string | undefined;
  readonly profile?: readonly string[] | undefined;
  readonly 'mount-accessor'?: readonly string[] | undefined;
}

export interface Given {
  readonly names: Names;
  /** All of the agent's. */
  readonly profiles: readonly Profile[];
  /** Those that were asked for by name; absent for all. */
  readonly only?: readonly string[];
  readonly accessors: Readonly<Record<string, string>>;
  /** Of the configuration; absent where there is none. */
  readonly config?: AgentConfig;
  /** Where the profiles came from, for messages. */
  readonly from: string;
}

const CONFIG = '/etc/tasklease/agent.yaml';

export function readInputs(command: string, values: Inputs, env: NodeJS.ProcessEnv = process.env): Given {
  const file = values.config ?? (existsSync(CONFIG) && values.profiles === undefined ? CONFIG : undefined);
  // An administrator's own shell may have a token; the agent's may not.
  const config =
    file === undefined
      ? undefined
      : orUsage(() => readSettings(file, { ...env, VAULT_TOKEN: undefined })).config;
  const asked = values.profile ?? [];
  const files = asked.filter((each) => /\/|\.yaml$/.test(each));
  const dir = values.profiles ?? config?.profiles_dir ?? '/etc/tasklease/profiles';
  const all = orUsage(() =>
    (files.length === asked.length && files.length > 0 && values.profiles === undefined
      ? files
      : [...profileFiles(dir), ...files]
    ).map(readProfile),
  );
  const profiles = [...new Map(all.map((profile) => [profile.name as string, profile])).values()];
  if (profiles.length === 0) {
    throw new UsageError(
      `there is no profile in ${dir}`,
      `tasklease ${command} --profiles DIR, or --config agent.yaml`,
    );
  }
  const named = asked.map((each) => (files.includes(each) ? nameOf(each) : each));
  const unknown = named.find((name) => !profiles.some((profile) => profile.name === name));
  if (unknown !== undefined) {
    const known = profiles.map(({ name }) => name).join(', ');
    throw new UsageError(`there is no profile ${unknown} in ${dir}`, `take one of ${known}`);
  }
  return {
    names: config === undefined ? DEFAULT_NAMES : namesOf(config),
    profiles,
    ...(named.length === 0 || (files.length === asked.length && files.length === profiles.length)
      ? {}
      : { only: named }),
    accessors: accessorsOf(values['mount-accessor'] ?? [], command),
    ...(config === undefined ? {} : { config }),
    from: dir,
  };
}

export const namesOf = ({ vault }: AgentConfig): Names => ({
  sessionRole: vault.session_role,
  tokenRole: vault.token_role,
  usesMount: vault.uses_mount,
  leashMs: vault.leash,
  login: { method: vault.auth.method, mount: 'mount' in vault.auth ? vault.auth.mount : vault.auth.method },
});

function accessorsOf(pairs: readonly string[], command: string): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = /^(?<mount>[^=]+?)\/?=(?<accessor>[A-Za-z0-9_-]+)$/.exec(pair);
      if (match !== null) return [match.groups!.mount!, match.groups!.accessor!];
      throw new UsageError(
        `--mount-accessor ${JSON.stringify(pair)} is not MOUNT=ACCESSOR`,
        `tasklease ${command} --mount-accessor token=auth_token_1a2b3c4d (vault auth list -format=json)`,
      );
    }),
  );
}

/** A fault of a file that was named is the caller's to correct. */
export function orUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SettingsFault)
      throw new UsageError(error.message, 'correct the file and repeat the command');
    throw error;
  }
}
