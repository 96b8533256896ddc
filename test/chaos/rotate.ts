// Owns the scenarios of a rotation while something breaks. Promise under test: the old generation stays whole
// and good until the new one is, what was half made is revoked, and never more than two generations live.
import { expect } from 'vitest';
import {
  type Fault,
  LOOKUP_TOKEN,
  READ,
  RENEW,
  REVOKE,
  SWALLOW,
  says,
  TOKEN,
  type Which,
} from '../harness/faults.ts';
import { profile } from '../harness/sample-profiles.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, until } from '../harness/until.ts';
import {
  type ChaosWorld,
  credentialWorks,
  newTask,
  nothingButLostTokens,
  nothingLeft,
  untilState,
} from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group, Scenario } from './scenario.ts';
import { vaultDown, vaultUp } from './vault-process.ts';

type Trouble = {
  readonly what: string;
  readonly which: Which;
  readonly fault: Fault;
  readonly times: number;
  readonly fast?: true;
};

const TROUBLES: readonly Trouble[] = [
  { what: 'the token is refused with 500', which: TOKEN, fault: says(500, 'internal error'), times: 2 },
  { what: 'the answer with the token is lost', which: TOKEN, fault: SWALLOW, times: 1 },
  { what: 'the answer with the secret is lost', which: READ, fault: SWALLOW, times: 1, fast: true },
  {
    what: 'the read is answered 429',
    which: READ,
    fault: says(429, 'quota', { 'retry-after': '1' }),
    times: 2,
  },
  { what: 'the read is answered 403', which: READ, fault: says(403, 'permission denied'), times: 2 },
  { what: 'the read is answered 503 sealed', which: READ, fault: says(503, 'Vault is sealed'), times: 2 },
  { what: 'the answer with the secret is torn', which: READ, fault: { do: 'halfBody' }, times: 1 },
  {
    what: 'the secret comes 40 bytes at a time',
    which: READ,
    fault: { do: 'trickle', bytes: 40, everyMs: 30 },
    times: 1,
  },
  { what: 'the old lease cannot be revoked', which: REVOKE, fault: says(500, 'internal error'), times: 3 },
  { what: "the answer to the old lease's revocation is lost", which: REVOKE, fault: SWALLOW, times: 2 },
  { what: "the look-up of the old token's end fails", which: LOOKUP_TOKEN, fault: { do: 'cut' }, times: 2 },
];

/** A profile whose lease lasts for an hour; another `edition` of it rotates its tasks at once. */
const changing = (edition: number) =>
  profile({
    vault: { policies: ['tasklease-report-read'] },
    overlap: '1s',
    secrets: {
      db: {
        path: 'database/creds/report',
        files: {
          'db.json': { format: 'json' },
          'db.env': { format: 'dotenv', fields: { PGUSER: 'username' } },
          edition: { format: 'template', template: `${edition}\n` },
        },
      },
    },
  });
/** Writes an edition of the profile that is named as its only task. */
const publishEdition = (world: ChaosWorld, task: string, edition: number): Promise<void> =>
  world.writeProfile(task, changing(edition));

const startChanging = async (world: ChaosWorld, task: string): Promise<void> => {
  await publishEdition(world, task, 1);
  await until('the profile is read', async () => {
    const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile: task });
    return reply.status === 201;
  });
};

/** Waits until the task shows a later generation that works; never more than two have a token meanwhile. */
const rotated = (world: ChaosWorld, task: string, after: number): Promise<unknown> =>
  until('the task rotates', async () => {
    const { generation, state } = (await world.api('GET', `/v1/tasks/${task}`)).body;
    return generation > after && state === 'active' && (await credentialWorks(world, task));
  });

const trouble = ({ what, which, fault, times, fast }: Trouble): Scenario => ({
  name: `a rotation gets through although ${what}, and its reader never sees a missing, torn or refused credential`,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('rotating');
    await startChanging(world, task);
    const reader = watchFile(world, task);
    const plan = world.proxy.on({ ...which, times }, fault);
    await publishEdition(world, task, 2);
    await until('it was struck', () => plan.struck === times);
    await rotated(world, task, 1);
    await until('the reader has seen both logins', () => reader.report.logins.length === 2);
    const [first] = reader.report.logins;
    await until('the first login is gone', async () => !(await world.pgRoles()).includes(first!));
    expect(await world.file(task, 'edition')).toBe('2\n');
    expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
    await stopTask(world, task);
    if (which === TOKEN && fault === SWALLOW) await nothingButLostTokens(world, times);
    else await nothingLeft(world);
  },
});

