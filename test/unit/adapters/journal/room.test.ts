// Owns what the journal does when the disk has no room or may not be written: an append is refused and leaves
// nothing, and goes through once there is room. Mounting a small file system needs root.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Entry } from '../../../../src/domain/fact.ts';
import { grantId, type TaskId } from '../../../../src/domain/ids.ts';
import { ACCEPTED, at } from '../../domain/samples.ts';

const accept = (task: string): Entry => ({
  grant: grantId(task as TaskId, 1),
  ...at(0),
  fact: { ...ACCEPTED, task: task as TaskId },
});

const mayMount = process.getuid!() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;

describe('a disk', () => {
  let dir = '';
  let disk = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tasklease-room-'));
    disk = join(dir, 'disk');
    mkdirSync(disk);
  });
  afterEach(() => {
    spawnSync('umount', [disk]);
    rmSync(dir, { recursive: true, force: true });
  });
  const fill = (): void => {
    try {
      for (let n = 0; ; n += 1) writeFileSync(join(disk, `filler-${n}`), Buffer.alloc(4096));
    } catch {
      // Full.
    }
  };
  const makeRoom = (): void => {
    for (const name of process.getBuiltinModule('node:fs').readdirSync(disk)) {
      if (name.startsWith('filler-')) rmSync(join(disk, name));
    }
  };

  test('that keeps its directory away: the journal opens damaged, and says which file', () => {
    const path = join(disk, 'gone', 'journal.db');
    expect(openJournal(path, 'boot-1').damaged!.message).toContain(path);
  });

  if (mayMount) {
    const mount = (options: string) =>
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]).status).toBe(0);

    test('full: appends are refused, all or nothing; once there is room they go through', async () => {
      mount('size=512k');
      const path = join(disk, 'journal.db');
      const journal = openJournal(path, 'boot-1');
      await journal.append([accept('before')]);
      fill();
      const written: string[] = ['before'];
      for (let n = 0; n < 60; n += 1) {
        const kept = await journal.append([accept(`a-${n}`), accept(`b-${n}`)]).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({
              code: 'JOURNAL_UNWRITABLE',
              retryable: true,
              hint: expect.stringContaining('disk space'),
            });
            return false;
          },
        );
        if (kept) written.push(`a-${n}`, `b-${n}`);
      }
      expect(written.length).toBeLessThan(121);
      expect(journal.damaged).toBeNull();
      expect(journal.tombstone('before' as TaskId)).toBeNull();
      makeRoom();
      await journal.append([accept('after')]);
      journal.close();
      const next = openJournal(path, 'boot-1');
      expect(next.damaged).toBeNull();
      expect([...next.openGrants(at(0)).keys()]).toEqual(
        [...written, 'after'].map((task) => grantId(task as TaskId, 1)),
      );
      next.close();
    });

    test('full at the start: nothing can start, what is there is read; with room again, all is as it was', async () => {
      mount('size=512k');
      const path = join(disk, 'journal.db');
      const journal = openJournal(path, 'boot-1');
      await journal.append([accept('before')]);
      journal.close();
      fill();
      const full = openJournal(path, 'boot-1');
      expect([...full.openGrants(at(0)).keys()]).toEqual([grantId('before' as TaskId, 1)]);
      await expect(full.append([accept('x')])).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
      full.close();
      makeRoom();
      const next = openJournal(path, 'boot-1');
      expect(next.damaged).toBeNull();
      await next.append([accept('after')]);
      expect(next.openGrants(at(0)).size).toBe(2);
      next.close();
    });

    test('read-only: nothing can start, what is there is read', async () => {
      mount('size=1m');
      const path = join(disk, 'journal.db');
      const journal = openJournal(path, 'boot-1');
      await journal.append([accept('before')]);
      journal.close();
      expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0);
      const readOnly = openJournal(path, 'boot-1');
      expect(readOnly.damaged).toMatchObject({
        code: 'JOURNAL_UNWRITABLE',
        hint: expect.stringContaining('writable'),
      });
      expect([...readOnly.openGrants(at(0)).keys()]).toEqual([grantId('before' as TaskId, 1)]);
      readOnly.close();
    });
  }
});
