// Owns the reading of a JWT from a file. Invariant: it is never an argument: what stands on a command line is there for
// everybody to see.

import { readFileSync } from 'node:fs';
import { UsageError } from './failure.ts';

/** @throws UsageError */
export function readJwt(option: string, file: string): string {
  try {
    const text = readFileSync(file, 'utf8').trim();
    if (text !== '') return text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${option} ${file} cannot be read (${code})`, 'give the file that holds the JWT');
  }
  throw new UsageError(`${option} ${file} is empty`, 'give the file that holds the JWT');
}
