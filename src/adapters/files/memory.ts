// Owns the question whether secrets_dir is still fit for secrets. Invariant: asked of the kernel each time, since what
// was mounted there at start may have been unmounted or filled since.

import { statfsSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import { isInMemory } from './directory.ts';

/** Null when a start would find memory there, with room in it. */
export function memoryProblem(dir: string): Problem | null {
  try {
    if (!isInMemory(dir)) {
      return new Problem('TMPFS_UNSAFE', `secrets_dir ${dir} is not on tmpfs or ramfs any more`, {
        hint: 'mount it again as it was and restart the agent',
      });
    }
    // ramfs has no size of its own and says 0 blocks.
    const { blocks, bavail, files, ffree } = statfsSync(dir);
    if ((blocks === 0 || bavail > 0) && (files === 0 || ffree > 0)) return null;
    return new Problem('DELIVERY_FAILED', `secrets_dir ${dir} is full`, {
      hint: 'give its tmpfs a larger size or more inodes, or stop tasks',
    });
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    return new Problem('TMPFS_UNSAFE', `secrets_dir ${dir} cannot be looked at (${code})`, {
      cause,
      hint: 'put it back and restart the agent',
    });
  }
}
