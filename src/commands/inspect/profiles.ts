// Owns the reading of all profiles of a configuration with what is wrong with them, for whoever checks them without an
// agent. Invariant: one bad file does not hide another.

import { profileFiles, readProfile } from '../../adapters/settings/profile-files.ts';
import { SettingsFault } from '../../adapters/settings/yaml-file.ts';
import type { Profile } from '../../domain/profile.ts';
import type { AgentConfig } from '../../schema/config.ts';

export interface ReadProfiles {
  readonly profiles: readonly Profile[];
  /** How many files there are. */
  readonly files: number;
  readonly faults: readonly string[];
}

/** @param file the configuration's, for messages @throws SettingsFault when profiles_dir cannot be read */
export function readProfiles(config: AgentConfig, file: string): ReadProfiles {
  const files = profileFiles(config.profiles_dir);
  const faults: string[] = [];
  const profiles: Profile[] = [];
  for (const path of files) {
    try {
      profiles.push(readProfile(path));
    } catch (error) {
      if (!(error instanceof SettingsFault)) throw error;
      faults.push(error.message);
    }
  }
  const names = new Set<string>(profiles.map(({ name }) => name));
  for (const { name, children } of profiles) {
    for (const child of children.filter((one) => !names.has(one))) {
      faults.push(`${name}.yaml: children: names profile ${child}, which is not there`);
    }
  }
  for (const { id, profile } of config.tasks) {
    if (!names.has(String(profile)))
      faults.push(`${file}: tasks: ${id} names profile ${profile}, which is not there`);
  }
  return { profiles, files: files.length, faults };
}
