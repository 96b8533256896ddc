// Owns profiles_dir: every *.yaml is a profile, and followed. Invariant: a file that cannot be used never replaces one
// that could, and each version of it is told once; what is still being written is not read.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Profile } from '../../domain/profile.ts';
import { profileFile, toProfile } from '../../schema/profile-file.ts';
import { printOf, STILL_MS, Still, watchFiles } from './watch.ts';
import { parseYaml, SettingsFault } from './yaml-file.ts';

export interface ProfileSink {
  put(profile: Profile): void;
  fault(name: string, sentence: string): void;
  /** What was wrong with something else than a profile is right again. */
  clear(name: string): void;
  remove(name: string): void;
}

const ENDING = '.yaml';
/** Under which the directory's own faults are told. No profile can have this name: it has a slash. */
const DIRECTORY = 'profiles_dir/';
/** What the profile of a file is called. */
export const nameOf = (file: string): string => basename(file, ENDING);

/** @throws SettingsFault */
export function readProfile(file: string): Profile {
  try {
    return profileOf(file, readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof SettingsFault) throw error;
    throw new SettingsFault(unreadable(file, error));
  }
}

function profileOf(file: string, text: string): Profile {
  const name = nameOf(file);
  const schema = profileFile.refine((profile) => profile.profile === name, {
    path: ['profile'],
    message: `must be the file's name, ${name}`,
  });
  const version = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { ...toProfile(parseYaml(file, text, schema)), version };
}

const unreadable = (file: string, error: unknown): string =>
  `${file}: cannot be read (${(error as NodeJS.ErrnoException).code}): check its owner and mode`;

/** Every profile file of the directory, in order. */
const filesIn = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith(ENDING) && !name.startsWith('.'))
    .sort()
    .map((name) => join(dir, name));

/** The same; none when it does not exist yet. @throws SettingsFault */
export function profileFiles(dir: string): string[] {
  try {
    return filesIn(dir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return [];
    throw new SettingsFault(`profiles_dir ${dir} cannot be read (${code}): make it and put profiles there`);
  }
}

/** Loads all profiles now and follows every change; returns how to stop. @throws SettingsFault */
export function followProfiles(dir: string, sink: ProfileSink): () => Promise<void> {
  const still = new Still();
  /** What each file held, or why it could not be read, when it was looked at last: told once. */
  const told = new Map<string, string>();

  function load(file: string, print: string): void {
    still.take(file, print);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const sentence = unreadable(file, error);
      if (told.get(file) === sentence) return;
      told.set(file, sentence);
      return sink.fault(nameOf(file), sentence);
    }
    if (told.get(file) === text) return;
    told.set(file, text);
    try {
      sink.put(profileOf(file, text));
    } catch (error) {
      if (!(error instanceof SettingsFault)) throw error;
      sink.fault(nameOf(file), error.message);
    }
  }

  for (const file of profileFiles(dir)) load(file, printOf(file));
  let blind: string | null = null;

  function look(): void {
    let files: string[];
    try {
      files = filesIn(dir);
      if (blind !== null) sink.clear(DIRECTORY);
      blind = null;
    } catch (error) {
      // Not there for a moment, or for good: what is in force stays.
      return complain(unreadable(dir, error));
    }
    let wait = false;
    for (const file of new Set([...files, ...told.keys()])) {
      const print = files.includes(file) ? printOf(file) : 'removed';
      const verdict = still.verdict(file, print);
      if (verdict === 'wait') wait = true;
      if (verdict !== 'changed') continue;
      if (print !== 'removed') {
        load(file, print);
        continue;
      }
      still.forget(file);
      told.delete(file);
      sink.remove(nameOf(file));
    }
    if (wait) watching.soon(STILL_MS);
  }

  function complain(sentence: string): void {
    if (blind === sentence) return;
    blind = sentence;
    sink.fault(DIRECTORY, sentence);
  }

  const watching = watchFiles([dir], look, (why) => {
    const next = 'raise fs.inotify.max_user_watches; until then they are seen a few seconds late';
    complain(`${dir}: changes are not told (${why}): ${next}`);
  });
  return () => watching.close();
}
