// Owns what the kernel shows of a calling process, and the conditions on it (`allow.where`). Invariant: what could not
// be seen fulfils no condition.

import { fitsAny } from './pattern.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';

/** Of the process that asked, at the moment it asked. Null is what the agent could not see. */
export interface Evidence {
  /** In the agent's pid namespace; 0 where the caller lives in another. */
  readonly pid: number;
  /** The executable, by the path under which the agent finds the very same file. */
  readonly exe: string | null;
  /** cgroup2, as /proc/<pid>/cgroup has it after `0::`. */
  readonly cgroup: string | null;
  /** Id of the container that the cgroup is of. */
  readonly container: string | null;
}

/** Patterns of absolute paths: `*` stops at `/`, `**` does not. Each key that is there must fit. */
export interface Where {
  readonly exe?: readonly string[];
  readonly cgroup?: readonly string[];
}

/** @throws Problem PROFILE_DENIED */
export function checkWhere(profile: Profile, evidence: Evidence | null, samePidNamespace: boolean): void {
  const { where } = profile.allow;
  if (where === undefined) return;
  if (!samePidNamespace) {
    throw new Problem(
      'PROFILE_DENIED',
      `profile ${profile.name} has conditions on the caller's process, which means nothing across pid namespaces`,
      { hint: 'let the caller and the agent share a pid namespace, or take allow.where out of the profile' },
    );
  }
  for (const key of ['exe', 'cgroup'] as const) {
    const patterns = where[key];
    const value = evidence?.[key] ?? null;
    if (patterns === undefined || (value !== null && fitsAny(value, patterns))) continue;
    const is = value === null ? 'could not be seen' : `is ${printable(value)}`;
    throw new Problem('PROFILE_DENIED', `profile ${profile.name} is not for this caller: its ${key} ${is}`, {
      hint:
        value === null && key === 'exe'
          ? 'the agent must be root, of the same uid, or have CAP_SYS_PTRACE, and find the very same file under that path'
          : `compare allow.where.${key} in ${profile.name}.yaml`,
    });
  }
}

/** Names of files and cgroups may hold anything. */
const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 200);

const CONTAINER = /(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])/g;

/** The innermost container of a cgroup, by the 64 hexadecimal digits that engines name it with. */
export const containerOf = (cgroup: string | null): string | null =>
  [...(cgroup ?? '').matchAll(CONTAINER)].at(-1)?.[1] ?? null;
