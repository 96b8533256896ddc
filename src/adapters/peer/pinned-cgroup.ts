// Owns how a cgroup is pinned: by its open cgroup.events, which has news when its last process ends
// (cgroups(7), EPOLLPRI) and stays this very cgroup when another is made under the same name.

import { closeSync, openSync, readFileSync, readSync, type Stats, statfsSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { Problem } from '../../domain/problem.ts';
import type { Binder } from '../../ports/liveness.ts';
import { EPOLLPRI } from '../native/linux.ts';
import { exhaustion, invalid, type Pinned } from './pinned.ts';

// statfs(2), CGROUP2_SUPER_MAGIC.
const CGROUP2_MAGIC = 0x63677270;

/**
 * @param path as /proc/<pid>/cgroup has it after `0::`
 * @throws Problem SIGNAL_INVALID
 */
export function pinCgroup(path: string, by: Binder | null, expected: string | undefined): Pinned {
  checkPath(path);
  const dir = directoryOf(path);
  const fd = open(path, dir);
  try {
    const stat = statSync(dir);
    const identity = `${stat.dev}:${statSync(dir, { bigint: true }).ino}`;
    // Opened before the directory was looked at: while it can be read, both are the same cgroup.
    if (!populated(fd)) throw invalid(`bind.cgroup ${path} has no process`, HINT);
    if (expected !== undefined && identity !== expected) {
      throw invalid(
        `bind.cgroup ${path} is another cgroup now than the one that was bound`,
        'start the task anew, bound to the cgroup that is to have it',
      );
    }
    checkBinder(path, stat, by);
    return { fd, events: EPOLLPRI, identity, ended: () => !populated(fd), signal: () => false };
  } catch (error) {
    closeSync(fd);
    if (error instanceof Problem || exhaustion(error) !== null) throw error;
    throw noSuchCgroup(path, error);
  }
}

const HINT = 'give the path of a living cgroup as /proc/<pid>/cgroup shows it after "0::"';

const noSuchCgroup = (path: string, cause: unknown): Problem =>
  new Problem('SIGNAL_INVALID', `bind.cgroup ${path} is not a cgroup that can be watched`, {
    cause,
    hint: HINT,
  });

function checkPath(path: string): void {
  const plain = path.startsWith('/') && posix.normalize(path) === path && !path.includes('\0');
  const named = path === '/' || !path.endsWith('/');
  if (!plain || !named || path.length > 4096) {
    throw invalid('bind.cgroup must be an absolute path without "..", "//" or an ending "/"', HINT);
  }
  if (path === '/') {
    throw invalid('bind.cgroup / never ends: it holds every process', 'give a cgroup of the task alone');
  }
}

function open(path: string, dir: string): number {
  try {
    if (statfsSync(dir).type !== CGROUP2_MAGIC) throw new Error(`${dir} is not on cgroup2`);
    return openSync(`${dir}/cgroup.events`, 'r');
  } catch (error) {
    if (exhaustion(error) !== null) throw error;
    throw noSuchCgroup(path, error);
  }
}

/** False once no process is left in it or below it, also when it has been removed (ENODEV). */
function populated(fd: number): boolean {
  const bytes = Buffer.alloc(256);
  try {
    // From the beginning: reading is also what makes the kernel tell the next change.
    return /^populated 1$/m.test(bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0)));
  } catch {
    return false;
  }
}

/** Who lives in a cgroup, or was given it (delegation), may tie a task to it. */
function checkBinder(path: string, { uid }: Stats, by: Binder | null): void {
  if (by === null || uid === by.uid) return;
  const own = cgroupOf(by.pid);
  if (own === path || own?.startsWith(`${path}/`)) return;
  throw invalid(
    `bind.cgroup ${path} is neither the caller's own nor one that uid ${by.uid} owns`,
    'bind a cgroup that you live in, or use the admin socket',
  );
}

/** The cgroup2 path of a process, proc_pid_cgroup(5); null when it is gone or has none. */
export function cgroupOf(pid: number): string | null {
  try {
    return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * The directory of a cgroup: under the cgroup2 mount that shows it, proc_pid_mountinfo(5). In a container
 * the mount may show a part of the tree only, which its root says.
 * @throws Problem SIGNAL_INVALID
 */
function directoryOf(path: string): string {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount, type] = line.split(' - ');
    if (mount === undefined || !type?.startsWith('cgroup2 ')) continue;
    const [, , , root, point] = mount.split(' ').map(unescapeOctal);
    if (root === '/') return `${point}${path}`;
    if (path.startsWith(`${root}/`)) return `${point}${path.slice(root!.length)}`;
  }
  throw invalid(
    `bind.cgroup ${path} is not under a cgroup2 mount that the agent sees`,
    'mount cgroup2 for the agent (mount -t cgroup2 none /sys/fs/cgroup), or bind a pid or the connection',
  );
}

/** Spaces in mountinfo are written \040. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
