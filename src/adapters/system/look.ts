// Owns what can be seen of a host from its /proc and /sys, for doctor. Invariant: it only reads: no lock is taken, no
// file made, so that it may look at a host whose agent runs or is about to start.

import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { pidfdOpen } from '../native/linux.ts';

/** Text of a file of /proc; '' where there is none, or it may not be read. */
const proc = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

export interface Mount {
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** The mount that a path lies on: proc_pid_mountinfo(5). */
export function mountOf(path: string, mountinfo = proc('/proc/self/mountinfo')): Mount | null {
  let best: Mount | null = null;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const fields = before?.split(' ') ?? [];
    if (after === undefined || fields.length < 6) continue;
    const point = fields[4]!.replace(/\\([0-7]{3})/g, (_all, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const inside = path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
    // The later of two mounts at one place covers the other.
    if (!inside || (best !== null && point.length < best.point.length)) continue;
    const [type = '', , superOptions = ''] = after.split(' ');
    best = { point, type, options: [...fields[5]!.split(','), ...superOptions.split(',')] };
  }
  return best;
}

/** Devices and files that are swapped to: proc_swaps(5). */
export const swaps = (text = proc('/proc/swaps')): string[] =>
  text
    .split('\n')
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[0] || []);

/** Where the kernel puts core dumps of this host: core(5). */
export const corePattern = (): string => proc('/proc/sys/kernel/core_pattern').trim();

/** The soft limit on core files that this process hands on to programs; null where it cannot be seen. */
export const coreLimit = (): string | null =>
  /^Max core file size\s+(\S+)/m.exec(proc('/proc/self/limits'))?.[1] ?? null;

/**
 * The process that holds a lock on a directory, flock(2), as proc_locks(5) shows it; null when none that this process
 * can see does. Other than by locking, nobody is kept out for a moment.
 */
export function lockHolder(path: string, locks = proc('/proc/locks')): number | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  for (const line of locks.split('\n')) {
    const [, kind, , , pid, place = ''] = line.trim().split(/\s+/);
    const [major, minor, inode] = place.split(':');
    if (kind !== 'FLOCK' || Number(inode) !== stat.ino) continue;
    const device = deviceOf(Number.parseInt(major!, 16), Number.parseInt(minor!, 16));
    if (device === BigInt(stat.dev) || stat.dev < 256) return Number(pid);
  }
  return null;
}

/** makedev(3) of the C library. */
const deviceOf = (major: number, minor: number): bigint => {
  const [m, n] = [BigInt(major), BigInt(minor)];
  return (n & 0xffn) | ((m & 0xfffn) << 8n) | ((n & ~0xffn) << 12n) | ((m & ~0xfffn) << 32n);
};

/** What a living process may do about ownership: proc_pid_status(5); null when it cannot be seen. */
export function processPowers(
  pid: number,
): { readonly uid: number; readonly groups: ReadonlySet<number>; readonly mayChown: boolean } | null {
  const status = proc(`/proc/${pid}/status`);
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1];
  const uid = field('Uid')?.split(/\s+/)[1];
  if (uid === undefined) return null;
  const gid = field('Gid')?.split(/\s+/)[1];
  const groups = (field('Groups') ?? '').split(/\s+/).filter((text) => text !== '');
  return {
    uid: Number(uid),
    groups: new Set([Number(gid), ...groups.map(Number)]),
    mayChown: (BigInt(`0x${field('CapEff') ?? '0'}`) & 1n) === 1n,
  };
}

const CGROUP2_MAGIC = 0x63677270;

export const hasCgroup2 = (): boolean => {
  try {
    return statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC;
  } catch {
    return false;
  }
};

export const hasPidfd = (): boolean => {
  try {
    pidfdOpen(process.pid);
    return true;
  } catch {
    return false;
  }
};

/** Whether the kernel is this version or a later one. */
export function kernelAtLeast(major: number, minor: number, text = release()): boolean {
  const [a = 0, b = 0] = text.split('.').map((part) => Number.parseInt(part, 10));
  return a > major || (a === major && b >= minor);
}

/** Space and kind of the file system that a path lies on: statfs(2). */
export function fileSystem(path: string): { readonly freeBytes: number; readonly type: number } | null {
  try {
    const { bavail, bsize, type } = statfsSync(path);
    return { freeBytes: bavail * bsize, type };
  } catch {
    return null;
  }
}

/** File systems by statfs(2)'s number: those whose content does not outlive the host or its container. */
export const FLEETING: Readonly<Record<number, string>> = {
  16914836: 'tmpfs',
  2240043254: 'ramfs',
  2035054128: 'overlay',
};
/** Those on which SQLite's write-ahead log cannot be relied on (sqlite.org/wal.html). */
export const REMOTE: Readonly<Record<number, string>> = {
  26985: 'nfs',
  4283649346: 'cifs',
  4266872130: 'smb2',
  16914839: '9p',
  1702057286: 'fuse',
};

export const entriesOf = (dir: string): string[] | null => {
  try {
    return readdirSync(dir);
  } catch {
    return null;
  }
};
