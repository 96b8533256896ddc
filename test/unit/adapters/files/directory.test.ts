// Owns the safety of directories: what others could tamper with is refused with its fix, what does not exist
// is made with the right mode. Owners and volume roots are shown where the tests run as root.

import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  isInMemory,
  privateDirectory,
  privateMemoryDirectory,
  safeDirectory,
  secretsDirectory,
  socketDirectory,
} from '../../../../src/adapters/files/directory.ts';

const isRoot = process.geteuid!() === 0;
const TMPFS_MAGIC = 0x01021994;

let disk = '';
let memory = '';
const umask = process.umask();
beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), 'tasklease-dir-'));
  memory = mkdtempSync('/dev/shm/tasklease-dir-');
});
afterEach(() => {
  process.umask(umask);
  for (const dir of [disk, memory]) rmSync(dir, { recursive: true, force: true });
});

const modeOf = (path: string): string => `0${(lstatSync(path).mode & 0o7777).toString(8)}`;
const make = (path: string, mode: number): string => {
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
};
/** Rows with the mode as people write it. */
const octal = (...modes: number[]): [string, number][] => modes.map((mode) => [`0${mode.toString(8)}`, mode]);
const refused = (run: () => void, message: RegExp, hint: RegExp) =>
  expect(run).toThrow(
    expect.objectContaining({
      code: 'TMPFS_UNSAFE',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    }),
  );

test('the two file systems under test are what they are said to be', () => {
  expect(statfsSync(memory).type).toBe(TMPFS_MAGIC);
  expect(isInMemory(memory)).toBe(true);
  expect(isInMemory(disk)).toBe(statfsSync(disk).type === TMPFS_MAGIC);
});

describe('made, with the right mode', () => {
  test.each<[string, (path: string) => unknown, string]>([
    ['safe', (path) => safeDirectory('profiles_dir', path, 0o755), '0755'],
    ['private', (path) => privateDirectory('state_dir', path), '0700'],
    ['private in memory', (path) => privateMemoryDirectory('runtime_dir', path), '0700'],
    ['for a socket', (path) => socketDirectory('socket.path', path), '0755'],
    ['for secrets', (path) => secretsDirectory(path), '0711'],
  ])('%s, also under a umask of 077', (_name, prepare, mode) => {
    process.umask(0o077);
    prepare(join(memory, 'new'));
    expect(modeOf(join(memory, 'new'))).toBe(mode);
    // The same again changes nothing.
    prepare(join(memory, 'new'));
    expect(modeOf(join(memory, 'new'))).toBe(mode);
  });

  test('with its parents', () => {
    safeDirectory('profiles_dir', join(disk, 'a', 'b', 'c'), 0o755);
    expect(modeOf(join(disk, 'a'))).toBe('0755');
    expect(modeOf(join(disk, 'a', 'b', 'c'))).toBe('0755');
  });

  test('where a file is in the way, the key and the path are named', () => {
    writeFileSync(join(disk, 'file'), '');
    refused(
      () => safeDirectory('state_dir', join(disk, 'file', 'x'), 0o700),
      /^state_dir: .*file\/x cannot be made \(ENOTDIR\)/,
      /make it/,
    );
    refused(
      () => safeDirectory('state_dir', join(disk, 'file', 'x', 'y'), 0o700),
      /^state_dir: .*file\/x\/y cannot be made \(ENOTDIR\)/,
      /make it/,
    );
    refused(
      () => safeDirectory('state_dir', join(disk, 'file'), 0o700),
      /^state_dir: .*file is not a directory/,
      /real directory/,
    );
  });
});

describe('out of reach of others', () => {
  test.each(octal(0o775, 0o757, 0o777, 0o770))(
    'writable for others, %s: refused, chmod go-w is the fix',
    (_octal, mode) => {
      const path = make(join(disk, 'open'), mode);
      refused(
        () => safeDirectory('profiles_dir', path, 0o755),
        /^profiles_dir: .*open can be changed by others \(mode 07\d\d\)/,
        /^chmod go-w \/.*open$/,
      );
      expect(modeOf(path)).toBe(`0${mode.toString(8)}`);
    },
  );

  test.each(octal(0o755, 0o711, 0o700, 0o500))('only readable for others, %s: fine', (_octal, mode) => {
    expect(() => safeDirectory('profiles_dir', make(join(disk, 'ok'), mode), 0o755)).not.toThrow();
  });

  test('a sticky directory is not safe itself, but may be above', () => {
    const path = make(join(disk, 'sticky'), 0o1777);
    refused(
      () => safeDirectory('state_dir', path, 0o700),
      /can be changed by others \(mode 01777\)/,
      /chmod go-w/,
    );
    expect(() => safeDirectory('state_dir', join(path, 'inside'), 0o700)).not.toThrow();
  });

  test('a symbolic link is refused, even to a good directory', () => {
    make(join(disk, 'real'), 0o700);
    symlinkSync(join(disk, 'real'), join(disk, 'link'));
    refused(
      () => safeDirectory('state_dir', join(disk, 'link'), 0o700),
      /^state_dir: .*link is a symbolic link/,
      /the real directory/,
    );
    refused(
      () => privateDirectory('state_dir', join(disk, 'link')),
      /is a symbolic link/,
      /the real directory/,
    );
    refused(() => secretsDirectory(join(disk, 'link')), /^secrets_dir: /, /\S/);
  });

  test('a link among the parents is refused', () => {
    make(join(disk, 'real'), 0o700);
    symlinkSync(join(disk, 'real'), join(disk, 'link'));
    refused(
      () => safeDirectory('state_dir', join(disk, 'link', 'state'), 0o700),
      /link is a symbolic link/,
      /the real directory/,
    );
  });
});

