// Owns what a failed publication or removal tells: which resource ran out, and what to do about it.

import { statfsSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';

/** To be asked before anything is tidied up: a full file system has room again afterwards. */
export function deliveryProblem(error: unknown, what: string, dir: string): Problem {
  if (error instanceof Problem) return error;
  const code = (error as NodeJS.ErrnoException).code || (error as Error).message;
  const hint = advice(code, dir);
  return new Problem('DELIVERY_FAILED', `${what}: ${code}`, {
    cause: error,
    retryable: hint !== null,
    hint: hint ?? `look at the mount of secrets_dir ${dir}`,
  });
}

/** Null where the cause does not pass by itself. */
function advice(code: string, dir: string): string | null {
  switch (code) {
    case 'ENOSPC':
      return hasNoInodes(dir)
        ? `the tmpfs of secrets_dir ${dir} has no inode left: mount it with a larger nr_inodes=`
        : `the tmpfs of secrets_dir ${dir} is full: mount it with a larger size=, or stop tasks`;
    case 'EDQUOT':
      return `the quota on secrets_dir ${dir} is used up: raise it`;
    case 'EMFILE':
    case 'ENFILE':
      return 'the agent has no file descriptor left: raise its limit of open files (LimitNOFILE=, ulimit -n)';
    case 'ENOMEM':
      return 'the kernel has no memory left for the agent: raise its memory limit';
    default:
      return null;
  }
}

/** A tmpfs says ENOSPC for both. */
function hasNoInodes(dir: string): boolean {
  try {
    const { files, ffree } = statfsSync(dir);
    return files > 0 && ffree === 0;
  } catch {
    return false;
  }
}
