// Owns the promise that an agent does not put its private directory where workloads see it, as far as it can know.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apartFromWorkloads } from '../../../../src/adapters/files/volumes.ts';

/** A mount point that every Linux has. */
const VOLUME = '/dev/shm';
let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tasklease-volumes-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const shared = (dir: string) => [['socket.path', dir]] as const;

test('a directory beside the shared one will do, and so will one that is still to be made', () => {
  apartFromWorkloads('runtime_dir', join(root, 'private'), shared(join(root, 'public')), true);
  mkdirSync(join(root, 'public'));
  apartFromWorkloads('runtime_dir', join(root, 'private'), shared(join(root, 'public')), true);
});

test('the shared directory under another name is refused, in a container or not', () => {
  mkdirSync(join(root, 'one'));
  symlinkSync(join(root, 'one'), join(root, 'two'));
  for (const inContainer of [true, false]) {
    expect(() =>
      apartFromWorkloads('runtime_dir', join(root, 'two'), shared(join(root, 'one')), inContainer),
    ).toThrow(`runtime_dir: ${root}/two is the directory of socket.path, which workloads see`);
  }
});

test('a directory inside the volume of the shared one is refused in a container, for there workloads mount all of it', () => {
  const inside = join(VOLUME, 'deep', 'private');
  expect(() => apartFromWorkloads('runtime_dir', inside, shared(VOLUME), true)).toThrow(
    `runtime_dir: ${inside} is on the volume of socket.path, which workloads see`,
  );
  apartFromWorkloads('runtime_dir', inside, shared(VOLUME), false);
  apartFromWorkloads('runtime_dir', '/dev/shmelse/private', shared(VOLUME), true);
});

test('a directory inside one that is no volume is judged by its mode', () => {
  apartFromWorkloads('runtime_dir', join(root, 'public', 'private'), shared(join(root, 'public')), true);
});
