// Owns the scenarios of a start while Vault's answers break. Promise under test: the caller is told quickly
// and with the right code, no file appears, and what Vault issued all the same is revoked by its token.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { type Fault, READ, REVOKE, SWALLOW, says, TOKEN, type Which } from '../harness/faults.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import {
  credentialWorks,
  newTask,
  nothingButLostTokens,
  nothingLeft,
  QUICKLY_MS,
  refused,
  stopAtOnce,
  within,
} from './chaos-world.ts';
import type { Group, Scenario } from './scenario.ts';

const PAGE = '<html>maintenance</html>';

type Refusal = {
  readonly what: string;
  readonly fault: Fault;
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;
  /** Vault carries the request out although its answer is no good. */
  readonly effect: boolean;
  /** In `npm test` as well, on this request. */
  readonly fast?: 'token' | 'read';
};

const unreachable = { status: 503, code: 'VAULT_UNREACHABLE', retryable: true };

const REFUSALS: readonly Refusal[] = [
  { what: 'is cut before Vault sees it', fault: { do: 'cut' }, ...unreachable, effect: false },
  { what: 'is carried out and its reply lost', fault: SWALLOW, ...unreachable, effect: true, fast: 'read' },
  {
    what: 'is answered with 30 bytes and a reset',
    fault: { do: 'reset', afterBytes: 30 },
    ...unreachable,
    effect: true,
  },
  {
    what: 'is answered with half a JSON body',
    fault: { do: 'halfBody' },
    ...unreachable,
    effect: true,
    fast: 'token',
  },
  { what: 'vanishes in a black hole', fault: { do: 'blackHole' }, ...unreachable, effect: false },
  { what: 'is answered 500', fault: says(500, 'internal error'), ...unreachable, effect: false },
  {
    what: 'is answered 502 after it was carried out',
    fault: { ...says(502, 'bad gateway'), afterEffect: true },
    ...unreachable,
    effect: true,
  },
  {
    what: 'is answered 504 after it was carried out',
    fault: { ...says(504, 'gateway timeout'), afterEffect: true },
    ...unreachable,
    effect: true,
  },
  {
    what: 'is answered 429 again and again',
    fault: says(429, 'rate limit quota exceeded', { 'retry-after': '1' }),
    ...unreachable,
    effect: false,
  },
  {
    what: 'is answered 503 sealed',
    fault: says(503, 'Vault is sealed'),
    status: 503,
    code: 'VAULT_SEALED',
    retryable: true,
    effect: false,
    fast: 'token',
  },
  {
    what: 'is answered with two megabytes',
    fault: { do: 'answer', status: 200, body: 'x'.repeat(2 << 20), afterEffect: true },
    ...unreachable,
    effect: true,
  },
  {
    what: 'is answered with a page in the place of JSON',
    fault: {
      do: 'answer',
      status: 200,
      body: PAGE,
      headers: { 'content-type': 'text/html' },
      afterEffect: true,
    },
    status: 502,
    code: 'VAULT_CONTRACT',
    retryable: false,
    effect: true,
  },
];

const refusal = (target: 'token' | 'read', each: Refusal): Scenario => {
  const which: Which = target === 'token' ? TOKEN : READ;
  const request = target === 'token' ? "the token's creation" : 'the read of the secret';
  return {
    name: `a start is refused with ${each.code}, and leaves nothing, when ${request} ${each.what}`,
    ...(each.fast === target ? { fast: true } : {}),
    async run(world) {
      const task = newTask('broken');
      const plan = world.proxy.on(which, each.fault);
      const body = { profile: 'database' };
      const problem = await refused(world, task, body, each.status, each.code);
      if (problem.retryable !== each.retryable) throw new Error(`retryable is ${problem.retryable}`);
      plan.lift();
      if (target === 'token' && each.effect) await nothingButLostTokens(world, plan.struck);
      else await nothingLeft(world);
      // The id is not spent.
      await startTask(world, task, 'database');
      expectProved(await stopTask(world, task), 1);
      await nothingLeft(world);
    },
  };
};

