// Owns which Vault paths the tasks of a profile may come to. Invariant: every value that a list names is tried; where a
// pattern or the start decides, one value stands for all.

import type { Profile } from './profile.ts';
import { slots } from './template.ts';

/** A segment that any rule for "whatever stands here" matches. */
const ANY = 'x';
const MOST_PATHS = 64;

/** Paths of the profile's secrets with their slots filled in; of each secret 64 at most. */
export function secretPaths(profile: Profile): string[] {
  return profile.secrets.flatMap(({ path }) => {
    let paths = [path];
    for (const slot of new Set(slots(path))) {
      const values = (slot.startsWith('params.') && profile.params[slot.slice('params.'.length)]?.enum) || [
        ANY,
      ];
      paths = paths.flatMap((each) => values.map((value) => filled(each, slot, value))).slice(0, MOST_PATHS);
    }
    return paths;
  });
}

const filled = (path: string, slot: string, value: string): string =>
  path.replace(/\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g, (whole, name: string) => (name === slot ? value : whole));
