// Owns what only a real tmpfs shows: readers during flips, files that were changed, and a file system or a
// process that has run out of something. Mounting a small one needs root.

import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { privateDirectory, privateMemoryDirectory } from '../../../../src/adapters/files/directory.ts';
import { openTmpfsFiles } from '../../../../src/adapters/files/tmpfs-files.ts';
import type { TaskId } from '../../../../src/domain/ids.ts';
import type { Files, Publication } from '../../../../src/ports/files.ts';
import { until } from '../../../harness/until.ts';

const TASK = 'build-a' as TaskId;
const NAMES = ['a.json', 'b.json'];
let dir = '';
let mounted: string[] = [];
beforeEach(() => {
  dir = mkdtempSync('/dev/shm/tasklease-files-');
});
afterEach(() => {
  for (const path of mounted) spawnSync('umount', [path]);
  mounted = [];
  rmSync(dir, { recursive: true, force: true });
});

const publication = (n: number, bytes = 100): Publication => ({
  task: TASK,
  n,
  reader: { uid: process.getuid!(), gid: process.getgid!() },
  readerGroups: [],
  deliveries: [
    {
      secret: 'db',
      data: { n, pad: 'x'.repeat(bytes) },
      files: NAMES.map((name) => ({ name, format: 'json' })),
    },
  ],
});
const home = (root = dir) => join(root, TASK);
const shownBy = (root: string): unknown =>
  JSON.parse(readFileSync(join(home(root), 'current', 'b.json'), 'utf8')).n;

test('a reader in a loop finds one whole generation at any moment, while each is replaced by the next', async () => {
  const files = await openTmpfsFiles({ dir });
  await files.publish(publication(1));
  const program = `
    const fs = require('node:fs');
    const home = process.argv[1];
    process.on('message', () => { process.send({ reads, odd }); process.exit(0); });
    let reads = 0;
    const odd = [];
    const look = () => {
      for (let i = 0; i < 200; i += 1) {
        try {
          JSON.parse(fs.readFileSync(home + '/current/b.json', 'utf8'));
          const dir = fs.realpathSync(home + '/current');
          const seen = ${JSON.stringify(NAMES)}.map((name) => JSON.parse(fs.readFileSync(dir + '/' + name, 'utf8')).n);
          if (seen[0] !== seen[1]) odd.push(seen);
        } catch (error) { odd.push(error.message); }
        reads += 1;
      }
      setImmediate(look);
    };
    look();
    process.send('up');`;
  const reader = spawn(process.execPath, ['-e', program, home()], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let up = false;
  let report: { reads: number; odd: unknown[] } | null = null;
  reader.on('message', (message) => {
    if (message === 'up') up = true;
    else report = message as typeof report;
  });
  await until('the reader reads', () => up);
  // A generation goes three flips after it was shown: the overlap, which no reader's two looks outlast.
  for (let n = 2; n <= 500; n += 1) {
    await files.publish(publication(n));
    if (n > 100) await files.eraseGeneration(TASK, n - 100);
    if (n % 25 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  reader.send('stop');
  const { reads, odd } = await until('the reader reports', () => report);
  expect(reads).toBeGreaterThan(0);
  expect(odd).toEqual([]);
});

test('the shown generation, published again, is replaced under its readers; a failure leaves it', async () => {
  const files = await openTmpfsFiles({ dir });
  await files.publish(publication(1, 10));
  const bad = {
    ...publication(1),
    deliveries: [{ secret: 'db', data: {}, files: [{ name: 'x', format: 'raw', field: 'no' }] }],
  };
  await expect(files.publish(bad as Publication)).rejects.toMatchObject({ code: 'DELIVERY_FAILED' });
  expect(await files.restore(TASK, 1, NAMES)).toBe(true);
  await files.publish(publication(1, 20));
  expect(readFileSync(join(home(), 'current', 'a.json'), 'utf8')).toContain('x'.repeat(20));
  expect(readdirSync(home()).toSorted()).toEqual(['current', 'gen-1']);
});

test.each<readonly [string, (generation: string) => void]>([
  ['cut short', (generation) => truncateSync(join(generation, 'a.json'), 3)],
  ['longer', (generation) => writeFileSync(join(generation, 'a.json'), 'x'.repeat(500))],
  ['gone', (generation) => rmSync(join(generation, 'a.json'))],
  [
    'a link',
    (generation) => {
      linkSync(join(generation, 'a.json'), join(generation, 'elsewhere'));
      rmSync(join(generation, 'a.json'));
      symlinkSync('elsewhere', join(generation, 'a.json'));
    },
  ],
  ['there, but the manifest is gone', (generation) => rmSync(join(generation, 'manifest.json'))],
  [
    'there, but the manifest is no JSON',
    (generation) => writeFileSync(join(generation, 'manifest.json'), '{'),
  ],
  [
    'there, but the manifest is of another shape',
    (generation) => writeFileSync(join(generation, 'manifest.json'), '[]'),
  ],
  [
    'there, but the manifest is a directory',
    (generation) => {
      rmSync(join(generation, 'manifest.json'));
      mkdirSync(join(generation, 'manifest.json'));
    },
  ],
])('a generation with a file that is %s does not hold', async (_what, change) => {
  const files = await openTmpfsFiles({ dir });
  await files.publish(publication(1));
  change(join(home(), 'gen-1'));
  expect(await files.restore(TASK, 1, NAMES)).toBe(false);
});

test('without a free descriptor: publishing fails with what to do, the old generation stays, erasing works', async () => {
  const files = await openTmpfsFiles({ dir });
  await files.publish(publication(1));
  await files.publish(publication(2));
  const limit = spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=256:', '--output', 'HARD']);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    // None is left.
  }
  try {
    expect(limit.status).toBe(0);
    const failure = await files.publish(publication(3)).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'DELIVERY_FAILED',
      retryable: true,
      hint: expect.stringContaining('LimitNOFILE'),
    });
    await files.eraseGeneration(TASK, 1);
    expect(existsSync(join(home(), 'gen-1'))).toBe(false);
    expect(existsSync(join(home(), '.gen-3'))).toBe(false);
    expect(existsSync(join(home(), 'gen-2'))).toBe(true);
    await files.erase(TASK);
    expect(existsSync(home())).toBe(false);
  } finally {
    for (const fd of taken) closeSync(fd);
  }
});

