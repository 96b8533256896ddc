// Owns the bars of an outage and of a frozen agent: stops during an outage are all proved soon after it with no
// storm, and after a freeze no stale file is presented as good for more than a second.
import { expect } from 'vitest';
import { ANY } from '../harness/faults.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import { credentialWorks, newTask, nothingLeft, stopAtOnce, tasks } from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group, Scenario } from './scenario.ts';
import { vaultDown, vaultUp } from './vault-process.ts';

const PROVED_WITHIN_MS = 30_000;
const AT_ONCE_REQUESTS = 64;
const STALE_FOR_MS = 1_000;

const outage = (seconds: number, stops: number): Scenario => ({
  name: `Vault down for ${seconds} s with ${stops} stops during it: none lost, all proved within 30 s, at most 64 requests at once`,
  limitMs: 300_000,
  async run(world) {
    const ids = Array.from({ length: stops }, () => newTask('outage'));
    const profileOf = (n: number) => ['database', 'one-time-password', 'certificate'][n % 3]!;
    await inParallel(ids, 8, (id, n) => startTask(world, id, profileOf(n)));
    world.proxy.forget();
    await vaultDown(world);
    const downAt = performance.now();
    // Spread over the outage, as tasks end.
    await inParallel(ids, 8, async (id, n) => {
      const due = downAt + (n / stops) * seconds * 800;
      await pause(Math.max(0, due - performance.now()));
      expect((await stopAtOnce(world, id)).status).toBe(202);
    });
    expect(world.taskDirs()).toEqual([]);
    await pause(Math.max(0, downAt + seconds * 1000 - performance.now()));
    await vaultUp(world);
    const upAt = performance.now();
    await until('every stop is proved', async () => (await tasks(world)).length === 0, PROVED_WITHIN_MS);
    const took = performance.now() - upAt;
    console.log(
      `${stops} stops: all proved ${(took / 1000).toFixed(1)} s after Vault's return; at most ` +
        `${world.proxy.peak} requests at once, ${world.proxy.perSecond()} within a second`,
    );
    expect(world.proxy.peak).toBeLessThanOrEqual(AT_ONCE_REQUESTS);
    for (const id of ids) expectProved((await world.api('GET', `/v1/tasks/${id}/receipt`)).body, 1);
    await nothingLeft(world);
  },
});

/** The agent is frozen for so long; a reader goes on all the while. */
const frozen = (what: string, profile: string, ms: number, fast?: true): Scenario => ({
  name: `the agent frozen for longer than ${what}: a second after it goes on, no file holds a credential that PostgreSQL refuses`,
  limitMs: 120_000,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('thawed');
    await startTask(world, task, profile);
    const { pid } = world.agent;
    process.kill(pid, 'SIGSTOP');
    try {
      await pause(ms);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const goesOnAt = performance.now();
    const reader = watchFile(world, task);
    await until('it has a credential that works, or is closed', async () => {
      const { looks, missing, torn } = reader.report;
      const good = looks - missing - torn - reader.refusedSince(0) > 5;
      return good || (await world.api('GET', `/v1/tasks/${task}`)).body.state === 'closed';
    });
    await reader.stop();
    expect(reader.refusedSince(goesOnAt + STALE_FOR_MS)).toBe(0);
    await stopTask(world, task);
    await nothingLeft(world);
  },
});

/** No credential can be had when it goes on: then there must be no file. */
const thawedAlone: Scenario = {
  name: 'the agent frozen for longer than a lease and thawed without Vault: the file is gone a second after it goes on',
  limitMs: 120_000,
  async run(world) {
    const task = newTask('alone');
    await startTask(world, task, 'short-lease');
    const { pid } = world.agent;
    process.kill(pid, 'SIGSTOP');
    await pause(7_000);
    await world.proxy.down();
    process.kill(pid, 'SIGCONT');
    const goesOnAt = performance.now();
    const reader = watchFile(world, task);
    await until('the file is gone', () => reader.report.missing > 5);
    await reader.stop();
    expect(reader.refusedSince(goesOnAt + STALE_FOR_MS)).toBe(0);
    await world.proxy.up();
    await nothingLeft(world);
  },
};

/** Requests that hang do not keep a file beyond its lease. */
const unanswered: Scenario = {
  name: 'a Vault that takes every request and answers none: the file goes with its lease, and a new one comes with answers',
  limitMs: 120_000,
  async run(world) {
    const task = newTask('unanswered');
    const { leases } = await startTask(world, task, 'short-lease');
    const plan = world.proxy.on(ANY, { do: 'blackHole' });
    const reader = watchFile(world, task);
    await until('the file is gone', () => reader.report.missing > 5);
    await reader.stop();
    const endedAt = performance.now() - (Date.now() - Date.parse(leases[0].expires_at));
    expect(reader.refusedSince(endedAt + STALE_FOR_MS)).toBe(0);
    expect(performance.now()).toBeGreaterThan(endedAt - STALE_FOR_MS);
    plan.lift();
    await until('it has a credential that works', () => credentialWorks(world, task));
    await stopTask(world, task);
    await nothingLeft(world);
  },
};

/** With the patience that is the default: a Vault that comes back to hundreds of revocations is slow. */
export const bars: Group = {
  options: { config: { vault: { timeout: '10s' } } },
  scenarios: [
    { ...outage(4, 40), fast: true },
    outage(60, 500),
    frozen('a lease', 'short-lease', 7_000, true),
    frozen('a lease that must be rotated', 'rotating', 9_000),
    thawedAlone,
    unanswered,
  ],
};

/** With a leash of ten seconds. */
export const frozenBeyondTheLeash: Group = {
  options: { leash: '10s' },
  scenarios: [frozen('the leash', 'database', 13_000)],
};
