// Owns how profiles_dir is followed, on a real file system: each version is told once, whatever way it came: written,
// in pieces, renamed, by a symlink, or by the swap that Kubernetes makes under its volumes.

import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { followProfiles } from '../../../../src/adapters/settings/profile-files.ts';
import { pause, until } from '../../../harness/until.ts';

let root = '';
let dir = '';
let told: string[] = [];
let close: () => Promise<void> = async () => undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tasklease-profiles-'));
  dir = join(root, 'profiles');
  mkdirSync(dir);
  told = [];
});
afterEach(async () => {
  await close();
  rmSync(root, { recursive: true, force: true });
});

const good = (name: string, ttl = '10m') =>
  `profile: ${name}\nttl: { default: ${ttl} }\nvault: { policies: [p] }\nsecrets: { db: { path: a/b, files: { f: { format: json } } } }\n`;
const write = (name: string, text: string, at = dir) => writeFileSync(join(at, `${name}.yaml`), text);

function follow(): void {
  close = followProfiles(dir, {
    put: ({ name, ttl }) => told.push(`put ${name} ${ttl.defaultMs / 1000}`),
    fault: (name, sentence) => told.push(`fault ${name} ${sentence.slice(sentence.indexOf(': ') + 2)}`),
    clear: (name) => told.push(`clear ${name}`),
    remove: (name) => told.push(`remove ${name}`),
  });
}
const heard = (what: string | RegExp) =>
  until(`${what} is told`, async () =>
    told.some((line) => (typeof what === 'string' ? line === what : what.test(line))),
  );
/** Long enough for whatever else would be told. */
const quiet = () => pause(600);

describe('a profile', () => {
  test('is there at once, and what changes it is told once', async () => {
    write('a', good('a'));
    follow();
    expect(told).toEqual(['put a 600']);
    write('a', good('a', '1m'));
    await heard('put a 60');
    await quiet();
    expect(told).toEqual(['put a 600', 'put a 60']);
  });

  test('that is bad is told once, and again only as another version; the good one again is in force', async () => {
    write('a', good('a'));
    follow();
    write('a', 'profile: a\n');
    await heard(/^fault a/);
    write('a', 'profile: a\n');
    await quiet();
    expect(told).toHaveLength(2);
    write('a', good('a'));
    await until('it is well again', async () => told.filter((line) => line === 'put a 600').length === 2);
    write('a', 'profile: a\n');
    await until(
      'it is told again',
      async () => told.filter((line) => line.startsWith('fault a')).length === 2,
    );
  });

  test('is not read while it is written: no half of it is ever told', async () => {
    follow();
    const text = good('a');
    write('a', '');
    for (let at = 0; at < text.length; at += 8) {
      appendFileSync(join(dir, 'a.yaml'), text.slice(at, at + 8));
      await pause(10);
    }
    await heard('put a 600');
    await quiet();
    expect(told).toEqual(['put a 600']);
  });

  test('that is written aside and renamed over the old one is the new one, without a gap', async () => {
    write('a', good('a'));
    follow();
    writeFileSync(join(dir, '.a.yaml.swp'), good('a', '1m'));
    renameSync(join(dir, '.a.yaml.swp'), join(dir, 'a.yaml'));
    await heard('put a 60');
    expect(told).toEqual(['put a 600', 'put a 60']);
  });

  test('whose file is away for a moment, as editors have it, is not removed; for good it is', async () => {
    write('a', good('a'));
    follow();
    renameSync(join(dir, 'a.yaml'), join(dir, 'a.yaml~'));
    await pause(5);
    write('a', good('a', '1m'));
    await heard('put a 60');
    expect(told).not.toContain('remove a');
    unlinkSync(join(dir, 'a.yaml'));
    await heard('remove a');
  });

  test('under another name is another one', async () => {
    write('a', good('a'));
    follow();
    renameSync(join(dir, 'a.yaml'), join(dir, 'b.yaml'));
    await heard(/^fault b .*must be the file's name, b/);
    await heard('remove a');
  });

  test('that cannot be read says so, and is read when it can be', async () => {
    follow();
    symlinkSync(join(root, 'elsewhere.yaml'), join(dir, 'a.yaml'));
    await heard(/^fault a cannot be read \(ENOENT\)/);
    writeFileSync(join(root, 'elsewhere.yaml'), good('a'));
    await heard('put a 600');
    // Through the symlink, in a directory that nobody watches.
    writeFileSync(join(root, 'elsewhere.yaml'), good('a', '1m'));
    await heard('put a 60');
    if (process.getuid!() !== 0) chmodSync(join(root, 'elsewhere.yaml'), 0);
  });
});

describe('a volume of Kubernetes', () => {
  /** As the kubelet writes it (atomic_writer.go): a new directory, and `..data` turned to it by one rename. */
  let version = 0;
  const publish = (files: Record<string, string>) => {
    version += 1;
    const data = `..2026_11_28_${version}`;
    mkdirSync(join(dir, data));
    for (const [name, text] of Object.entries(files)) write(name, text, join(dir, data));
    symlinkSync(data, join(dir, '..data_tmp'));
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
    for (const name of Object.keys(files)) {
      try {
        symlinkSync(join('..data', `${name}.yaml`), join(dir, `${name}.yaml`));
      } catch {
        // It is there since the first version.
      }
    }
    if (version > 1) rmSync(join(dir, `..2026_11_28_${version - 1}`), { recursive: true, force: true });
  };

  test('is followed from version to version, also back to an earlier text', async () => {
    publish({ a: good('a'), b: good('b') });
    follow();
    expect(told).toEqual(['put a 600', 'put b 600']);
    publish({ a: good('a', '1m'), b: good('b') });
    await heard('put a 60');
    publish({ a: 'profile: a\n', b: good('b') });
    await heard(/^fault a/);
    publish({ a: good('a'), b: good('b', '2m') });
    await heard('put b 120');
    await quiet();
    expect(told.filter((line) => line.startsWith('put a'))).toEqual(['put a 600', 'put a 60', 'put a 600']);
    expect(told.filter((line) => line.includes(' b'))).toEqual(['put b 600', 'put b 120']);
  });
});

describe('the directory itself', () => {
  test('may be a symlink that is turned to another', async () => {
    const other = join(root, 'other');
    mkdirSync(other);
    write('a', good('a'));
    write('a', good('a', '1m'), other);
    const link = join(root, 'link');
    symlinkSync(dir, link);
    dir = link;
    follow();
    symlinkSync(other, join(root, 'next'));
    renameSync(join(root, 'next'), link);
    await heard('put a 60');
    expect(told).toEqual(['put a 600', 'put a 60']);
  });

  test('that vanishes leaves what was in force, and says so once', async () => {
    write('a', good('a'));
    follow();
    renameSync(dir, join(root, 'away'));
    await heard(/^fault profiles_dir\/ /);
    await pause(4000);
    expect(told.filter((line) => line.startsWith('fault'))).toHaveLength(1);
    expect(told).not.toContain('remove a');
    renameSync(join(root, 'away'), dir);
    await heard('clear profiles_dir/');
  });
});
