// Owns the reading of the source tree for the architecture tests: every file of src/ with its imports.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** Relative to src/, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  /** For a relative import: the file's path relative to src/ ("../" leads out of it). */
  readonly target: string | null;
  /** Gone when the types are stripped: a circle of these is none. */
  readonly typeOnly: boolean;
}

// Static imports, re-exports and imports for their effect; dynamic imports. Comments are cut out before.
const STATIC = /\b(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\sfrom\s*)?(['"])([^'"\n]+)\2/g;
const DYNAMIC = /\bimport\s*\(\s*(['"])([^'"\n]+)\1/g;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(,])\/\/[^\n]*/g;

/** Every TypeScript file below a directory of the repository. */
export function sources(directory = 'src'): readonly SourceFile[] {
  const root = join(ROOT, directory);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const absolute = join(entry.parentPath, entry.name);
      const path = relative(root, absolute).split(sep).join('/');
      const text = readFileSync(absolute, 'utf8');
      return { path, text, lines: text.trimEnd().split('\n').length, imports: importsOf(path, text) };
    })
    .sort((a, b) => a.path.localeCompare(b.path));
}

/** The imports of one file's text; `path` is relative to the tree's root. */
export function importsOf(path: string, text: string): readonly Import[] {
  const code = text.replace(COMMENT, '');
  const seen = (specifier: string, typeOnly: boolean): Import => {
    const target = specifier.startsWith('.') ? posix.join(dirname(path), specifier) : null;
    return { specifier, target, typeOnly };
  };
  return [
    ...[...code.matchAll(STATIC)].map((match) => seen(match[3]!, match[1] !== undefined)),
    ...[...code.matchAll(DYNAMIC)].map((match) => seen(match[2]!, false)),
  ];
}
