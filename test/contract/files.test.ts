// Owns the promises of the files port, in memory and on a real tmpfs.

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTmpfsFiles } from '../../src/adapters/files/tmpfs-files.ts';
import type { TaskId } from '../../src/domain/ids.ts';
import type { FileRule } from '../../src/domain/profile.ts';
import type { Delivery, Files, Publication } from '../../src/ports/files.ts';
import { SimFiles } from '../simulation/world/sim-files.ts';

interface Subject {
  readonly files: Files;
  /** What a reader of the task's current directory finds; null when there is no such file. */
  read(task: TaskId, file: string): string | null;
  /** The entries of the secrets directory. */
  list(): readonly string[];
  leaveStray(name: string): void;
  /** The generations of a task that are on the file system, half-written ones included. */
  generations(task: TaskId): readonly number[];
  /** What a crash leaves in the middle of publishing. */
  leaveDraft(task: TaskId, n: number): void;
}

let root = '';
beforeAll(() => {
  root = mkdtempSync('/dev/shm/tasklease-test-');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function simulated(): Subject {
  const files = new SimFiles();
  return {
    files,
    read: (task, file) => files.read(task, file),
    list: () => files.tasks(),
    leaveStray: (name) => files.leaveStray(name),
    generations: (task) => files.generations(task),
    leaveDraft: (task, n) => files.leaveDraft(task, n),
  };
}

async function onTmpfs(): Promise<Subject & { readonly dir: string }> {
  const dir = mkdtempSync(join(root, 'tasks-'));
  const files = await openTmpfsFiles({ dir });
  return {
    dir,
    files,
    read(task, file) {
      try {
        return readFileSync(join(files.currentDir(task), file), 'utf8');
      } catch {
        return null;
      }
    },
    list: () => readdirSync(dir).filter((name) => !name.startsWith('.')),
    leaveStray(name) {
      mkdirSync(join(dir, name, 'gen-1'), { recursive: true });
      writeFileSync(join(dir, name, 'gen-1', 'db.json'), '{}');
    },
    generations: (task) =>
      readdirSync(join(dir, task))
        .filter((name) => name !== 'current')
        .map((name) => Number(/-(\d+)$/.exec(name)![1]))
        .toSorted(),
    leaveDraft(task, n) {
      mkdirSync(join(dir, task, `.gen-${n}`));
      writeFileSync(join(dir, task, `.gen-${n}`, 'db.json'), '{"user');
      symlinkSync(`gen-${n}`, join(dir, task, `.current-${n}`));
    },
  };
}

const subjects: readonly (readonly [string, () => Subject | Promise<Subject>])[] = [
  ['simulated', simulated],
  ['real', onTmpfs],
];

const A = 'build-a' as TaskId;
const B = 'build-b' as TaskId;
const DATA = { username: 'v-app-1', password: 'p w"\'$`\\d', n: 3, deep: { x: [1] } };
const deliver = (files: readonly FileRule[], data: Delivery['data'] = DATA, secret = 'db'): Delivery => ({
  secret,
  data,
  files,
});
const JSON_FILE: FileRule = { name: 'db.json', format: 'json' };
const publication = (overrides: Partial<Publication> = {}): Publication => ({
  task: A,
  n: 1,
  reader: { uid: process.getuid!(), gid: process.getgid!() },
  readerGroups: [],
  deliveries: [deliver([JSON_FILE])],
  ...overrides,
});

describe.each(subjects)('files, %s', (_name, open) => {
  test('a published generation is read at current, by the names that were answered', async () => {
    const { files, read, list } = await open();
    const { files: names } = await files.publish(publication());
    expect(names).toEqual(['db.json']);
    expect(JSON.parse(read(A, 'db.json')!)).toEqual(DATA);
    expect(list()).toEqual([A]);
    expect(files.currentDir(A)).toMatch(/\/build-a\/current$/);
  });

  test('a publication says whether readers find something else: other contents, other names, or nothing before', async () => {
    const { files } = await open();
    const publish = async (n: number, data: Delivery['data'], ...rules: FileRule[]) =>
      (await files.publish(publication({ n, deliveries: [deliver(rules, data)] }))).changed;
    expect(await publish(1, DATA, JSON_FILE)).toBe(true);
    expect(await publish(2, DATA, JSON_FILE)).toBe(false);
    expect(await publish(3, { ...DATA, n: 4 }, JSON_FILE)).toBe(true);
    expect(await publish(4, { ...DATA, n: 4 }, JSON_FILE)).toBe(false);
    const more: FileRule = { name: 'user', format: 'raw', field: 'username' };
    expect(await publish(5, { ...DATA, n: 4 }, JSON_FILE, more)).toBe(true);
    expect(await publish(6, { ...DATA, n: 4 }, more, JSON_FILE)).toBe(false);
    expect(await publish(7, { ...DATA, n: 4 }, { ...JSON_FILE, name: 'other.json' }, more)).toBe(true);
    await files.withdraw(A);
    expect(await publish(8, { ...DATA, n: 4 }, { ...JSON_FILE, name: 'other.json' }, more)).toBe(true);
  });

  test('of two generations with the same content, where one in between was on no record: it may have been read', async () => {
    const { files } = await open();
    const publish = async (n: number, username: string) =>
      (await files.publish(publication({ n, deliveries: [deliver([JSON_FILE], { username })] }))).changed;
    await publish(1, 'first');
    await publish(2, 'second');
    await files.restore(A, 1, ['db.json']);
    expect(await publish(3, 'second')).toBe(true);
  });

  test('several secrets and formats', async () => {
    const { files, read } = await open();
    const { files: names } = await files.publish(
      publication({
        deliveries: [
          deliver([
            { name: 'db.env', format: 'dotenv', fields: { PGUSER: 'username' } },
            { name: 'db.json', format: 'json', fields: { user: 'username' } },
            { name: 'password', format: 'raw', field: 'password' },
          ]),
          deliver(
            [{ name: 'tls.pem', format: 'template', template: '{{certificate}}\n{{private_key}}\n' }],
            { certificate: 'C', private_key: 'K' },
            'tls',
          ),
        ],
      }),
    );
    expect(names).toEqual(['db.env', 'db.json', 'password', 'tls.pem']);
    expect(read(A, 'db.env')).toMatch(/^PGUSER="?v-app-1"?\n$/);
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ user: 'v-app-1' });
    expect(read(A, 'password')).toBe(DATA.password);
    expect(read(A, 'tls.pem')).toBe('C\nK\n');
  });

  test('the next generation replaces the last one, whole', async () => {
    const { files, read } = await open();
    await files.publish(
      publication({ deliveries: [deliver([JSON_FILE, { ...JSON_FILE, name: 'old.json' }])] }),
    );
    await files.publish(publication({ n: 2, deliveries: [deliver([JSON_FILE], { username: 'second' })] }));
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'second' });
    expect(read(A, 'old.json')).toBeNull();
  });

  test('the same generation may be published again (a start that was cut off)', async () => {
    const { files, read } = await open();
    await files.publish(publication());
    await files.publish(publication({ deliveries: [deliver([JSON_FILE], { username: 'again' })] }));
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'again' });
  });

  test('a field that the secret does not have: refused, nothing of it is visible, what was there stays', async () => {
    const { files, read } = await open();
    await files.publish(publication());
    const missing: FileRule = { name: 'x', format: 'raw', field: 'no_such_field' };
    const attempt = files.publish(
      publication({ n: 2, deliveries: [deliver([JSON_FILE, missing], { a: 1 })] }),
    );
    await expect(attempt).rejects.toMatchObject({
      code: 'DELIVERY_FAILED',
      message: expect.stringContaining('no_such_field'),
    });
    expect(JSON.parse(read(A, 'db.json')!)).toEqual(DATA);
    const first = files.publish(publication({ task: B, deliveries: [deliver([missing])] }));
    await expect(first).rejects.toMatchObject({ code: 'DELIVERY_FAILED' });
    expect(read(B, 'x')).toBeNull();
  });

  test('a refusal tells names of fields, never their values', async () => {
    const { files } = await open();
    const attempt = files.publish(
      publication({ deliveries: [deliver([{ name: 'x', format: 'raw', field: 'no' }])] }),
    );
    const error = (await attempt.catch((reason: unknown) => reason)) as { message: string; hint?: string };
    expect(`${error.message} ${error.hint}`).not.toContain(DATA.password);
    expect(`${error.message} ${error.hint}`).not.toContain(DATA.username);
  });

  test('erase removes everything of the task and nothing of another', async () => {
    const { files, read, list } = await open();
    await files.publish(publication());
    await files.publish(publication({ n: 2 }));
    await files.publish(publication({ task: B }));
    await files.erase(A);
    expect(read(A, 'db.json')).toBeNull();
    expect(read(B, 'db.json')).not.toBeNull();
    expect(list()).toEqual([B]);
  });

  test('erasing what is not there is fine, again and again', async () => {
    const { files } = await open();
    await files.erase(A);
    await files.publish(publication());
    await files.erase(A);
    await files.erase(A);
  });

  test('after an erase the task id can be published anew', async () => {
    const { files, read } = await open();
    await files.publish(publication());
    await files.erase(A);
    await files.publish(publication());
    expect(read(A, 'db.json')).not.toBeNull();
  });

  test('withdrawn: the files are gone and the directory stays, empty, until it is published to again or erased', async () => {
    const { files, read, list, generations } = await open();
    expect(await files.withdraw(A)).toBe(false);
    expect(list()).toEqual([]);
    await files.publish(publication());
    await files.publish(publication({ n: 2 }));
    await files.publish(publication({ task: B }));
    for (let again = 0; again < 2; again += 1) {
      expect(await files.withdraw(A)).toBe(true);
      expect(read(A, 'db.json')).toBeNull();
      expect(generations(A)).toEqual([]);
      expect(list().toSorted()).toEqual([A, B]);
    }
    expect(await files.restore(A, 2, ['db.json'])).toBe(false);
    expect(await files.sweep(new Set([A, B]))).toEqual([]);
    expect(await files.withdraw(A)).toBe(true);
    await files.publish(publication({ n: 3 }));
    expect(read(A, 'db.json')).not.toBeNull();
    await files.withdraw(A);
    await files.erase(A);
    expect(list()).toEqual([B]);
    expect(await files.withdraw(A)).toBe(false);
    expect(read(B, 'db.json')).not.toBeNull();
  });

  test('a publication that fails leaves the directory of a withdrawn task, which is the sign that it lives', async () => {
    const { files } = await open();
    await files.publish(publication());
    await files.withdraw(A);
    const missing: FileRule = { name: 'x', format: 'raw', field: 'no_such_field' };
    await expect(
      files.publish(publication({ n: 2, deliveries: [deliver([missing])] })),
    ).rejects.toMatchObject({ code: 'DELIVERY_FAILED' });
    expect(await files.withdraw(A)).toBe(true);
  });

  test('sweep removes what nobody owns, and says what', async () => {
    const { files, read, list, leaveStray } = await open();
    await files.publish(publication());
    await files.publish(publication({ task: B }));
    leaveStray('stray-1');
    const removed = await files.sweep(new Set([A]));
    expect(removed.toSorted()).toEqual([B, 'stray-1']);
    expect(list()).toEqual([A]);
    expect(read(A, 'db.json')).not.toBeNull();
    expect(await files.sweep(new Set([A]))).toEqual([]);
  });

  test('the generation that is shown holds, whole; no other does', async () => {
    const { files } = await open();
    expect(await files.restore(A, 1, ['db.json'])).toBe(false);
    await files.publish(publication());
    expect(await files.restore(A, 1, ['db.json'])).toBe(true);
    expect(await files.restore(A, 1, ['db.json', 'tls.pem'])).toBe(false);
    expect(await files.restore(A, 2, ['db.json'])).toBe(false);
    expect(await files.restore(B, 1, ['db.json'])).toBe(false);
    await files.publish(publication({ n: 2 }));
    expect(await files.restore(A, 2, ['db.json'])).toBe(true);
    await files.erase(A);
    expect(await files.restore(A, 2, ['db.json'])).toBe(false);
  });

  test('a newer generation that is on no record is turned back, and can be erased then', async () => {
    const { files, read, generations } = await open();
    await files.publish(publication({ deliveries: [deliver([JSON_FILE], { username: 'first' })] }));
    await files.publish(publication({ n: 2, deliveries: [deliver([JSON_FILE], { username: 'second' })] }));
    expect(await files.restore(A, 1, ['db.json'])).toBe(true);
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'first' });
    await files.eraseGeneration(A, 2);
    expect(generations(A)).toEqual([1]);
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'first' });
    expect(await files.restore(A, 2, ['db.json'])).toBe(false);
  });

  test('a superseded generation is erased, again and again; the shown one and other tasks stay', async () => {
    const { files, read, generations } = await open();
    await files.publish(publication());
    await files.publish(publication({ task: B }));
    await files.publish(publication({ n: 2, deliveries: [deliver([JSON_FILE], { username: 'second' })] }));
    expect(generations(A)).toEqual([1, 2]);
    await files.eraseGeneration(A, 1);
    await files.eraseGeneration(A, 1);
    expect(generations(A)).toEqual([2]);
    expect(generations(B)).toEqual([1]);
    await files.eraseGeneration(A, 2);
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'second' });
    await files.eraseGeneration('never-was' as TaskId, 1);
  });

  test('what a crash left of a half-written generation is erased with it, swept, or written anew', async () => {
    const { files, read, generations, leaveDraft } = await open();
    await files.publish(publication());
    leaveDraft(A, 2);
    await files.eraseGeneration(A, 2);
    expect(generations(A)).toEqual([1]);
    leaveDraft(A, 2);
    expect(await files.sweep(new Set([A]))).toEqual([]);
    expect(generations(A)).toEqual([1]);
    expect(await files.restore(A, 1, ['db.json'])).toBe(true);
    leaveDraft(A, 2);
    await files.publish(publication({ n: 2, deliveries: [deliver([JSON_FILE], { username: 'second' })] }));
    expect(JSON.parse(read(A, 'db.json')!)).toEqual({ username: 'second' });
    expect(generations(A)).toEqual([1, 2]);
  });
});