export const rotate: Group = {
  scenarios: [
    ...TROUBLES.map(trouble),
    {
      name: 'a rotation that Vault’s absence holds up: degraded, the file gone with its lease, and a new one at its return',
      async run(world) {
        const task = newTask('held-up');
        await startTask(world, task, 'rotating');
        await vaultDown(world);
        expect((await untilState(world, task, 'degraded')).reason).toMatchObject({
          code: 'VAULT_UNREACHABLE',
        });
        await until('the file is gone', () =>
          world.file(task, 'db.json').then(
            () => false,
            () => true,
          ),
        );
        await vaultUp(world);
        await rotated(world, task, 1);
        await stopTask(world, task);
        await nothingLeft(world);
      },
    },
    {
      name: 'a stop in the middle of a rotation revokes both generations',
      fast: true,
      async run(world) {
        const task = newTask('interrupted');
        await startTask(world, task, 'rotating');
        const plan = world.proxy.on(READ, { do: 'hold' });
        await until('the new secret was issued', async () => (await world.vaultLeases()).length === 2);
        const stopped = await world.api('DELETE', `/v1/tasks/${task}`);
        expect(stopped.status, stopped.text).toBe(202);
        expect(world.taskDirs()).not.toContain(task);
        plan.lift();
        const receipt = await stopTask(world, task);
        expect(receipt.leases).toHaveLength(2);
        await nothingLeft(world);
      },
    },
    {
      name: 'five hundred rotations: readers never see a missing file, a mixture, or a credential that PostgreSQL refuses',
      limitMs: 300_000,
      async run(world) {
        const profileName = newTask('many-editions');
        const ids = Array.from({ length: 20 }, () => newTask('often'));
        await world.writeProfile(profileName, changing(1));
        await until('the profile is read', async () => {
          return (await world.api('PUT', `/v1/tasks/${ids[0]}`, { profile: profileName })).status === 201;
        });
        await inParallel(ids.slice(1), 4, (id) => startTask(world, id, profileName));
        const readers = ids.map((id) => watchFile(world, id));
        for (let edition = 2; edition <= 26; edition += 1) {
          await world.writeProfile(profileName, changing(edition));
          await until('all have rotated', async () => {
            const { tasks } = (await world.admin('GET', '/v1/tasks')).body;
            const mine = tasks.filter(({ profile: name }: { profile: string }) => name === profileName);
            return mine.every(({ generation }: { generation: number }) => generation >= edition);
          });
        }
        const reports = await Promise.all(readers.map((reader) => reader.stop()));
        const looks = reports.reduce((sum, report) => sum + report.looks, 0);
        console.log(`500 rotations, ${looks} looks`);
        for (const report of reports) expect(report).toMatchObject({ missing: 0, torn: 0, refused: 0 });
        await nothingLeft(world);
      },
    },
    {
      name: 'twenty tasks that rotate every few seconds while Vault stumbles: their readers see nothing of it',
      limitMs: 120_000,
      async run(world) {
        world.proxy.forget();
        const ids = Array.from({ length: 20 }, () => newTask('many'));
        await Promise.all(ids.map((id) => startTask(world, id, 'rotating')));
        const readers = ids.slice(0, 5).map((id) => watchFile(world, id));
        const stumbles: [Which, Fault][] = [
          [TOKEN, says(500, 'internal error')],
          [READ, says(429, 'quota')],
          [RENEW, SWALLOW],
          [REVOKE, SWALLOW],
          [LOOKUP_TOKEN, { do: 'cut' }],
        ];
        const plans = stumbles.flatMap(([which, fault]) =>
          [3, 9, 15].map((nth) => world.proxy.on({ ...which, nth, times: 1 }, fault)),
        );
        await until('all have rotated twice', async () => {
          const { tasks } = (await world.admin('GET', '/v1/tasks')).body;
          const now = tasks.filter(({ task }: { task: string }) => ids.includes(task));
          return now.every(({ generation }: { generation: number }) => generation >= 3);
        });
        expect(plans.every(({ struck }) => struck === 1)).toBe(true);
        for (const reader of readers) {
          expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
        }
        expect(world.proxy.peak).toBeLessThanOrEqual(64);
        await nothingLeft(world);
      },
    },
  ],
};
