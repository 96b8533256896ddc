// Owns who can read a file: never wider than the reader, and a refusal where there is no way.

import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type Access,
  accessFor,
  checkReader,
  ownPowers,
  type Powers,
} from '../../../../src/adapters/files/access.ts';
import type { FileRule } from '../../../../src/domain/file-rule.ts';

const AGENT = 500;
const READER = { uid: 1000, gid: 1000 };
const powers = (mayChown: boolean, ...groups: number[]): Powers => ({
  uid: AGENT,
  groups: new Set([AGENT, ...groups]),
  mayChown,
});

test.each<[string, Parameters<typeof accessFor>, Access]>([
  [
    'may chown: 0400, the reader’s own',
    [READER, [], powers(true)],
    { uid: 1000, gid: 1000, fileMode: 0o400 },
  ],
  [
    'may chown: a shared group changes nothing',
    [READER, [7], powers(true, 7, 1000)],
    { uid: 1000, gid: 1000, fileMode: 0o400 },
  ],
  [
    'the reader’s primary group is shared: 0440',
    [READER, [], powers(false, 1000)],
    { uid: -1, gid: 1000, fileMode: 0o440 },
  ],
  [
    'a supplementary group is shared: 0440',
    [READER, [20, 30], powers(false, 30)],
    { uid: -1, gid: 30, fileMode: 0o440 },
  ],
  [
    'several are shared: the primary one',
    [READER, [20], powers(false, 20, 1000)],
    { uid: -1, gid: 1000, fileMode: 0o440 },
  ],
  [
    'the reader is the agent: 0400, no group needed',
    [{ uid: AGENT, gid: 9 }, [], powers(false)],
    { uid: -1, gid: -1, fileMode: 0o400 },
  ],
  [
    'the reader is root: 0400',
    [{ uid: 0, gid: 0 }, [], powers(false)],
    { uid: -1, gid: -1, fileMode: 0o400 },
  ],
])('%s', (_name, args, access) => {
  expect(accessFor(...args)).toEqual(access);
});

const PGPASS: FileRule = { name: '.pgpass', format: 'pgpass' };
const KEY: FileRule = { name: 'id', format: 'ssh-key' };
const owned = accessFor(READER, [], powers(true));
const shared = accessFor(READER, [], powers(false, 1000));

test.each<[string, FileRule, number, Access, boolean]>([
  ['pgpass, 0400', PGPASS, 0o400, owned, true],
  ['pgpass, 0600', PGPASS, 0o600, owned, true],
  ['pgpass, 0440', PGPASS, 0o440, owned, false],
  ['pgpass through a group', PGPASS, 0o440, shared, false],
  ['a key, 0400', KEY, 0o400, owned, true],
  ['a key, 0440', KEY, 0o440, owned, false],
  ['a key of another owner through a group: ssh looks at its own alone', KEY, 0o440, shared, true],
  ['a certificate, 0440', { ...KEY, part: 'certificate' }, 0o440, owned, true],
  ['any other format, 0440', { name: 'f', format: 'json' }, 0o440, owned, true],
])('%s: does its reader take it?', (_name, rule, mode, access, taken) => {
  const check = () => checkReader(rule, mode, READER, access, powers(access === owned));
  if (taken) return expect(check).not.toThrow();
  expect(check).toThrow(
    expect.objectContaining({
      code: 'DELIVERY_FAILED',
      message: expect.stringMatching(
        /^(?:\.pgpass|id) would have the mode 0440: (?:psql|ssh) .* that others than its owner may read$/,
      ),
    }),
  );
});

test('neither chown nor a group: refused, with both uids and three ways out', () => {
  expect(() => accessFor(READER, [20, 30], powers(false, 40))).toThrow(
    expect.objectContaining({
      code: 'DELIVERY_FAILED',
      message: expect.stringMatching(/uid 1000 .*agent \(uid 500\)/),
      hint: expect.stringMatching(/common group.*CAP_CHOWN.*one agent per uid/),
    }),
  );
});

test('nothing is ever for others', () => {
  for (const mayChown of [true, false]) {
    for (const uid of [0, AGENT, 1000]) {
      expect(accessFor({ uid, gid: 1000 }, [], powers(mayChown, 1000)).fileMode & 0o007).toBe(0);
    }
  }
});

test('our own powers are those of this process', () => {
  const own = ownPowers();
  expect(own.uid).toBe(process.geteuid!());
  expect([...own.groups]).toEqual(expect.arrayContaining([process.getegid!(), ...process.getgroups!()]));
  const file = join(mkdtempSync(join(tmpdir(), 'tasklease-access-')), 'f');
  writeFileSync(file, '');
  const chowned = (): boolean => {
    try {
      chownSync(file, 4242, 4242);
      return true;
    } catch {
      return false;
    }
  };
  expect(own.mayChown).toBe(chowned());
  rmSync(dirname(file), { recursive: true });
});
