// Owns the scenarios of a renewal while Vault's answers break. Promise under test: the task keeps its file
// and a credential that works, is degraded with the reason while the renewal fails, and active again after.
import { expect } from 'vitest';
import { type Fault, RENEW, SWALLOW, says } from '../harness/faults.ts';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { credentialWorks, newTask, nothingLeft, untilState } from './chaos-world.ts';
import { watchFile } from './reader.ts';
import type { Group, Scenario } from './scenario.ts';

type Trouble = {
  readonly what: string;
  readonly fault: Fault;
  /** The reason that a degraded task names. */
  readonly code: string;
  readonly profile?: string;
  readonly fast?: true;
};

const TROUBLES: readonly Trouble[] = [
  { what: 'is cut before Vault sees it', fault: { do: 'cut' }, code: 'VAULT_UNREACHABLE' },
  { what: 'is carried out and its reply lost', fault: SWALLOW, code: 'VAULT_UNREACHABLE' },
  { what: 'is answered with half a body', fault: { do: 'halfBody' }, code: 'VAULT_UNREACHABLE' },
  {
    what: 'vanishes in a black hole',
    fault: { do: 'blackHole' },
    code: 'VAULT_UNREACHABLE',
    profile: 'medium-lease',
  },
  { what: 'is answered 500', fault: says(500, 'internal error'), code: 'VAULT_UNREACHABLE' },
  { what: 'is answered 503 sealed', fault: says(503, 'Vault is sealed'), code: 'VAULT_SEALED', fast: true },
  {
    what: 'is answered 429 with Retry-After',
    fault: says(429, 'rate limit quota exceeded', { 'retry-after': '1' }),
    code: 'VAULT_UNREACHABLE',
    profile: 'medium-lease',
  },
];

const trouble = ({ what, fault, code, profile = 'brisk-lease', fast }: Trouble): Scenario => ({
  name: `a renewal that ${what} leaves the task degraded with ${code}, its file in place and good`,
  ...(fast === undefined ? {} : { fast }),
  async run(world) {
    const task = newTask('renewed');
    await startTask(world, task, profile);
    const reader = watchFile(world, task);
    const plan = world.proxy.on(RENEW, fault);
    const view = await untilState(world, task, 'degraded');
    expect(view.reason).toMatchObject({ code, detail: expect.stringMatching(/\S/) });
    expect(view.dir).toEqual(expect.any(String));
    expect(await credentialWorks(world, task)).toBe(true);
    plan.lift();
    await untilState(world, task, 'active');
    expect(await credentialWorks(world, task)).toBe(true);
    expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
    expectProved(await stopTask(world, task), 1);
    await nothingLeft(world);
  },
});

export const renew: Group = {
  scenarios: [
    ...TROUBLES.map(trouble),
    {
      name: 'a renewal that is answered 403 is followed by a new generation at once, and its reader notices nothing',
      fast: true,
      async run(world) {
        const task = newTask('refused');
        await startTask(world, task, 'brisk-lease');
        const reader = watchFile(world, task);
        world.proxy.on({ ...RENEW, times: 1 }, says(403, 'permission denied'));
        const view = await until('it is replaced', async () => {
          const { body } = await world.api('GET', `/v1/tasks/${task}`);
          return body.generation === 2 && body.state === 'active' && body;
        });
        expect(view.reason).toBeUndefined();
        expect(await credentialWorks(world, task)).toBe(true);
        expect(await reader.stop()).toMatchObject({ missing: 0, torn: 0, refused: 0 });
        expectProved(await stopTask(world, task), 2);
        await nothingLeft(world);
      },
    },
    {
      name: 'a renewal that Vault answers late is one renewal, and never a second one beside it',
      async run(world) {
        const task = newTask('late');
        await startTask(world, task, 'short-lease');
        const plan = world.proxy.on({ ...RENEW, times: 1 }, { do: 'delay', ms: 800 });
        await until('it was renewed', () => plan.struck === 1);
        world.proxy.forget();
        await until('it is renewed again', () => world.proxy.seen.some(({ kind }) => kind === 'renew'));
        expect(world.proxy.perSecond('renew')).toBe(1);
        expect(await credentialWorks(world, task)).toBe(true);
        expectProved(await stopTask(world, task), 1);
        await nothingLeft(world);
      },
    },
  ],
};
