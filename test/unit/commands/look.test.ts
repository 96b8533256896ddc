// What doctor reads of a host, from texts as the kernel writes them.

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inspectCredential, inspectDirectory } from '../../../src/adapters/files/inspect.ts';
import { inspectJournal } from '../../../src/adapters/journal/inspect.ts';
import { openJournal } from '../../../src/adapters/journal/sqlite-journal.ts';
import { kernelAtLeast, lockHolder, mountOf, swaps } from '../../../src/adapters/system/look.ts';
import { skewOf } from '../../../src/adapters/vault/probe.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-look-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const own = process.geteuid!();

test('the mount of a path is the deepest one, and of two at one place the later', () => {
  const text = [
    '22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw',
    '30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw,size=16m',
    '31 30 0:26 / /run/task\\040lease rw - tmpfs tmpfs rw',
    '32 31 0:27 / /run/task\\040lease rw - tmpfs tmpfs rw,noswap',
    '',
  ].join('\n');
  expect(mountOf('/run/task lease/tasks', text)?.options).toContain('noswap');
  expect(mountOf('/run/taskle', text)).toMatchObject({ point: '/run', type: 'tmpfs' });
  expect(mountOf('/etc', text)).toMatchObject({ point: '/', type: 'ext4' });
});

test('swap is what proc_swaps(5) lists below its heading', () => {
  expect(swaps('Filename\tType\tSize\n')).toEqual([]);
  expect(swaps('Filename Type\n/dev/sda2   partition  1\n/swap file 2\n')).toEqual(['/dev/sda2', '/swap']);
});

test('the holder of a lock is found by the inode, other kinds of locks are not', () => {
  const { ino } = statSync(dir);
  const line = (kind: string) => `1: ${kind}  ADVISORY  WRITE 4711 00:1b:${ino} 0 EOF`;
  expect(lockHolder(dir, line('POSIX'))).toBeNull();
  expect(lockHolder(dir, '')).toBeNull();
  expect(lockHolder(join(dir, 'none'), line('FLOCK'))).toBeNull();
});

test.each([
  ['6.5.0-generic', 6, 5, true],
  ['6.18.1', 6, 5, true],
  ['5.15.0', 6, 5, false],
  ['7.0', 6, 5, true],
])('kernel %s is at least %i.%i: %s', (text, major, minor, expected) => {
  expect(kernelAtLeast(major, minor, text)).toBe(expected);
});

test.each([
  ['within the second that the header cannot tell', 'Sun, 22 Nov 2026 10:00:00 GMT', '10:00:00.900', 0],
  ['ahead', 'Sun, 22 Nov 2026 10:00:31 GMT', '10:00:00.000', 30_900],
  ['behind', 'Sun, 22 Nov 2026 09:59:00 GMT', '10:00:00.000', -59_001],
])('the clock of Vault: %s', (_what, header, sent, expected) => {
  const at = Date.parse(`2026-11-22T${sent}Z`);
  expect(skewOf(header, at, at + 100)).toBe(expected);
});

test('without a Date nothing is said of the clock', () => {
  expect(skewOf(undefined, 0, 1)).toBeNull();
  expect(skewOf('soon', 0, 1)).toBeNull();
});

describe('a directory', () => {
  const at = (name: string, mode: number) => {
    const path = join(dir, name);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  };

  test('of the agent alone is in order; one that is not there yet is too, and stays so', () => {
    expect(inspectDirectory(at('mine', 0o700), own, 'private')).toMatchObject({ exists: true, fault: null });
    expect(inspectDirectory(join(dir, 'new', 'er'), own, 'private')).toMatchObject({
      exists: false,
      fault: null,
      nearest: dir,
    });
    expect(readdirSync(dir)).toEqual(['mine']);
  });

  test('that others could change is told with the fix, and its mode stays', () => {
    const path = at('open', 0o777);
    const { fault } = inspectDirectory(path, own, own === 0 ? 'private' : 'volume');
    expect(fault).toMatchObject({
      detail: expect.stringContaining('changed by others'),
      fix: `chmod go-w ${path}`,
    });
    expect(statSync(path).mode & 0o777).toBe(0o777);
  });

  test('below one that others could change is told too', () => {
    at('open', 0o777);
    // Root's own is a volume root; any other is not.
    const { fault } = inspectDirectory(join(dir, 'open', 'mine'), own, 'private');
    expect(fault === null).toBe(own === 0);
  });

  test('that is a link or a file is none', () => {
    symlinkSync(at('real', 0o700), join(dir, 'link'));
    writeFileSync(join(dir, 'file'), '');
    expect(inspectDirectory(join(dir, 'link'), own, 'private').fault?.detail).toContain('symbolic link');
    expect(inspectDirectory(join(dir, 'file'), own, 'private').fault?.detail).toContain('not a directory');
  });

  test('of somebody else is told', () => {
    expect(inspectDirectory(at('mine', 0o700), own + 4711, 'private').fault === null).toBe(own === 0);
  });
});

test('a credential is for the agent alone', () => {
  const file = join(dir, 'secret-id');
  expect(inspectCredential(file, own)?.detail).toContain('is not there');
  writeFileSync(file, 'canary', { mode: 0o600 });
  expect(inspectCredential(file, own)).toBeNull();
  chmodSync(file, 0o644);
  expect(inspectCredential(file, own)).toMatchObject({
    detail: expect.stringContaining('read by everybody'),
    fix: `chmod 0600 ${file}`,
  });
});

describe('a journal', () => {
  const path = () => join(dir, 'journal.db');

  test('that is not there is no fault', () => {
    expect(inspectJournal(path(), false)).toEqual({ there: false });
  });

  test('is read beside the agent that has it open, and without one; its directory stays as it is', () => {
    const journal = openJournal(path(), 'boot');
    expect(inspectJournal(path(), true)).toMatchObject({
      there: true,
      fault: null,
      state: { openGrants: 0 },
    });
    journal.close();
    const before = readdirSync(dir);
    expect(inspectJournal(path(), false)).toMatchObject({
      there: true,
      fault: null,
      state: { openGrants: 0 },
    });
    expect(readdirSync(dir)).toEqual(before);
  });

  test('that is damaged is told, and stays as it is', () => {
    writeFileSync(path(), 'not a database, but long enough to be looked at'.repeat(100));
    expect(inspectJournal(path(), false)).toMatchObject({ there: true, fault: expect.stringMatching(/\S/) });
    writeFileSync(path(), '');
    expect(inspectJournal(path(), false)).toMatchObject({ fault: 'it is empty' });
    expect(readdirSync(dir)).toEqual(['journal.db']);
  });
});
