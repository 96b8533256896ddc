// Owns the scenarios of an agent that comes back to a broken world. Promise under test: living tasks keep what
// works, what was half done is ended, and nothing of the last agent is lost or left.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Fault, LOGIN, REVOKE, SESSION, SWALLOW, says, TOKEN } from '../harness/faults.ts';
import { mediumLease } from '../harness/sample-profiles.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import {
  type ChaosWorld,
  credentialWorks,
  look,
  newTask,
  nothingLeft,
  refused,
  stopAtOnce,
  untilState,
} from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group, Scenario } from './scenario.ts';
import { vaultDown, vaultUp, whileSealed } from './vault-process.ts';

const called = (world: ChaosWorld): Promise<unknown> =>
  until('callers are let in', async () => (await world.api('GET', '/v1/health')).status > 0);

/** A living task, an agent that is killed, and the next one. */
const adopted = (what: string, restart: (world: ChaosWorld) => Promise<void>, fast?: true): Scenario => ({
  name: `killed with a living task and restarted ${what}: the reader notices nothing, and the stop is proved`,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('adopted');
    await startTask(world, task, 'database');
    const reader = watchFile(world, task);
    await world.agent.kill9();
    await restart(world);
    await world.agent.ready();
    // A renewal that fell into the outage may still be waiting for its next try.
    expect(await untilState(world, task, 'active')).toMatchObject({ generation: 1 });
    expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
    expectProved(await stopTask(world, task), 1);
    await nothingLeft(world);
  },
});

const whileBroken = (world: ChaosWorld, faults: [typeof LOGIN, Fault][]) => async (): Promise<void> => {
  const plans = faults.map(([which, fault]) => world.proxy.on(which, fault));
  await world.agent.launch();
  await called(world);
  await pause(500);
  for (const plan of plans) plan.lift();
};

/** The file that keeps the session over a restart, spoilt between two agents. */
const spoilt = (what: string, spoil: (path: string) => void): Scenario => ({
  name: `the kept session ${what} at the restart: the task gets a new generation, and the old one is revoked`,
  async run(world) {
    const task = newTask('unkept');
    await startTask(world, task, 'database');
    const [old] = await world.pgRoles();
    await world.agent.kill9();
    spoil(join(world.paths.runtime, 'session-token'));
    await world.agent.start();
    await until('the old login is gone', async () => !(await world.pgRoles()).includes(old!));
    const { state } = await look(world, task);
    if (state !== 'closed') {
      await until('it has a login that works', () => credentialWorks(world, task));
      await stopTask(world, task);
    }
    await nothingLeft(world);
  },
});

