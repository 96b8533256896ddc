// Owns what the agent learns from and does to its host at start: groups, boot id, hardening, locks.

import { openSync, readFileSync } from 'node:fs';
import { setUndumpable, tryLock } from '../native/linux.ts';

/** Changes at every boot: proc_sys_kernel(5). */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

/** A group's id by name or number, group(5); null when there is none. */
export function groupId(group: string | number): number | null {
  if (typeof group === 'number') return group;
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`));
  const id = Number(line?.split(':')[2]);
  return Number.isInteger(id) ? id : null;
}

/** Keeps other processes of the same uid from reading memory and environment. */
export const harden = (): void => setUndumpable();

/** Locks a directory, flock(2), for the life of this process; false when another process holds it. */
export const lockDirectory = (path: string): boolean => tryLock(openSync(path, 'r'));
