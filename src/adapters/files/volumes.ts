// Owns the question whether the agent's private directory reaches workloads with a volume of theirs. Invariant: it only
// looks, so it comes before anything that narrows a directory's mode.

import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Problem } from '../../domain/problem.ts';

/**
 * Refuses a private directory that is a shared one under a second name or, in a container, lies on the volume of a
 * shared one. An agent is in a container when it is process 1: there a mount is a volume, and a workload gets the
 * whole of it; on a host everybody sees all, and the modes decide.
 * @param shared configuration keys with the directories that workloads see
 * @throws Problem TMPFS_UNSAFE with the fix
 */
export function apartFromWorkloads(
  name: string,
  path: string,
  shared: readonly (readonly [key: string, dir: string])[],
  inContainer = process.pid === 1,
): void {
  for (const [key, dir] of shared) {
    const there = look(dir);
    const same = there !== undefined && isSame(there, look(path));
    if (!same && !(inContainer && isOnVolume(path, dir))) continue;
    const how = same ? `is the directory of ${key}` : `is on the volume of ${key}`;
    throw new Problem('TMPFS_UNSAFE', `${name}: ${path} ${how}, which workloads see`, {
      hint: 'give the agent a tmpfs of its own for it, that no workload mounts',
    });
  }
}

/** True when `dir` is the root of a mount and nothing else is mounted between it and `path`. */
function isOnVolume(path: string, dir: string): boolean {
  const root = look(dir);
  if (root === undefined || root.dev === look(dirname(dir))?.dev || !path.startsWith(`${dir}/`)) return false;
  let nearest = path;
  while (look(nearest) === undefined) nearest = dirname(nearest);
  return look(nearest)?.dev === root.dev;
}

const look = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

const isSame = (one: Stats, other: Stats | undefined): boolean =>
  other !== undefined && one.dev === other.dev && one.ino === other.ino;