export const recovery: Group = {
  scenarios: [
    adopted('at once', (world) => world.agent.start(), true),
    adopted('while Vault is sealed', (world) =>
      whileSealed(world, async () => {
        await world.agent.launch();
        await called(world);
        await pause(500);
      }),
    ),
    adopted('while nobody listens at Vault', async (world) => {
      await vaultDown(world);
      await world.agent.launch();
      await called(world);
      await pause(500);
      await vaultUp(world);
    }),
    adopted('while logins are answered 500', (world) =>
      whileBroken(world, [[LOGIN, says(500, 'internal error')]])(),
    ),
    adopted('while neither a login nor a renewal of the session is answered', (world) =>
      whileBroken(world, [
        [LOGIN, { do: 'blackHole' }],
        [SESSION, { do: 'blackHole' }],
      ])(),
    ),
    adopted('five times, each killed again before it is ready', async (world) => {
      for (let n = 0; n < 5; n += 1) {
        await world.agent.launch();
        await pause(100 + 80 * n);
        await world.agent.kill9();
      }
      await world.agent.start();
    }),
    {
      name: 'on_exit: keep, then SIGTERM and a restart: the same login in the same file, before and after',
      fast: true,
      async run(world) {
        await world.configure((config) => {
          config.on_exit = 'keep';
        });
        try {
          await world.agent.term();
          await world.agent.start();
          const task = newTask('kept');
          await startTask(world, task, 'database');
          const before = await world.file(task, 'db.json');
          expect(await world.agent.term()).toMatchObject({ code: 0 });
          expect(await world.file(task, 'db.json')).toBe(before);
          expect(await credentialWorks(world, task)).toBe(true);
          await world.agent.start();
          expect(await look(world, task)).toMatchObject({ state: 'active', generation: 1 });
          expect(await world.file(task, 'db.json')).toBe(before);
          expectProved(await stopTask(world, task), 1);
          await nothingLeft(world);
        } finally {
          await world.configure((config) => {
            config.on_exit = 'revoke';
          });
          await world.agent.kill9();
          await world.agent.start();
        }
      },
    },
    {
      name: 'killed with twenty revocations under way and Vault down: the next agent proves every one',
      async run(world) {
        const ids = Array.from({ length: 20 }, () => newTask('pending'));
        await Promise.all(ids.map((id) => startTask(world, id, 'one-time-password')));
        await vaultDown(world);
        await Promise.all(ids.map((id) => stopAtOnce(world, id)));
        await world.agent.kill9();
        await world.agent.launch();
        await called(world);
        await vaultUp(world);
        for (const id of ids) expectProved(await stopTask(world, id), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'killed between a revocation and its proof: the next agent asks again and closes it',
      async run(world) {
        const task = newTask('between');
        await startTask(world, task, 'database');
        const plan = world.proxy.on(REVOKE, { do: 'hold' });
        await stopAtOnce(world, task);
        await until('Vault has revoked it', async () => (await world.vaultLeases()).length === 0);
        await world.agent.kill9();
        plan.lift();
        await world.agent.start();
        expect(await stopTask(world, task)).toMatchObject({ outcome: 'completed' });
        await nothingLeft(world);
      },
    },
    {
      name: 'a bound process that ended while no agent lived: its file is gone before anybody can call, its lease is revoked',
      async run(world) {
        const bound = spawn('sleep', ['600']);
        const task = newTask('bound');
        await startTask(world, task, 'database', { bind: { pid: bound.pid } });
        await world.agent.kill9();
        const ended = once(bound, 'exit');
        bound.kill('SIGKILL');
        await ended;
        await world.agent.launch();
        await called(world);
        expect(world.taskDirs()).not.toContain(task);
        const receipt = await stopTask(world, task);
        expect(['lost', 'failed']).toContain(receipt.outcome);
        expectProved(receipt, 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'a deadline that passed while no agent lived: the file is gone before anybody can call, and Vault kept it itself',
      async run(world) {
        const task = newTask('overdue');
        await startTask(world, task, 'database', { duration: '3s' });
        await world.agent.kill9();
        await until('Vault has ended it by itself', async () => (await world.pgRoles()).length === 0);
        await world.agent.launch();
        await called(world);
        expect(world.taskDirs()).not.toContain(task);
        expect((await stopTask(world, task)).state).toBe('closed');
        await nothingLeft(world);
      },
    },
    {
      name: 'a profile that no longer allows a task when the agent comes back: the task is stopped and revoked',
      async run(world) {
        const task = newTask('disallowed');
        const body = { ...mediumLease, allow: { uids: [process.getuid?.() ?? 0] } };
        await world.writeProfile('passing', body);
        await until('the profile is read', async () => {
          return (await world.api('PUT', `/v1/tasks/${task}`, { profile: 'passing' })).status === 201;
        });
        await world.agent.kill9();
        await world.writeProfile('passing', { ...body, allow: { uids: [65_000] } });
        await world.agent.start();
        expect(world.taskDirs()).not.toContain(task);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'the end of the old session is tried until it is done: with it goes a token whose making nobody saw',
      async run(world) {
        world.proxy.on({ ...TOKEN, times: 1 }, SWALLOW);
        await refused(world, newTask('unseen'), { profile: 'database' }, 503, 'VAULT_UNREACHABLE');
        expect(await world.taskTokens()).toHaveLength(1);
        await world.agent.kill9();
        const plan = world.proxy.on({ path: 'auth/token/revoke-self' }, { do: 'cut' });
        await world.agent.start();
        await until('it was tried', () => plan.struck >= 2);
        plan.lift();
        await nothingLeft(world);
      },
    },
    spoilt('is gone', (path) => rmSync(path)),
    spoilt('is torn', (path) => truncateSync(path, Math.floor(readFileSync(path).length / 2))),
  ],
};
