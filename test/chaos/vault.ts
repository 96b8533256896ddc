// Owns the scenarios in which the Vault server itself dies, freezes, seals or forgets. Promise under test:
// living tasks keep what works, starts say why they cannot, stops take the files at once and are proved later.
import { expect } from 'vitest';
import { ANY } from '../harness/faults.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import {
  credentialWorks,
  look,
  newTask,
  nothingButLostTokens,
  nothingLeft,
  refused,
  stopAtOnce,
  untilState,
  within,
} from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group } from './scenario.ts';
import { vaultDown, vaultSnapshot, vaultUp, whileSealed, whileVaultHangs } from './vault-process.ts';

const DATABASE = { profile: 'database' };

export const vault: Group = {
  scenarios: [
    {
      name: 'Vault killed with -9: running tasks keep good files, starts say VAULT_UNREACHABLE, stops are proved later',
      fast: true,
      async run(world) {
        const [stays, goes] = [newTask('stays'), newTask('goes')];
        await startTask(world, stays, 'database');
        await startTask(world, goes, 'database');
        await vaultDown(world);
        await refused(world, newTask('outage'), DATABASE, 503, 'VAULT_UNREACHABLE');
        expect((await stopAtOnce(world, goes)).status).toBe(202);
        expect((await look(world, stays)).dir).toEqual(expect.any(String));
        expect(await credentialWorks(world, stays)).toBe(true);
        await vaultUp(world);
        expectProved(await stopTask(world, goes), 1);
        expect(await credentialWorks(world, stays)).toBe(true);
        expectProved(await stopTask(world, stays), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault sealed: starts say VAULT_SEALED, eight stops are answered at once, all are proved once it is unsealed',
      fast: true,
      async run(world) {
        const ids = Array.from({ length: 8 }, () => newTask('sealed'));
        await Promise.all(ids.map((id, n) => startTask(world, id, n % 2 === 0 ? 'database' : 'certificate')));
        await whileSealed(world, async () => {
          await refused(world, newTask('outage'), DATABASE, 503, 'VAULT_SEALED');
          const stops = await Promise.all(ids.map((id) => stopAtOnce(world, id)));
          expect(stops.map(({ status }) => status)).toEqual(ids.map(() => 202));
          expect(world.taskDirs()).toEqual([]);
        });
        for (const id of ids) expectProved(await stopTask(world, id), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault frozen: a start is refused in time, a stop is answered at once, and what was begun is revoked',
      fast: true,
      async run(world) {
        const task = newTask('frozen');
        await startTask(world, task, 'database');
        await whileVaultHangs(world, async () => {
          await refused(world, newTask('outage'), DATABASE, 503, 'VAULT_UNREACHABLE');
          expect((await stopAtOnce(world, task)).status).toBe(202);
        });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault restarted between start and stop: the lease outlived it and is proved revoked',
      async run(world) {
        const task = newTask('restarted');
        await startTask(world, task, 'database');
        await world.vault.stop();
        await world.vault.start();
        expect(await credentialWorks(world, task)).toBe(true);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault killed after it issued a secret that nobody received: the start is refused and the secret revoked',
      async run(world) {
        const task = newTask('half-way');
        const plan = world.proxy.on({ path: 'database/creds/report' }, { do: 'hold' });
        const starting = refused(world, task, DATABASE, 503, 'VAULT_UNREACHABLE');
        await until('the secret was issued', async () => (await world.vaultLeases()).length === 1);
        await vaultDown(world);
        plan.lift();
        await starting;
        await vaultUp(world);
        await nothingLeft(world);
      },
    },
    {
      name: 'a renewal that falls into an outage leaves the task degraded with its file, and active when Vault is back',
      async run(world) {
        const task = newTask('through');
        await startTask(world, task, 'medium-lease');
        const reader = watchFile(world, task);
        await pause(9_000);
        await vaultDown(world);
        const view = await untilState(world, task, 'degraded');
        expect(view).toMatchObject({ dir: expect.any(String), reason: { code: 'VAULT_UNREACHABLE' } });
        await vaultUp(world);
        await untilState(world, task, 'active');
        expect(await credentialWorks(world, task)).toBe(true);
        expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
    {
      name: 'a lease that ends during an outage takes its file along, and the task gets a new one when Vault is back',
      async run(world) {
        const task = newTask('starved');
        const { leases } = await startTask(world, task, 'short-lease');
        await vaultDown(world);
        const end = Date.parse(leases[0].expires_at);
        await until('the file is gone', () =>
          world.file(task, 'db.json').then(
            () => false,
            () => true,
          ),
        );
        // Taken away because of the lease's end: not long before it, at most a second after it.
        expect(Math.abs(Date.now() - end)).toBeLessThan(3_000);
        expect(await look(world, task)).toMatchObject({ state: 'degraded', dir: null });
        await vaultUp(world);
        const view = await untilState(world, task, 'active');
        expect(view.generation).toBeGreaterThan(1);
        expect(await credentialWorks(world, task)).toBe(true);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'Vault restored from a copy older than the start: the receipt says unproved, never revoked',
      async run(world) {
        const restore = await vaultSnapshot(world);
        const task = newTask('forgotten');
        await startTask(world, task, 'database');
        const [role] = await world.pgRoles();
        await restore();
        const receipt = await stopTask(world, task);
        expect(receipt.leases).toMatchObject([{ secret: 'db', proof: 'unproved' }]);
        // Vault forgot it, so only PostgreSQL itself can end it: by VALID UNTIL, or by hand as here.
        expect(await world.pgRoles()).toEqual([role]);
        await world.postgres.query(`drop role "${role}"`);
        await nothingLeft(world);
      },
    },
    {
      name: 'a Vault that comes and goes thirty times leaves nothing of forty tasks that start and stop meanwhile',
      async run(world) {
        let flapping = true;
        world.proxy.forget();
        const lanes = Array.from({ length: 4 }, async () => {
          for (let n = 0; n < 10 || flapping; n += 1) {
            const task = newTask('flap');
            const profile = n % 2 === 0 ? 'database' : 'certificate';
            const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile });
            expect([201, 502, 503, 409], reply.text).toContain(reply.status);
            await pause(20);
            if (reply.status === 201) await stopAtOnce(world, task);
          }
        });
        for (let n = 0; n < 30; n += 1) {
          await world.proxy.down();
          await pause(60);
          await world.proxy.up();
          await pause(140);
        }
        flapping = false;
        await Promise.all(lanes);
        // Each token whose reply was lost has read nothing.
        await nothingButLostTokens(world, world.proxy.seen.filter(({ kind }) => kind === 'token').length);
      },
    },
    {
      name: 'two hundred starts at a slow Vault: at most 64 requests at once, each start granted or refused in time',
      limitMs: 120_000,
      async run(world) {
        world.proxy.forget();
        world.proxy.on(ANY, { do: 'delay', ms: 400 });
        const ids = Array.from({ length: 200 }, () => newTask('slow'));
        const replies = await Promise.all(
          ids.map((id) => within(30_000, world.api('PUT', `/v1/tasks/${id}`, { profile: 'certificate' }))),
        );
        for (const { status, text } of replies) expect([201, 503], text).toContain(status);
        expect(replies.some(({ status }) => status === 201)).toBe(true);
        expect(world.proxy.peak).toBeLessThanOrEqual(64);
        world.proxy.heal();
        await nothingLeft(world);
      },
    },
    {
      name: 'sixty leases that are renewed every few seconds, through an outage: no storm when Vault is back',
      limitMs: 120_000,
      async run(world) {
        const ids = Array.from({ length: 60 }, () => newTask('renewing'));
        await inParallel(ids, 8, (id) => startTask(world, id, 'medium-lease'));
        await pause(9_000);
        await world.proxy.down();
        await pause(5_000);
        world.proxy.forget();
        await world.proxy.up();
        await until('every task is active with a lease that was renewed', async () => {
          const { tasks: all } = (await world.admin('GET', '/v1/tasks')).body;
          const mine = all.filter(({ task }: { task: string }) => ids.includes(task));
          return mine.every(({ state }: { state: string }) => state === 'active');
        });
        expect(world.proxy.peak).toBeLessThanOrEqual(64);
        // A lease is renewed once, and a session now and then: not again and again.
        expect(world.proxy.perSecond()).toBeLessThanOrEqual(3 * ids.length);
        expect(await credentialWorks(world, ids[0]!)).toBe(true);
        await nothingLeft(world);
      },
    },
  ],
};