describe('files, real', () => {
  test('0400 for the reader in directories of the agent that no workload may change', async () => {
    const { files, dir } = await onTmpfs();
    await files.publish(publication());
    const mode = (path: string) => (statSync(join(dir, A, path)).mode & 0o777).toString(8);
    expect(mode('current/db.json')).toBe('400');
    expect(mode('current/manifest.json')).toBe('400');
    expect(mode('gen-1')).toBe('750');
    expect(mode('.')).toBe('750');
    expect(lstatSync(join(dir, A, 'current')).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(dir, A, 'current'))).toBe('gen-1');
    expect(readdirSync(join(dir, A)).toSorted()).toEqual(['current', 'gen-1']);
  });

  test('mode of the profile, then of the file', async () => {
    const { files, dir } = await onTmpfs();
    const own = { ...JSON_FILE, name: 'own.json', mode: 0o440 };
    await files.publish(publication({ mode: 0o600, deliveries: [deliver([JSON_FILE, own])] }));
    const mode = (name: string) => statSync(join(dir, A, 'current', name)).mode & 0o777;
    expect([mode('db.json'), mode('own.json')]).toEqual([0o600, 0o440]);
  });

  test('the manifest names the files and holds no secret', async () => {
    const { files, read } = await onTmpfs();
    await files.publish(publication());
    const manifest = read(A, 'manifest.json')!;
    expect(manifest).toContain('db.json');
    expect(manifest).not.toContain(DATA.username);
    expect(manifest).not.toContain(DATA.password.slice(0, 3));
  });

  test('any other file system is refused, with what to do', async () => {
    await expect(openTmpfsFiles({ dir: '/proc/self/fd' })).rejects.toMatchObject({
      code: 'TMPFS_UNSAFE',
      hint: expect.stringContaining('tmpfs'),
    });
  });

  test('a directory with foreign files is refused: sweeping it would remove them', async () => {
    const dir = mkdtempSync(join(root, 'foreign-'));
    writeFileSync(join(dir, 'precious.txt'), 'keep me');
    await expect(openTmpfsFiles({ dir })).rejects.toMatchObject({ code: 'TMPFS_UNSAFE' });
    expect(readFileSync(join(dir, 'precious.txt'), 'utf8')).toBe('keep me');
  });

  test('the next agent knows what the one before has published; what its reader has written over counts as changed', async () => {
    const { files, dir } = await onTmpfs();
    await files.publish(publication());
    const second = await openTmpfsFiles({ dir });
    expect(await second.publish(publication({ n: 2 }))).toMatchObject({ changed: false });
    const shown = join(dir, A, 'current', 'db.json');
    chmodSync(shown, 0o600);
    writeFileSync(shown, readFileSync(shown, 'utf8').toUpperCase());
    const third = await openTmpfsFiles({ dir });
    expect(await third.publish(publication({ n: 3 }))).toMatchObject({ changed: true });
    rmSync(join(dir, A, 'current', 'db.json'));
    const fourth = await openTmpfsFiles({ dir });
    expect(await fourth.publish(publication({ n: 4 }))).toMatchObject({ changed: true });
  });

  test('what an earlier agent left is found and swept by the next', async () => {
    const { files, dir, list } = await onTmpfs();
    await files.publish(publication());
    const next = await openTmpfsFiles({ dir });
    expect(await next.sweep(new Set())).toEqual([A]);
    expect(list()).toEqual([]);
  });
});
