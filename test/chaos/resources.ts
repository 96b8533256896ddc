// Owns the scenarios in which the machine runs short: tmpfs, inodes, disk, file descriptors. Promise under
// test: starts fail closed with their code and what to do, and revocation goes on.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { type ChaosWorld, credentialWorks, newTask, nothingLeft, refused } from './chaos-world.ts';
import type { Group, Scenario } from './scenario.ts';
import { canMount, fillBytes, fillInodes, onSmallTmpfs } from './small-mounts.ts';

const DATABASE = { profile: 'database' };

const noRoomForFiles = (what: string, options: string, fill: (dir: string) => () => void): Scenario => ({
  name: `${what}: a start is refused with DELIVERY_FAILED and revoked, a stop is proved, and starts work again with room`,
  run: (world) =>
    onSmallTmpfs(world, world.paths.secrets, options, async () => {
      const task = newTask('before');
      await startTask(world, task, 'database');
      const giveBack = fill(world.paths.secrets);
      const late = newTask('late');
      const problem = await refused(world, late, DATABASE, 500, 'DELIVERY_FAILED');
      expect(problem).toMatchObject({ retryable: true, hint: expect.stringMatching(/tmpfs|room|inode/i) });
      expect(await credentialWorks(world, task)).toBe(true);
      await until(
        'what the refused start leased is gone',
        async () => (await world.vaultLeases()).length === 1,
      );
      expectProved(await stopTask(world, task), 1);
      giveBack();
      await startTask(world, late, 'database');
      expectProved(await stopTask(world, late), 1);
      await nothingLeft(world);
    }),
});

const fullDisk: Scenario = {
  name: 'a full disk under the journal: starts are refused with JOURNAL_UNWRITABLE and lease nothing, stops are revoked all the same',
  run: (world) =>
    onSmallTmpfs(world, world.paths.state, 'size=512k', async () => {
      const task = newTask('before');
      await startTask(world, task, 'database');
      const giveBack = fillBytes(world.paths.state);
      world.proxy.forget();
      const problem = await refused(world, newTask('unwritten'), DATABASE, 503, 'JOURNAL_UNWRITABLE');
      expect(problem).toMatchObject({ retryable: true, hint: expect.stringMatching(/disk|state_dir/i) });
      expect(world.proxy.seen.filter(({ kind }) => kind === 'token' || kind === 'read')).toEqual([]);
      await world.api('DELETE', `/v1/tasks/${task}`);
      expect(world.taskDirs()).not.toContain(task);
      await untilEmpty('Vault holds no lease', world.vaultLeases);
      await untilEmpty('PostgreSQL holds no leased role', world.pgRoles);
      giveBack();
      await stopTask(world, task);
      const after = newTask('after');
      await startTask(world, after, 'database');
      expectProved(await stopTask(world, after), 1);
      await nothingLeft(world);
    }),
};

/** The agent may open no more files than it has open now, and so many, while `work` runs. */
const withDescriptors = async (world: ChaosWorld, more: number, work: () => Promise<void>): Promise<void> => {
  const pid = `${world.agent.pid}`;
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!;
  const highest = Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number));
  execFileSync('prlimit', ['--pid', pid, `--nofile=${highest + 1 + more}:`]);
  try {
    await work();
  } finally {
    execFileSync('prlimit', ['--pid', pid, `--nofile=${limit}:`]);
  }
};

const noDescriptors: Scenario = {
  name: 'no file descriptors left: starts are refused or not even heard, nothing is left of them, and all is well with new ones',
  fast: true,
  async run(world) {
    const task = newTask('before');
    await startTask(world, task, 'database');
    for (const more of [0, 1, 2]) {
      await withDescriptors(world, more, async () => {
        const limit = AbortSignal.timeout(5_000);
        const ids = Array.from({ length: 6 }, () => newTask('crowd'));
        const starts = ids.map(async (id) => {
          const reply = await world.api('PUT', `/v1/tasks/${id}`, DATABASE).catch(() => undefined);
          if (reply === undefined || reply.status === 201) return;
          expect([500, 503, 429], reply.text).toContain(reply.status);
          expectProblem(reply, reply.status, reply.body.code);
          expect(world.taskDirs()).not.toContain(id);
        });
        const over = new Promise((resolve) => limit.addEventListener('abort', resolve, { once: true }));
        await Promise.race([Promise.all(starts), over]);
      });
      expect(world.agent.running).toBe(true);
    }
    expect(await credentialWorks(world, task)).toBe(true);
    expectProved(await stopTask(world, task), 1);
    await nothingLeft(world);
  },
};

const onMounts: readonly Scenario[] = canMount()
  ? [
      noRoomForFiles('a full tmpfs', 'size=256k', fillBytes),
      noRoomForFiles('a tmpfs without inodes', 'size=256k,nr_inodes=64', fillInodes),
      fullDisk,
    ]
  : [];

export const resources: Group = { scenarios: [noDescriptors, ...onMounts] };
