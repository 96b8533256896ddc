// Owns the scenarios in which a Vault administrator changes things under the agent: leases and tokens revoked,
// policies and roles taken away. Promise under test: the agent believes Vault, replaces what is gone while it
// may, says why while it may not, and is as before when things are put back.
import { expect } from 'vitest';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import {
  type ChaosWorld,
  credentialWorks,
  newTask,
  nothingLeft,
  refused,
  stopAtOnce,
  untilState,
} from './chaos-world.ts';
import type { Group } from './scenario.ts';

const must = async (world: ChaosWorld, method: string, path: string, body?: unknown) => {
  const reply = await world.vault.request(method, path, body);
  if (reply.status >= 300) throw new Error(`Vault answered ${reply.status} to ${method} ${path}`);
  return reply.body.data ?? {};
};

/** Takes something away while `work` runs, then puts the very same back. */
const without = async (world: ChaosWorld, path: string, work: () => Promise<void>): Promise<void> => {
  const kept = await must(world, 'GET', path);
  await must(world, 'DELETE', path);
  try {
    await work();
  } finally {
    await must(world, 'POST', path, kept);
  }
};

/** The session policy without one of its paths, while `work` runs. */
const withoutRight = async (world: ChaosWorld, right: string, work: () => Promise<void>): Promise<void> => {
  const path = 'sys/policies/acl/tasklease-session';
  const { policy } = (await must(world, 'GET', path)) as { policy: string };
  await must(world, 'POST', path, { policy: policy.replace(`path "${right}"`, 'path "taken/away"') });
  try {
    await work();
  } finally {
    await must(world, 'POST', path, { policy });
  }
};

/** A new generation with a login that works. */
const replaced = async (world: ChaosWorld, task: string, after = 1): Promise<void> => {
  await until('the task has a new generation that works', async () => {
    const { generation, state } = (await world.api('GET', `/v1/tasks/${task}`)).body;
    return generation > after && state === 'active' && (await credentialWorks(world, task));
  });
};

export const byHand: Group = {
  options: { leash: '10s' },
  scenarios: [
    {
      name: 'a lease revoked by hand is replaced by a new generation at its next renewal',
      fast: true,
      async run(world) {
        const task = newTask('revoked');
        await startTask(world, task, 'short-lease');
        const [lease] = await world.vaultLeases();
        await must(world, 'PUT', 'sys/leases/revoke', { lease_id: lease, sync: true });
        await replaced(world, task);
        expect(await world.pgRoles()).toHaveLength(1);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'a task token revoked by hand: the task gets a new token and a new generation',
      async run(world) {
        const task = newTask('tokenless');
        await startTask(world, task, 'short-lease');
        const [token] = await world.taskTokens();
        await must(world, 'POST', 'auth/token/revoke-accessor', { accessor: token!.accessor });
        await replaced(world, task);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: "the agent's session revoked by hand: it logs in anew, and every task gets a new generation under it",
      fast: true,
      async run(world) {
        const ids = [newTask('orphaned'), newTask('orphaned')];
        for (const id of ids) await startTask(world, id, 'database');
        const [token] = await world.taskTokens();
        const keys = (await world.vault.request('GET', 'auth/token/accessors/?list=true')).body.data?.keys;
        for (const accessor of keys as string[]) {
          const seen = await world.vault.request('POST', 'auth/token/lookup-accessor', { accessor });
          if (seen.body.data?.path !== 'auth/token/create/tasklease-session') continue;
          await must(world, 'POST', 'auth/token/revoke-accessor', { accessor });
        }
        expect(token).toBeDefined();
        for (const id of ids) await replaced(world, id);
        for (const id of ids) await stopTask(world, id);
        await nothingLeft(world);
      },
    },
    {
      name: "a profile's policy taken away: starts are refused with the path, living tasks keep what they have",
      async run(world) {
        const task = newTask('before');
        await startTask(world, task, 'database');
        await without(world, 'sys/policies/acl/tasklease-report-read', async () => {
          const problem = await refused(
            world,
            newTask('after'),
            { profile: 'database' },
            502,
            'VAULT_DENIED',
          );
          expect(problem.detail).toContain('database/creds/report');
          expect(await credentialWorks(world, task)).toBe(true);
        });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: "a rotating task's policy taken away: degraded with the reason, and rotated once it is put back",
      async run(world) {
        const task = newTask('rotating');
        await startTask(world, task, 'rotating');
        let generation = 0;
        await without(world, 'sys/policies/acl/tasklease-test-rotating', async () => {
          const view = await untilState(world, task, 'degraded');
          expect(view.reason).toMatchObject({ code: 'VAULT_DENIED' });
          generation = view.generation;
        });
        await replaced(world, task, generation - 1);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'the token role deleted: starts are refused with VAULT_DENIED, stops are proved, and all is well once it is back',
      fast: true,
      async run(world) {
        const task = newTask('roleless');
        await startTask(world, task, 'database');
        await without(world, 'auth/token/roles/tasklease', async () => {
          await refused(world, newTask('denied'), { profile: 'database' }, 502, 'VAULT_DENIED');
          expectProved(await stopTask(world, task), 1);
        });
        const again = newTask('again');
        await startTask(world, again, 'database');
        expectProved(await stopTask(world, again), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'the database role deleted: a start is refused, and a stop still proves what was issued under it',
      async run(world) {
        const task = newTask('role-gone');
        await startTask(world, task, 'database');
        await without(world, 'database/roles/report', async () => {
          await refused(world, newTask('denied'), { profile: 'database' }, 502, 'VAULT_DENIED');
          await stopAtOnce(world, task);
        });
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'the right to renew taken from the session: the task lives on by new generations, or says why not',
      async run(world) {
        const task = newTask('unrenewable');
        await startTask(world, task, 'short-lease');
        await withoutRight(world, 'sys/leases/renew', async () => {
          await until('it shows', async () => {
            const { state, generation } = (await world.api('GET', `/v1/tasks/${task}`)).body;
            return state === 'degraded' || generation > 1;
          });
          expect(await credentialWorks(world, task)).toBe(true);
        });
        await untilState(world, task, 'active');
        expect(await credentialWorks(world, task)).toBe(true);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'the right to revoke taken from the session: a stop stays pending with the reason until it is back',
      fast: true,
      async run(world) {
        const task = newTask('unrevocable');
        await startTask(world, task, 'database');
        await withoutRight(world, 'sys/leases/revoke', async () => {
          expect((await stopAtOnce(world, task)).status).toBe(202);
          const view = await until('it says why', async () => {
            const { body } = await world.api('GET', `/v1/tasks/${task}`);
            return body.reason === undefined ? undefined : body;
          });
          expect(view).toMatchObject({ state: 'stopping', reason: { code: 'VAULT_DENIED' } });
          expect(await world.vaultLeases()).toHaveLength(1);
        });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
  ],
};
