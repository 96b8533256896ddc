// Owns profiles_dir: every *.yaml is a profile, watched (chokidar). Invariant: a file that cannot be
// used never replaces one that could.

import { mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { watch } from 'chokidar';
import type { Profile } from '../../domain/profile.ts';
import { profileFile, toProfile } from '../../schema/profile-file.ts';
import { readYaml, SettingsFault } from './yaml-file.ts';

export interface ProfileSink {
  put(profile: Profile): void;
  fault(name: string, sentence: string): void;
  remove(name: string): void;
}

const ENDING = '.yaml';
const nameOf = (file: string): string => basename(file, ENDING);

/** @throws SettingsFault */
export function readProfile(file: string): Profile {
  const name = nameOf(file);
  const schema = profileFile.refine((profile) => profile.profile === name, {
    path: ['profile'],
    message: `must be the file's name, ${name}`,
  });
  return toProfile(readYaml(file, schema));
}

/** Every profile file of the directory, in order; none when it does not exist yet. @throws SettingsFault */
export function profileFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith(ENDING) && !name.startsWith('.'))
      .sort()
      .map((name) => join(dir, name));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return [];
    throw new SettingsFault(`profiles_dir ${dir} cannot be read (${code}): make it and put profiles there`);
  }
}

function load(file: string, sink: ProfileSink): void {
  try {
    sink.put(readProfile(file));
  } catch (error) {
    if (!(error instanceof SettingsFault)) throw error;
    sink.fault(nameOf(file), error.message);
  }
}

/** Loads all profiles now and follows every change; returns how to stop. @throws SettingsFault */
export function followProfiles(dir: string, sink: ProfileSink): () => Promise<void> {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  for (const file of profileFiles(dir)) load(file, sink);
  const watcher = watch(dir, {
    depth: 0,
    ignoreInitial: true,
    // An editor writes in pieces; half a file is not a fault worth telling.
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 25 },
    ignored: (path, stats) => stats?.isFile() === true && !path.endsWith(ENDING),
  });
  // What was written between the reading above and the watcher's first scan would never be told.
  watcher.on('ready', () => {
    for (const file of profileFiles(dir)) load(file, sink);
  });
  watcher.on('add', (file) => load(file, sink));
  watcher.on('change', (file) => load(file, sink));
  watcher.on('unlink', (file) => sink.remove(nameOf(file)));
  return () => watcher.close();
}
