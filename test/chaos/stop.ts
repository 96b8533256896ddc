// Owns the scenarios of a stop while Vault's answers break. Promise under test: the stop is answered at once
// with the files gone, nothing but Vault's own word is taken for a proof, and it is asked again until it is.
import { expect } from 'vitest';
import {
  ANY,
  type Fault,
  LOOKUP,
  LOOKUP_TOKEN,
  REVOKE,
  REVOKE_TOKEN,
  SESSION,
  SWALLOW,
  says,
  type Which,
} from '../harness/faults.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { look, newTask, nothingLeft, stopAtOnce } from './chaos-world.ts';
import type { Group, Scenario } from './scenario.ts';

type Trouble = { readonly what: string; readonly which: Which; readonly fault: Fault; readonly fast?: true };

const TROUBLES: readonly Trouble[] = [
  { what: 'the look-up of the lease is cut', which: LOOKUP, fault: { do: 'cut' } },
  { what: 'a router says 404 to the look-up of the lease', which: LOOKUP, fault: says(404, 'no route') },
  {
    what: 'the look-up of the lease is answered 400 for another reason',
    which: LOOKUP,
    fault: says(400, 'bad'),
  },
  { what: 'the look-up of the lease is answered 403', which: LOOKUP, fault: says(403, 'permission denied') },
  { what: 'the revocation is cut before Vault sees it', which: REVOKE, fault: { do: 'cut' } },
  { what: 'the revocation is carried out and its reply lost', which: REVOKE, fault: SWALLOW, fast: true },
  { what: 'the revocation vanishes in a black hole', which: REVOKE, fault: { do: 'blackHole' } },
  { what: 'the revocation is answered 500', which: REVOKE, fault: says(500, 'internal error') },
  {
    what: 'the revocation is answered 502 after it was carried out',
    which: REVOKE,
    fault: { ...says(502, 'bad gateway'), afterEffect: true },
  },
  {
    what: 'the revocation is answered 429 with Retry-After',
    which: REVOKE,
    fault: says(429, 'rate limit quota exceeded', { 'retry-after': '1' }),
  },
  { what: 'the revocation is answered 503', which: REVOKE, fault: says(503, 'Vault is sealed') },
  {
    what: 'the revocation is only queued (202)',
    which: REVOKE,
    fault: { do: 'answer', status: 202, body: '' },
    fast: true,
  },
  {
    what: 'the revocation is answered with a redirect',
    which: REVOKE,
    fault: { do: 'answer', status: 307, headers: { location: 'http://127.0.0.1:9/v1/sys/leases/revoke' } },
  },
  { what: "the token's revocation is carried out and its reply lost", which: REVOKE_TOKEN, fault: SWALLOW },
  {
    what: "something else says 204 to the token's revocation",
    which: REVOKE_TOKEN,
    fault: { do: 'answer', status: 204 },
  },
  {
    what: 'the answer to the revocation comes a byte at a time',
    which: REVOKE,
    fault: { do: 'trickle', bytes: 1, everyMs: 100 },
  },
  { what: "the token's look-up is answered 500", which: LOOKUP_TOKEN, fault: says(500, 'internal error') },
  { what: "a router says 404 to the token's look-up", which: LOOKUP_TOKEN, fault: says(404, 'no route') },
  {
    what: "the token's look-up is answered with half a body",
    which: LOOKUP_TOKEN,
    fault: { do: 'halfBody' },
  },
];

const trouble = ({ what, which, fault, fast }: Trouble): Scenario => ({
  name: `a stop takes the files at once and is proved only later when ${what}`,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('stopped');
    await startTask(world, task, 'database');
    const plan = world.proxy.on(which, fault);
    expect((await stopAtOnce(world, task)).status).toBe(202);
    await until('it was tried', () => plan.struck >= 2);
    expect(await look(world, task)).toMatchObject({ state: 'stopping', dir: null });
    plan.lift();
    expectProved(await stopTask(world, task), 1);
    // What a receipt calls revoked is gone that very moment.
    expect(await world.vaultLeases()).toEqual([]);
    expect(await world.pgRoles()).toEqual([]);
    await nothingLeft(world);
  },
});

const everything: readonly Scenario[] = [
  {
    name: 'a 204 that did not come from Vault proves nothing: only what Vault no longer knows is called revoked',
    fast: true,
    async run(world) {
      const task = newTask('lied-to');
      await startTask(world, task, 'database');
      const plans = [REVOKE, REVOKE_TOKEN].map((which) =>
        world.proxy.on(which, { do: 'answer', status: 204 }),
      );
      expect((await stopAtOnce(world, task)).status).toBe(202);
      await until('both lies were told, twice', () => plans.every(({ struck }) => struck >= 2));
      expect(await look(world, task)).toMatchObject({
        state: 'stopping',
        reason: { code: 'VAULT_CONTRACT' },
      });
      expect(await world.vaultLeases()).toHaveLength(1);
      world.proxy.heal();
      expectProved(await stopTask(world, task), 1);
      expect(await world.vaultLeases()).toEqual([]);
      expect(await world.pgRoles()).toEqual([]);
      await nothingLeft(world);
    },
  },
  {
    name: 'a stop during a start that hangs is answered at once, and what Vault issues late is revoked',
    fast: true,
    async run(world) {
      const task = newTask('regretted');
      const plan = world.proxy.on({ path: 'database/creds/report' }, { do: 'hold' });
      const starting = world.api('PUT', `/v1/tasks/${task}`, { profile: 'database' });
      await until('the secret was issued', async () => (await world.vaultLeases()).length === 1);
      expect((await stopAtOnce(world, task)).status).toBe(202);
      plan.lift();
      expect((await starting).status).toBeGreaterThanOrEqual(400);
      await nothingLeft(world);
    },
  },
  {
    name: 'no answer at all is taken for a proof: with every one lost, a stop stays pending and says why',
    async run(world) {
      const task = newTask('unheard');
      await startTask(world, task, 'database');
      const plan = world.proxy.on(ANY, SWALLOW);
      await stopAtOnce(world, task);
      await until('it was tried often', () => plan.struck >= 6);
      const view = await look(world, task);
      expect(view).toMatchObject({ state: 'stopping', dir: null, reason: { code: 'VAULT_UNREACHABLE' } });
      plan.lift();
      // The look-up after the lost revocation cannot tell who ended the lease; it is gone all the same.
      await stopTask(world, task);
      await nothingLeft(world);
    },
  },
  {
    name: 'stops of tasks do not wait for a session renewal that hangs',
    async run(world) {
      const task = newTask('beside');
      await startTask(world, task, 'database');
      const plan = world.proxy.on(SESSION, { do: 'blackHole' });
      expectProved(await stopTask(world, task), 1);
      plan.lift();
      await nothingLeft(world);
    },
  },
];

export const stop: Group = { scenarios: [...TROUBLES.map(trouble), ...everything] };
