// Owns the safety of directories: made with the right mode, on the right file system, out of reach of
// others. Invariant: what passes here can be changed by root and the agent only.

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Problem } from '../../domain/problem.ts';

// statfs(2): file systems that live in memory.
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

export function isInMemory(path: string): boolean {
  const { type } = statfsSync(path);
  return type === TMPFS_MAGIC || type === RAMFS_MAGIC;
}

/**
 * Makes `path` and its parents, or checks that nobody but root and the agent can replace what is in it.
 * @param name the configuration key, for messages
 * @throws Problem TMPFS_UNSAFE with the fix
 */
export function safeDirectory(name: string, path: string, mode: number): void {
  ensure(name, path, mode);
  const stat = look(name, path);
  checkOwner(name, path, stat);
  if ((stat.mode & 0o022) !== 0) throw open(name, path, stat);
  checkParents(name, path);
}

/**
 * A directory that is only read. A read-only mount may have any mode (a Kubernetes ConfigMap is root-owned
 * 0777); one that can be written must be safe.
 */
export function readDirectory(name: string, path: string): void {
  ensure(name, path, 0o755);
  if (isReadOnly(path)) return checkOwner(name, path, look(name, path));
  safeDirectory(name, path, 0o755);
}

/** access(2): EROFS tells a read-only file system from a lack of rights, for root too. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

/** Another mount of the same volume may be the one to write to, so a read-only one is a mistake of its own. */
function writable(name: string, path: string): void {
  if (isReadOnly(path)) throw unsafe(name, `${path} is read-only`, 'mount it with rw');
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch {
    const uid = process.geteuid?.();
    throw unsafe(name, `${path} cannot be written by uid ${uid}`, "chown it to the agent's uid");
  }
}

/** A directory for a socket: volume roots and sticky directories will do, since the name itself is ours. */
export function socketDirectory(name: string, path: string): void {
  ensure(name, path, 0o755);
  checkPassable(name, path);
  checkParents(name, path);
}

/**
 * A directory that only the agent may even look into; one of ours that is wider is narrowed. On a file system
 * that has gone read-only it will do: then the journal says so, and what is in it can still be revoked.
 */
export function privateDirectory(name: string, path: string): void {
  safeDirectory(name, path, 0o700);
  if (isReadOnly(path)) return;
  writable(name, path);
  const stat = look(name, path);
  if ((stat.mode & 0o077) === 0) return;
  if (stat.uid !== process.geteuid?.()) {
    throw unsafe(name, `${path} is open to others (mode ${octal(stat)})`, `chmod 0700 ${path}`);
  }
  chmodSync(path, 0o700);
}

/** A private directory that a reboot empties. */
export function privateMemoryDirectory(name: string, path: string): void {
  privateDirectory(name, path);
  writable(name, path);
  if (isInMemory(path)) return;
  throw unsafe(
    name,
    `${path} is not on tmpfs or ramfs, so the session token would reach a disk`,
    'give a directory under /run or another tmpfs',
  );
}

/**
 * The directory that task directories go into. A volume root that everybody may write to (a Kubernetes
 * emptyDir is root-owned 0777) gets a directory of ours inside.
 * @throws Problem TMPFS_UNSAFE when it is not on tmpfs or ramfs, or not safe
 */
export function secretsDirectory(path: string): string {
  const name = 'secrets_dir';
  ensure(name, path, 0o711);
  if (!isInMemory(path)) {
    throw unsafe(
      name,
      `${path} is not on tmpfs or ramfs, so secrets would reach a disk`,
      `mount -t tmpfs -o size=16m,mode=0711,noswap tmpfs ${path}`,
    );
  }
  const stat = look(name, path);
  if (!isVolumeRoot(stat)) {
    safeDirectory(name, path, 0o711);
    writable(name, path);
    return path;
  }
  writable(name, path);
  checkParents(name, path);
  const inside = join(path, 'tasklease');
  ensure(name, inside, 0o750);
  const own = look(name, inside);
  if (own.uid !== process.geteuid?.() || (own.mode & 0o022) !== 0) {
    throw unsafe(name, `${inside} is not the agent's alone`, `remove ${inside}`);
  }
  return inside;
}

/** Root-owned and writable for everybody, sticky or not: how volumes are handed to containers. */
const isVolumeRoot = (stat: Stats): boolean => stat.uid === 0 && (stat.mode & 0o002) !== 0;

function checkParents(name: string, path: string): void {
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    checkPassable(name, dir);
    if (dir === dirname(dir)) return;
  }
}

function checkPassable(name: string, dir: string): void {
  const stat = look(name, dir);
  checkOwner(name, dir, stat);
  const sticky = (stat.mode & 0o1000) !== 0;
  if ((stat.mode & 0o022) !== 0 && !sticky && !isVolumeRoot(stat)) throw open(name, dir, stat);
}

function checkOwner(name: string, dir: string, stat: Stats): void {
  if (stat.uid === 0 || stat.uid === process.geteuid?.()) return;
  throw unsafe(name, `${dir} belongs to uid ${stat.uid}`, "chown it to root or to the agent's uid");
}

const open = (name: string, dir: string, stat: Stats): Problem =>
  unsafe(name, `${dir} can be changed by others (mode ${octal(stat)})`, `chmod go-w ${dir}`);

function ensure(name: string, path: string, mode: number): void {
  try {
    const parent = dirname(path);
    if (!existsSync(parent)) mkdirSync(parent, { recursive: true, mode: 0o755 });
    else if (!statSync(parent).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    mkdirSync(path, { mode });
    chmodSync(path, mode);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return;
    throw unsafe(name, `${path} cannot be made (${code})`, "make it, owned by the agent's uid");
  }
}

function look(name: string, path: string): Stats {
  const stat = lstatSync(path);
  if (stat.isDirectory()) return stat;
  const what = stat.isSymbolicLink() ? 'a symbolic link' : 'not a directory';
  throw unsafe(name, `${path} is ${what}`, 'give the real directory');
}

const octal = (stat: Stats): string => `0${(stat.mode & 0o7777).toString(8)}`;

const unsafe = (name: string, detail: string, hint: string): Problem =>
  new Problem('TMPFS_UNSAFE', `${name}: ${detail}`, { hint });
