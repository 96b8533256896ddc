// Owns the scenarios of a journal that is damaged between two agents, with a leash of ten seconds. Promise
// under test: nothing is leased on a journal that cannot be trusted, what the last agent left is ended all the
// same (by the session above it, at the latest by the leash), no file stays, and a person is told what to do.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { type ChaosWorld, newTask, nothingLeft, refused } from './chaos-world.ts';
import type { Group, Scenario } from './scenario.ts';

const LEASH_MS = 10_000;

const journalOf = (world: ChaosWorld): string => join(world.paths.state, 'journal.db');

/** Everything into journal.db itself, as after an orderly end. */
const checkpoint = (path: string): void => {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
};

const flipBits = (path: string, from: number): void => {
  const bytes = readFileSync(path);
  for (let at = from; at < bytes.length; at += 97) bytes[at] = bytes[at]! ^ 0x20;
  writeFileSync(path, bytes);
};

const damaged = (what: string, damage: (path: string) => void, fast?: true): Scenario => ({
  name: `the journal ${what}: no start is granted on it unless it is sound, what was leased ends, no file stays, and the way out is told`,
  ...(fast === undefined ? {} : { fast }),
  limitMs: 120_000,
  async run(world) {
    const path = journalOf(world);
    const tasks = [newTask('living'), newTask('living')];
    for (const task of tasks) await startTask(world, task, 'database');
    await world.agent.kill9();
    damage(path);
    const said = world.logs().length;
    await world.agent.launch();
    const outcome = await until('it runs, or has ended', async () => {
      if (!world.agent.running) return 'ended';
      return (await world.api('GET', '/v1/health')).status > 0 ? 'runs' : undefined;
    });
    // One whose last commits are gone is sound all the same: SQLite cannot tell, and the session ends the rest.
    const trusted = sound(path);
    if (!trusted) {
      expect(world.taskDirs()).toEqual([]);
      expect(world.logs().slice(said)).toMatch(/journal\.db/);
      expect(world.logs().slice(said)).toMatch(/move|repair|copy|restore/i);
    }
    if (outcome === 'ended') expect((await world.agent.exited()).code).not.toBe(0);
    else if (!trusted) {
      const body = { profile: 'database' };
      const problem = await refused(world, newTask('refused'), body, 503, 'JOURNAL_UNWRITABLE');
      expect(problem.hint).toMatch(/\S/);
      expect((await world.api('GET', '/v1/health?ready')).status).toBe(503);
    }
    if (outcome === 'runs') await world.admin('POST', '/v1/revoke-all');
    await world.untilNothingLeft(LEASH_MS + 20_000);
    // The way out: the damaged one aside, and it begins anew.
    if (world.agent.running) await world.agent.kill9();
    const aside = join(world.paths.scratch, newTask('damaged'));
    mkdirSync(aside);
    for (const file of readdirSync(world.paths.state)) {
      if (file.startsWith('journal.db')) renameSync(join(world.paths.state, file), join(aside, file));
    }
    await world.agent.start();
    const after = newTask('after');
    await startTask(world, after, 'database');
    expectProved(await stopTask(world, after), 1);
    await nothingLeft(world);
  },
});

/** Whether SQLite finds nothing wrong with it. */
const sound = (path: string): boolean => {
  if (!existsSync(path)) return false;
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    const db = new DatabaseSync(path, { readOnly: true });
    const [row] = db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[];
    db.close();
    return row?.integrity_check === 'ok';
  } catch {
    return false;
  }
};

export const journal: Group = {
  options: { leash: `${LEASH_MS / 1000}s` },
  scenarios: [
    damaged(
      'is truncated to half',
      (path) => {
        checkpoint(path);
        truncateSync(path, Math.floor(statSync(path).size / 2));
      },
      true,
    ),
    damaged('has flipped bits in its pages', (path) => {
      checkpoint(path);
      flipBits(path, 4096);
    }),
    damaged('has flipped bits in its head', (path) => {
      checkpoint(path);
      flipBits(path, 0);
    }),
    damaged('lost the tail of its write-ahead log', (path) => {
      const wal = `${path}-wal`;
      truncateSync(wal, Math.floor(statSync(wal).size / 2));
    }),
    damaged('is empty', (path) => {
      checkpoint(path);
      truncateSync(path, 0);
    }),
    damaged('cannot be opened', (path) => {
      checkpoint(path);
      for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
      mkdirSync(path);
    }),
    damaged('is a text file', (path) => {
      checkpoint(path);
      writeFileSync(path, 'not a database\n'.repeat(600));
    }),
  ],
};
