// Owns the step from --policies DIR to the policies in it.

import { UsageError } from '../../cli/failure.ts';
import type { PolicyBook } from './policy-book.ts';

/** @throws UsageError when the directory cannot be read */
export function policyDirectory(dir: string, open: (dir: string) => PolicyBook): PolicyBook {
  try {
    return open(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--policies ${dir} cannot be read (${code})`,
      'give a directory with .hcl or .json files',
    );
  }
}
