// Owns the manifest of a generation: which files it has, from which secrets, how long. Invariant: nothing of a
// secret is in it, no checksum either, because a short secret could be guessed from one.

import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const MANIFEST = 'manifest.json';

export interface Manifest {
  readonly task: string;
  readonly generation: number;
  readonly files: readonly {
    readonly file: string;
    readonly secret: string;
    readonly format: string;
    readonly bytes: number;
  }[];
}

/** The reader owns the file and may have changed it: more than this is not read. */
const MAX_BYTES = 1024 * 1024;

export const manifestBytes = (manifest: Manifest): Buffer =>
  Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);

/** Whether every one of these files is in the directory, a plain file as long as it was written. */
export function isWhole(generation: string, names: readonly string[]): boolean {
  try {
    const path = join(generation, MANIFEST);
    const stat = lstatSync(path);
    if (!stat.isFile() || stat.size > MAX_BYTES) return false;
    const { files } = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    const sizes = new Map(files.map(({ file, bytes }) => [file, bytes]));
    return names.every((name) => {
      const file = lstatSync(join(generation, name));
      return file.isFile() && file.size === sizes.get(name);
    });
  } catch {
    // Gone, not JSON, or not of this shape.
    return false;
  }
}