const granted = (what: string, which: Which, fault: Fault, fast?: true): Scenario => ({
  name: `a start is granted although ${what}`,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('patient');
    const plan = world.proxy.on({ ...which, times: 1 }, fault);
    await startTask(world, task, 'database');
    expect(plan.struck).toBe(1);
    expect(await credentialWorks(world, task)).toBe(true);
    expectProved(await stopTask(world, task), 1);
    await nothingLeft(world);
  },
});

const odd: readonly Scenario[] = [
  {
    name: 'a start that Vault answers 429 with Retry-After passes that on, and is granted at the next try',
    async run(world) {
      const task = newTask('asked-to-wait');
      world.proxy.on({ ...TOKEN, times: 1 }, says(429, 'rate limit quota exceeded', { 'retry-after': '2' }));
      const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile: 'database' });
      // Or it waits by itself: both keep Vault's word.
      if (reply.status !== 201) {
        expectProblem(reply, 503, 'VAULT_UNREACHABLE');
        expect(reply.headers['retry-after']).toBe('2');
        await startTask(world, task, 'database');
      }
      expectProved(await stopTask(world, task), 1);
      await nothingLeft(world);
    },
  },
  granted('the answer to the read comes 40 bytes at a time', READ, {
    do: 'trickle',
    bytes: 40,
    everyMs: 20,
  }),
  granted('the token request reaches Vault a second late', TOKEN, { do: 'delay', ms: 1000 }),
  {
    name: 'a start whose secret trickles in for seconds is refused in time, and the secret is revoked unread',
    async run(world) {
      const task = newTask('trickled');
      world.proxy.on({ ...READ, times: 1 }, { do: 'trickle', bytes: 10, everyMs: 100 });
      await refused(world, task, { profile: 'database' }, 503, 'VAULT_UNREACHABLE');
      await nothingLeft(world);
    },
  },
  {
    name: 'a redirect to another host is not followed: nobody there ever hears of the token',
    fast: true,
    async run(world) {
      const stranger = await listenForStrangers();
      try {
        for (const which of [TOKEN, READ, REVOKE]) {
          const headers = { location: `${stranger.address}/v1/anything` };
          const plan = world.proxy.on(which, { do: 'answer', status: 307, headers });
          const task = newTask('redirected');
          const reply = await within(
            QUICKLY_MS,
            world.api('PUT', `/v1/tasks/${task}`, { profile: 'database' }),
          );
          if (which === REVOKE) await stopAtOnce(world, task);
          else expectProblem(reply, 503, 'VAULT_UNREACHABLE');
          await until('it was redirected', () => plan.struck >= 1);
          plan.lift();
          await nothingLeft(world);
        }
        expect(stranger.heard()).toBe(0);
      } finally {
        stranger.close();
      }
    },
  },
  {
    name: 'a read that Vault ends only after its connection broke is revoked all the same',
    fast: true,
    async run(world) {
      const read = await world.vault.request('GET', 'database/roles/report');
      const role = read.body.data as { creation_statements: string[] };
      const slow = ['select pg_sleep(0.7)', ...role.creation_statements];
      await world.vault.request('POST', 'database/roles/report', { ...role, creation_statements: slow });
      try {
        const plan = world.proxy.on({ path: 'database/creds/report', times: 1 }, { do: 'abandon', ms: 50 });
        await refused(world, newTask('abandoned'), { profile: 'database' }, 503, 'VAULT_UNREACHABLE');
        expect(plan.struck).toBe(1);
        await until('Vault issued it', async () => (await world.pgRoles()).length === 1);
      } finally {
        await world.vault.request('POST', 'database/roles/report', role);
      }
      await nothingLeft(world);
    },
  },
];

/** A server that is not Vault and counts what reaches it. */
const listenForStrangers = async () => {
  let heard = 0;
  const server = createServer((_request, response) => {
    heard += 1;
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => heard,
    close: () => void server.close(),
  };
};

export const start: Group = {
  scenarios: [...REFUSALS.flatMap((each) => [refusal('token', each), refusal('read', each)]), ...odd],
};
