// Owns the scenarios of the agent's session, on which every task hangs, with a leash of ten seconds. Promise
// under test: an outage shorter than the leash costs nothing; a longer one ends credentials, and then no file.
import { expect } from 'vitest';
import { LOGIN, SESSION, SWALLOW, says } from '../harness/faults.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import { credentialWorks, look, newTask, nothingLeft, refused, untilState } from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group } from './scenario.ts';
import { vaultDown, vaultSnapshot, vaultUp, whileSealed } from './vault-process.ts';

const LEASH_MS = 10_000;

export const session: Group = {
  options: { leash: `${LEASH_MS / 1000}s` },
  scenarios: [
    {
      name: 'five lost answers to the renewal of the session end no task',
      async run(world) {
        const task = newTask('kept');
        await startTask(world, task, 'database');
        const plan = world.proxy.on({ ...SESSION, times: 5 }, SWALLOW);
        await until('five answers were lost', () => plan.struck === 5, 30_000);
        plan.lift();
        await world.agent.ready();
        expect(await look(world, task)).toMatchObject({ state: 'active', generation: 1 });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'an outage shorter than the leash: tasks keep their generation, and the session is renewed at once after it',
      async run(world) {
        const task = newTask('outlived');
        await startTask(world, task, 'database');
        await vaultDown(world);
        await pause(LEASH_MS / 2);
        await vaultUp(world);
        await world.agent.ready();
        expect(await untilState(world, task, 'active')).toMatchObject({ generation: 1 });
        expect(await credentialWorks(world, task)).toBe(true);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'sealed for longer than the leash: the file goes with the session, and after it the task lives anew or is closed',
      limitMs: 120_000,
      async run(world) {
        const task = newTask('unleashed');
        await startTask(world, task, 'database');
        await whileSealed(world, async () => {
          const gone = () =>
            world.file(task, 'db.json').then(
              () => false,
              () => true,
            );
          await until('the file is gone', gone, LEASH_MS + 10_000);
        });
        const reader = watchFile(world, task);
        await until(
          'it has a login that works, or is closed',
          async () => {
            const { state } = await look(world, task);
            return state === 'closed' || (state === 'active' && (await credentialWorks(world, task)));
          },
          60_000,
        );
        expect((await reader.stop()).refused).toBe(0);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'the session is lost and no login can be had: starts say why, files go, and all comes back with the login',
      limitMs: 120_000,
      async run(world) {
        const task = newTask('locked-out');
        await startTask(world, task, 'database');
        const plans = [
          world.proxy.on(LOGIN, says(500, 'internal error')),
          world.proxy.on(SESSION, says(403, 'permission denied')),
        ];
        await until('it noticed', async () => (await world.api('GET', '/v1/health?ready')).status === 503);
        await refused(world, newTask('outside'), { profile: 'database' }, 503, 'VAULT_UNREACHABLE');
        for (const plan of plans) plan.lift();
        await world.agent.ready();
        await startTask(world, newTask('inside'), 'database');
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault restored from a copy older than the session: a new login, a new generation, and the old one is called unproved',
      async run(world) {
        await world.agent.term();
        const restore = await vaultSnapshot(world);
        await world.agent.start();
        const task = newTask('forgotten');
        await startTask(world, task, 'database');
        const [role] = await world.pgRoles();
        await restore();
        await until('it has a new generation that works', async () => {
          const { generation, state } = await look(world, task);
          return generation > 1 && state === 'active' && (await credentialWorks(world, task));
        });
        const receipt = await stopTask(world, task);
        expect(receipt.leases).toMatchObject([{ proof: 'unproved' }, { proof: 'revoked' }]);
        // Only PostgreSQL still knows the first login.
        expect(await world.pgRoles()).toEqual([role]);
        await world.postgres.query(`drop role "${role}"`);
        await nothingLeft(world);
      },
    },
    {
      name: 'a session renewed late by a slow Vault is neither lost nor renewed in a storm',
      async run(world) {
        const task = newTask('slow');
        await startTask(world, task, 'database');
        const plan = world.proxy.on(SESSION, { do: 'delay', ms: 1_500 });
        world.proxy.forget();
        await until('three slow renewals', () => plan.struck >= 3, 30_000);
        expect(world.proxy.perSecond('session')).toBeLessThanOrEqual(3);
        plan.lift();
        expect(await look(world, task)).toMatchObject({ state: 'active', generation: 1 });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
  ],
};