describe('private', () => {
  test('one of ours that is wider is narrowed', () => {
    const path = make(join(disk, 'wide'), 0o755);
    privateDirectory('state_dir', path);
    expect(modeOf(path)).toBe('0700');
  });

  test('in memory only, where the session token goes', () => {
    const path = make(join(memory, 'run'), 0o700);
    expect(() => privateMemoryDirectory('runtime_dir', path)).not.toThrow();
    if (isInMemory(disk)) return;
    refused(
      () => privateMemoryDirectory('runtime_dir', join(disk, 'run')),
      /^runtime_dir: .*not on tmpfs or ramfs/,
      /\/run|tmpfs/,
    );
  });
});

describe('for secrets', () => {
  test('a disk is refused, with the mount that is missing', () => {
    if (isInMemory(disk)) return;
    refused(
      () => secretsDirectory(join(disk, 'tasks')),
      /^secrets_dir: .*would reach a disk/,
      /^mount -t tmpfs .*tasks$/,
    );
  });

  test('one of ours is taken as it is', () => {
    const path = make(join(memory, 'tasks'), 0o711);
    expect(secretsDirectory(path)).toBe(path);
    expect(existsSync(join(path, 'tasklease'))).toBe(false);
  });

  test('one that its group may write to is refused', () => {
    refused(
      () => secretsDirectory(make(join(memory, 'tasks'), 0o770)),
      /can be changed by others \(mode 0770\)/,
      /chmod go-w/,
    );
  });
});

if (isRoot) {
  describe('as root', () => {
    test.each<[string, (path: string) => unknown]>([
      ['safe', (path) => safeDirectory('k', path, 0o755)],
      ['private', (path) => privateDirectory('k', path)],
      ['for a socket', (path) => socketDirectory('k', path)],
      ['for secrets', (path) => secretsDirectory(path)],
    ])('%s: a foreign owner is refused, of it or of a parent', (_name, prepare) => {
      const path = make(join(memory, 'theirs'), 0o755);
      chownSync(path, 1000, 1000);
      refused(() => prepare(path), /theirs belongs to uid 1000/, /chown it to root/);
      mkdirSync(join(path, 'ours'));
      refused(() => prepare(join(path, 'ours')), /theirs belongs to uid 1000/, /chown it to root/);
    });

    test('a parent that its group may write to is refused', () => {
      const parent = make(join(memory, 'parent'), 0o775);
      refused(
        () => safeDirectory('k', join(parent, 'x'), 0o755),
        /parent can be changed by others \(mode 0775\)/,
        /^chmod go-w \/.*parent$/,
      );
      refused(() => socketDirectory('k', join(parent, 'x')), /parent can be changed by others/, /chmod go-w/);
    });

    test.each(octal(0o777, 0o1777))(
      'a volume root of mode %s gets a 0750 directory of ours inside',
      (_octal, mode) => {
        for (const mask of [0o022, 0o077, 0]) {
          process.umask(mask);
          const path = make(join(memory, `volume-${mask}`), mode);
          expect(secretsDirectory(path)).toBe(join(path, 'tasklease'));
          expect(modeOf(join(path, 'tasklease'))).toBe('0750');
          expect(modeOf(path)).toBe(`0${mode.toString(8)}`);
          // And again, at the next start.
          expect(secretsDirectory(path)).toBe(join(path, 'tasklease'));
        }
      },
    );

    test.each(octal(0o777, 0o1777))(
      'a volume root of mode %s may hold sockets and be above',
      (_octal, mode) => {
        const path = make(join(memory, 'volume'), mode);
        expect(() => socketDirectory('socket.path', path)).not.toThrow();
        expect(() => socketDirectory('socket.path', join(path, 'run'))).not.toThrow();
        expect(secretsDirectory(join(path, 'tasks'))).toBe(join(path, 'tasks'));
        expect(modeOf(join(path, 'tasks'))).toBe('0711');
      },
    );

    test('what somebody else put into a volume root in our name is refused', () => {
      const theirs = make(join(memory, 'theirs'), 0o777);
      chownSync(make(join(theirs, 'tasklease'), 0o755), 1000, 1000);
      refused(() => secretsDirectory(theirs), /tasklease is not the agent's alone/, /^remove \/.*tasklease$/);

      const open = make(join(memory, 'open'), 0o777);
      make(join(open, 'tasklease'), 0o777);
      refused(() => secretsDirectory(open), /tasklease is not the agent's alone/, /^remove /);

      const linked = make(join(memory, 'linked'), 0o777);
      symlinkSync('/etc', join(linked, 'tasklease'));
      refused(() => secretsDirectory(linked), /tasklease is a symbolic link/, /real directory/);
    });
  });
}