test('a claim that cannot be noted does not keep the directory from being used', async () => {
  const files = await openTmpfsFiles({ dir, claimFile: '/proc/no-such-dir/secrets-dir' });
  await files.publish(publication(1));
  expect(await files.restore(TASK, 1, NAMES)).toBe(true);
});

const mayMount = process.getuid!() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;
if (mayMount) {
  describe('a small tmpfs', () => {
    async function small(options: string): Promise<{ root: string; files: Files }> {
      const root = join(dir, 'small');
      mkdirSync(root);
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `mode=0711,${options}`, 'tmpfs', root]).status).toBe(0);
      mounted.push(root);
      return { root, files: await openTmpfsFiles({ dir: root }) };
    }

    test('full: publishing fails with what to do, nothing of it is there, the old generation is untouched', async () => {
      const { root, files } = await small('size=64k');
      await files.publish(publication(1));
      await expect(files.publish(publication(2, 100_000))).rejects.toMatchObject({
        code: 'DELIVERY_FAILED',
        retryable: true,
        hint: expect.stringMatching(/is full: .*size=/),
      });
      expect(readdirSync(home(root)).toSorted()).toEqual(['current', 'gen-1']);
      expect(shownBy(root)).toBe(1);
      expect(await files.restore(TASK, 1, NAMES)).toBe(true);
      await files.publish(publication(2, 1000));
      expect(shownBy(root)).toBe(2);
    });

    test('full at any byte: either the whole new generation or the whole old one', async () => {
      const { root, files } = await small('size=96k');
      await files.publish(publication(1));
      for (let n = 2; n < 40; n += 1) {
        const outcome = await files.publish(publication(n, n * 1024)).then(
          () => n,
          () => null,
        );
        const shown = shownBy(root) as number;
        expect(await files.restore(TASK, shown, NAMES)).toBe(true);
        if (outcome !== null) expect(shown).toBe(n);
        for (const name of readdirSync(home(root))) {
          if (name !== 'current' && name !== `gen-${shown}`) {
            await files.eraseGeneration(TASK, Number(name.slice('gen-'.length)));
          }
        }
        expect(readdirSync(home(root)).toSorted()).toEqual(['current', `gen-${shown}`]);
      }
    });

    test('no inode left: the same, and the hint says inodes', async () => {
      const { root, files } = await small('size=1m,nr_inodes=9');
      await files.publish(publication(1));
      await expect(files.publish(publication(2))).rejects.toMatchObject({
        code: 'DELIVERY_FAILED',
        retryable: true,
        hint: expect.stringContaining('nr_inodes'),
      });
      expect(readdirSync(home(root)).toSorted()).toEqual(['current', 'gen-1']);
      expect(shownBy(root)).toBe(1);
    });

    test('read-only: a state directory will do, so that revocation goes on; a runtime directory will not', async () => {
      const { root } = await small('size=64k');
      const path = join(root, 'state');
      mkdirSync(path, { mode: 0o700 });
      expect(spawnSync('mount', ['-o', 'remount,ro', root]).status).toBe(0);
      expect(() => privateDirectory('state_dir', path)).not.toThrow();
      expect(() => privateMemoryDirectory('runtime_dir', path)).toThrow(/read-only/);
    });

    test('a first publication that fails leaves no directory of the task', async () => {
      const { root, files } = await small('size=16k');
      await expect(files.publish(publication(1, 100_000))).rejects.toMatchObject({ code: 'DELIVERY_FAILED' });
      expect(readdirSync(root)).toEqual([]);
    });
  });
}
