// Owns the names inside a task's directory: `current`, a link to the generation that is shown, `gen-<n>`, and
// two hidden ones that exist only while a generation is being published.

import { readlinkSync } from 'node:fs';
import { join } from 'node:path';

export const CURRENT = 'current';
/** What `current` holds: relative, so that it means the same behind every mount. */
export const target = (n: number): string => `gen-${n}`;

export const generationOf = (home: string, n: number): string => join(home, target(n));
/** A generation that is not whole yet. */
export const draftOf = (home: string, n: number): string => join(home, `.gen-${n}`);
/** What becomes `current` by a rename. */
export const linkOf = (home: string, n: number): string => join(home, `.current-${n}`);

export const isOurs = (name: string): boolean => name === CURRENT || /^(?:\.?gen|\.current)-\d+$/.test(name);
/** Left behind where a publication was cut off. */
export const isUnfinished = (name: string): boolean => isOurs(name) && name.startsWith('.');

/** The generation that readers see; null when there is none. */
export function shown(home: string): number | null {
  try {
    const n = /^gen-(\d+)$/.exec(readlinkSync(join(home, CURRENT)))?.[1];
    return n === undefined ? null : Number(n);
  } catch {
    return null;
  }
}
