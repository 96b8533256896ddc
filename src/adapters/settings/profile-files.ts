// Owns profiles_dir: every *.yaml is a profile, watched (chokidar). Invariant: a file that cannot be
// used never replaces one that could.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { watch } from 'chokidar';
import type { Profile } from '../../domain/profile.ts';
import { profileFile, toProfile } from '../../schema/profile-file.ts';
import { parseYaml, readText, SettingsFault } from './yaml-file.ts';

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
  const text = readText(file);
  const version = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { ...toProfile(parseYaml(file, text, schema)), version };
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

/** Loads all profiles now and follows every change; returns how to stop. @throws SettingsFault */
export function followProfiles(dir: string, sink: ProfileSink): () => Promise<void> {
  /** What each file held when it was read last: editors and start-up tell of files that did not change. */
  const texts = new Map<string, string>();

  function load(file: string): void {
    try {
      const text = readFileSync(file, 'utf8');
      if (texts.get(file) === text) return;
      texts.set(file, text);
      sink.put(readProfile(file));
    } catch (error) {
      if (error instanceof SettingsFault) return sink.fault(nameOf(file), error.message);
      const code = (error as NodeJS.ErrnoException).code;
      if (code === undefined) throw error;
      sink.fault(nameOf(file), `${file}: cannot be read (${code}): check its owner and mode`);
    }
  }

  const blind = (error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    const next = 'raise fs.inotify.max_user_watches, or restart the agent after a change';
    sink.fault('profiles_dir', `${dir}: changes are not seen (${code ?? message}): ${next}`);
  };
  for (const file of profileFiles(dir)) load(file);
  const watcher = watch(dir, {
    depth: 0,
    ignoreInitial: true,
    // An editor writes in pieces; half a file is not a fault worth telling.
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 25 },
    ignored: (path, stats) => stats?.isFile() === true && !path.endsWith(ENDING),
  });
  // What was written between the reading above and the watcher's first scan would never be told.
  watcher.on('ready', () => {
    try {
      for (const file of profileFiles(dir)) load(file);
    } catch (error) {
      blind(error);
    }
  });
  watcher.on('error', blind);
  watcher.on('add', load);
  watcher.on('change', load);
  watcher.on('unlink', (file) => {
    texts.delete(file);
    sink.remove(nameOf(file));
  });
  return () => watcher.close();
}
