// Owns the scenarios in which the engine behind Vault fails: PostgreSQL stopped, frozen, restarted, or changed
// by hand. Promise under test: a revocation that the engine could not do is never called done.
import { expect } from 'vitest';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import {
  type ChaosWorld,
  credentialWorks,
  look,
  newTask,
  nothingLeft,
  QUICKLY_MS,
  refused,
  stopAtOnce,
  untilState,
  within,
} from './chaos-world.ts';
import type { Group } from './scenario.ts';

/** Freezes PostgreSQL with every connection that Vault keeps open, while `work` runs. */
const whilePostgresHangs = async (world: ChaosWorld, work: () => Promise<void>): Promise<void> => {
  const warm = newTask('warm');
  await startTask(world, warm, 'database');
  await stopTask(world, warm);
  const backends = await world.postgres.query(
    `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  const pids = [world.postgres.pid, ...backends.map(({ pid }) => Number(pid))];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
};

export const postgres: Group = {
  scenarios: [
    {
      name: 'PostgreSQL stopped at a start: refused with the path, nothing left, and the id is not spent',
      async run(world) {
        const task = newTask('no-database');
        await world.postgres.stop();
        const reply = await within(
          QUICKLY_MS,
          world.api('PUT', `/v1/tasks/${task}`, { profile: 'database' }),
        );
        expect(reply.status, reply.text).toBeGreaterThanOrEqual(500);
        expect(reply.body.detail).toContain('database/creds/report');
        expect(world.taskDirs()).not.toContain(task);
        await world.postgres.start();
        await nothingLeft(world);
        await startTask(world, task, 'database');
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'PostgreSQL stopped at a stop: pending with the reason, and proved only when the role is gone',
      fast: true,
      async run(world) {
        const task = newTask('down');
        await startTask(world, task, 'database');
        await world.postgres.stop();
        expect((await stopAtOnce(world, task)).status).toBe(202);
        const view = await until('it says why', async () => {
          const seen = await look(world, task);
          return seen.reason === undefined ? undefined : seen;
        });
        expect(view).toMatchObject({ state: 'stopping', dir: null, reason: { code: 'VAULT_DENIED' } });
        expect(await world.vaultLeases()).toHaveLength(1);
        await world.postgres.start();
        expectProved(await stopTask(world, task), 1);
        expect(await world.pgRoles()).toEqual([]);
        await nothingLeft(world);
      },
    },
    {
      name: 'PostgreSQL stopped under a renewal: the task is degraded with its file, and active once it is back',
      async run(world) {
        const task = newTask('renewing');
        await startTask(world, task, 'medium-lease');
        await pause(9_000);
        await world.postgres.stop();
        expect(await untilState(world, task, 'degraded')).toMatchObject({
          dir: expect.any(String),
          reason: { code: expect.any(String) },
        });
        await world.postgres.start();
        await untilState(world, task, 'active');
        expect(await credentialWorks(world, task)).toBe(true);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'PostgreSQL frozen at a start: refused in time, and the login that Vault makes late is revoked',
      fast: true,
      async run(world) {
        await whilePostgresHangs(world, () =>
          refused(world, newTask('hung'), { profile: 'database' }, 503, 'VAULT_UNREACHABLE'),
        );
        await nothingLeft(world);
      },
    },
    {
      name: 'PostgreSQL frozen at a stop: the file goes at once, other engines are proved meanwhile',
      async run(world) {
        const [slow, other] = [newTask('slow'), newTask('other')];
        await startTask(world, slow, 'database');
        await startTask(world, other, 'certificate');
        await whilePostgresHangs(world, async () => {
          expect((await stopAtOnce(world, slow)).status).toBe(202);
          expectProved(await stopTask(world, other), 1);
          expect(await look(world, slow)).toMatchObject({ state: 'stopping' });
        });
        expectProved(await stopTask(world, slow), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'a login dropped by hand in PostgreSQL does not keep its lease from being proved',
      async run(world) {
        const task = newTask('dropped');
        await startTask(world, task, 'database');
        const [role] = await world.pgRoles();
        await world.postgres.query(`drop role "${role}"`);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
  ],
};
