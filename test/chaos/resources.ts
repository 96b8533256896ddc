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

/** The agent may open only so many files more while `work` runs: the numbers below the limit that it has not taken. */
const withDescriptors = async (world: ChaosWorld, more: number, work: () => Promise<void>): Promise<void> => {
  const pid = `${world.agent.pid}`;
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!;
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let lowest = 0;
  for (let free = -1; free < more; lowest += 1) if (!taken.has(lowest)) free += 1;
  execFileSync('prlimit', ['--pid', pid, `--nofile=${lowest - 1}:`]);
  try {
    await work();
  } finally {
    execFileSync('prlimit', ['--pid', pid, `--nofile=${limit}:`]);
  }
};

/** What each lack of a descriptor is told as: for the caller, for the way to Vault, for the files. */
const SHORT: Record<string, { status: number; says: RegExp }> = {
  CAPACITY: { status: 429, says: /no file descriptor left.*LimitNOFILE=/s },
  VAULT_UNREACHABLE: { status: 503, says: /EMFILE.*LimitNOFILE=/s },
  DELIVERY_FAILED: { status: 500, says: /EMFILE.*LimitNOFILE=/s },
};

const noDescriptors: Scenario = {
  name: 'no file descriptors left: starts are refused with what to raise or not even heard, a stop takes the files away and is proved, and all is well with new ones',
  fast: true,
  async run(world) {
    const codes = new Set<string>();
    const kept = newTask('kept');
    await startTask(world, kept, 'database');
    for (const more of [0, 2, 4, 8, 10]) {
      const stopped = newTask('stopped');
      await startTask(world, stopped, 'database');
      await withDescriptors(world, more, async () => {
        const limit = AbortSignal.timeout(3_000);
        const stop = async () => {
          const reply = await world.api('DELETE', `/v1/tasks/${stopped}`).catch(() => undefined);
          if (reply === undefined || limit.aborted) return;
          expect([200, 202], reply.text).toContain(reply.status);
          expect(world.taskDirs()).not.toContain(stopped);
        };
        const starts = Array.from({ length: 6 }, async () => {
          const id = newTask('crowd');
          const reply = await world.api('PUT', `/v1/tasks/${id}`, DATABASE).catch(() => undefined);
          if (reply === undefined || reply.status === 201) return;
          const short = SHORT[reply.body.code];
          expect(short, `no code for a lack of descriptors: ${reply.text}`).toBeDefined();
          const { code, detail, hint, retryable } = expectProblem(reply, short!.status, reply.body.code);
          expect(`${detail}; ${hint}`).toMatch(short!.says);
          expect([retryable, hint], reply.text).toEqual([true, expect.stringMatching(/\S+ \S+/)]);
          expect(world.taskDirs()).not.toContain(id);
          codes.add(code);
        });
        const over = new Promise((resolve) => limit.addEventListener('abort', resolve, { once: true }));
        await Promise.race([Promise.all([stop(), ...starts]), over]);
      });
      expect(world.agent.running).toBe(true);
      expectProved(await stopTask(world, stopped), 1);
    }
    expect([...codes], 'the shortage was never felt').toContain('CAPACITY');
    expect(await credentialWorks(world, kept)).toBe(true);
    expectProved(await stopTask(world, kept), 1);
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
