// Owns the task directories on tmpfs. Invariant: `current` always points at a whole generation; owner
// and mode settle before a name becomes visible; directories belong to the agent, so that a workload can
// neither swap nor keep them.

import * as fs from 'node:fs';
import { join } from 'node:path';
import type { TaskId } from '../../domain/ids.ts';
import { Problem } from '../../domain/problem.ts';
import type { Files, Publication } from '../../ports/files.ts';
import { type Access, accessFor, ownPowers, type Powers } from './access.ts';
import { isInMemory } from './directory.ts';
import { render } from './render.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

export interface TmpfsOptions {
  /** A directory that directory.ts has found safe. */
  readonly dir: string;
  /** A file that remembers which directory is the agent's alone; without it only one that is empty or holds nothing but task directories is taken. */
  readonly claimFile?: string;
}

/**
 * @throws Problem TMPFS_UNSAFE when it is not in memory, or holds what the agent did not make
 */
export async function openTmpfsFiles({ dir, claimFile }: TmpfsOptions): Promise<Files> {
  assertInMemory(dir);
  claim(dir, claimFile);
  const powers = ownPowers();
  return {
    currentDir: (task) => join(dir, task, 'current'),
    async publish(publication) {
      try {
        assertInMemory(dir);
        return publish(dir, publication, powers);
      } catch (error) {
        fs.rmSync(join(dir, publication.task, `gen-${publication.n}`), { recursive: true, force: true });
        throw deliveryProblem(error, publication.task);
      }
    },
    async erase(task) {
      const path = join(dir, task);
      try {
        fs.rmSync(join(path, 'current'), { force: true });
        fs.rmSync(path, { recursive: true, force: true });
      } catch (error) {
        throw deliveryProblem(error, task);
      }
    },
    async sweep(keep) {
      const strays = fs.readdirSync(dir).filter((name) => !keep.has(name));
      for (const name of strays) fs.rmSync(join(dir, name), { recursive: true, force: true });
      return strays;
    },
  };
}

function publish(dir: string, publication: Publication, powers: Powers): readonly string[] {
  const { task, n, reader } = publication;
  const access = accessFor(reader, publication.readerGroups, powers);
  letPass(dir, publication, access, powers);
  const home = join(dir, task);
  const generation = join(home, `gen-${n}`);
  const passage = forOthers(publication, access) ? 0o751 : 0o750;
  makeDirectory(home, access, passage);
  fs.rmSync(generation, { recursive: true, force: true });
  fs.mkdirSync(generation, { mode: 0o700 });
  const names: string[] = [];
  const manifest: { file: string; secret: string; format: string; bytes: number }[] = [];
  for (const { secret, data, files } of publication.deliveries) {
    for (const rule of files) {
      const bytes = render(secret, rule, data);
      try {
        const own = rule.owner === undefined ? access : accessFor(rule.owner, [], powers);
        writeWhole(join(generation, rule.name), bytes, own, rule.mode ?? publication.mode ?? own.fileMode);
      } finally {
        bytes.fill(0);
      }
      names.push(rule.name);
      manifest.push({ file: rule.name, secret, format: rule.format, bytes: bytes.length });
    }
  }
  const listing = Buffer.from(`${JSON.stringify({ task, generation: n, files: manifest }, null, 2)}\n`);
  writeWhole(join(generation, 'manifest.json'), listing, access, access.fileMode);
  settleDirectory(generation, access, passage);
  const link = join(home, `.current-${n}`);
  fs.rmSync(link, { force: true });
  fs.symlinkSync(`gen-${n}`, link);
  fs.renameSync(link, join(home, 'current'));
  return names;
}

/**
 * The reader has to pass through the secrets directory. One that the agent made inside a volume root is
 * 0750 and given to the first reader's group; any other is the operator's to open.
 */
function letPass(dir: string, { reader, readerGroups }: Publication, access: Access, powers: Powers): void {
  if (reader.uid === powers.uid || reader.uid === 0) return;
  const { mode, gid } = fs.statSync(dir);
  if ((mode & 0o001) !== 0) return;
  if ((mode & 0o010) !== 0 && [reader.gid, ...readerGroups].includes(gid)) return;
  if ((mode & 0o777) === 0o750 && gid === process.getegid!() && access.gid !== -1) {
    fs.chownSync(dir, -1, access.gid);
    return;
  }
  throw new Problem('DELIVERY_FAILED', `uid ${reader.uid} cannot pass through ${dir}`, {
    hint: `chmod 0711 ${dir}, or give it a group that both share`,
  });
}

/** Some file is meant for more than the reader and its group: then others must reach it by name. */
const forOthers = ({ deliveries, mode }: Publication, access: Access): boolean =>
  deliveries
    .flatMap(({ files }) => files)
    .some(
      (rule) =>
        ((rule.mode ?? mode ?? 0) & 0o007) !== 0 ||
        (rule.owner !== undefined && rule.owner.gid !== access.gid),
    );

function makeDirectory(path: string, access: Access, mode: number): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  settleDirectory(path, access, mode);
}

function settleDirectory(path: string, access: Access, mode: number): void {
  if (access.gid !== -1) fs.chownSync(path, -1, access.gid);
  fs.chmodSync(path, mode);
}

/** A full tmpfs leaves a truncated file: the size is checked before anything points at it. */
function writeWhole(path: string, bytes: Buffer, access: Access, mode: number): void {
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
    if (fs.fstatSync(fd).size !== bytes.length) throw new Error('the file was truncated');
    fs.fchmodSync(fd, mode);
    if (access.uid !== -1 || access.gid !== -1) fs.fchownSync(fd, access.uid, access.gid);
  } finally {
    fs.closeSync(fd);
  }
}

function assertInMemory(dir: string): void {
  if (!fs.existsSync(dir)) {
    throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} is gone`, {
      hint: 'make it again on tmpfs and restart the agent',
    });
  }
  if (isInMemory(dir)) return;
  throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} is not on tmpfs or ramfs`, {
    hint: `mount -t tmpfs -o size=16m,mode=0711,noswap tmpfs ${dir}`,
  });
}

/**
 * Sweeping removes every stray entry, so the directory must be the agent's alone: empty or holding nothing
 * but task directories when it is first seen, the very same directory later.
 */
function claim(dir: string, claimFile: string | undefined): void {
  const { dev, ino } = fs.statSync(dir);
  const identity = `${dir} ${dev}:${ino}\n`;
  if (claimFile !== undefined && read(claimFile) === identity) return;
  const foreign = fs.readdirSync(dir).find((name) => !looksLikeTask(join(dir, name)));
  if (foreign !== undefined) {
    throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} holds ${foreign}, which the agent did not make`, {
      hint: 'give the agent a directory of its own',
    });
  }
  if (claimFile !== undefined) fs.writeFileSync(claimFile, identity, { mode: 0o600 });
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

const looksLikeTask = (path: string): boolean =>
  fs.lstatSync(path).isDirectory() &&
  fs.readdirSync(path).every((name) => name === 'current' || /^(?:gen-|\.current-)\d+$/.test(name));

function deliveryProblem(error: unknown, task: TaskId): Problem {
  if (error instanceof Problem) return error;
  const code = (error as NodeJS.ErrnoException).code || (error as Error).message;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new Problem('DELIVERY_FAILED', `the files of ${task} could not be written or removed: ${code}`, {
    cause: error,
    retryable: full,
    hint: full ? 'the tmpfs under secrets_dir is full: enlarge it' : 'look at the mount of secrets_dir',
  });
}
