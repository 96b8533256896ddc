// Owns when a start with `ready` answers: once the server takes the credential, at its limit with NOT_READY and nothing
// left, at once when it is stopped; and that a rotation which does not work leaves what works.

import { describe, expect, test } from 'vitest';
import type { ProbeRule } from '../../../src/domain/probe.ts';
import { NotYet } from '../../../src/ports/probes.ts';
import { caller } from '../domain/samples.ts';
import { House, taskId, WORK, work } from './house.ts';

const READY: ProbeRule = {
  kind: 'postgres',
  secret: 'db',
  address: 'db.internal:5432/app',
  timeoutMs: 10_000,
  tls: false,
  fields: { password: 'password' },
};
const me = caller();

async function starting(attempt: House['attempt'], ready = READY) {
  const house = new House();
  house.attempt = attempt;
  const agent = await house.agent([work({ ready })]);
  let answer: unknown = null;
  const started = agent.start(taskId('t'), { profile: WORK, params: {} }, 'digest', me).then(
    ({ view }) => {
      answer = view.state;
    },
    (problem: unknown) => {
      answer = problem;
    },
  );
  return { house, agent, started, answer: () => answer };
}

const after = (house: House, ms: number): House['attempt'] => {
  const from = house.clock.now().at + ms;
  return async () => {
    if (house.clock.now().at < from) throw new NotYet('refuses connections');
  };
};

/** A server that hears the signal and nothing else. */
const silent: House['attempt'] = (_probe, _credential, signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new NotYet(''))));

describe('a start', () => {
  test('is not answered before the server takes the credential, and soon after it does', async () => {
    const { house, answer, agent } = await starting(async () => undefined);
    house.attempt = after(house, 2000);
    await house.clock.advance(1900);
    expect(answer()).toBeNull();
    expect(house.files.tasks()).toEqual([]);
    expect(agent.get(taskId('t'), me)).toMatchObject({ state: 'starting', files: [] });
    await house.clock.advance(1200);
    expect(answer()).toBe('active');
    expect(house.files.tasks()).toEqual(['t']);
  });

  test.each<[string, House['attempt'], string]>([
    ['refuses', async () => Promise.reject(new NotYet('refuses the credential')), 'refuses the credential'],
    ['says nothing', silent, 'has not answered'],
    ['is asked by a probe that hangs', () => new Promise(() => undefined), 'has not answered'],
    [
      'breaks the probe',
      async () => Promise.reject(new TypeError('CANARY')),
      'made the probe fail with an unexpected TypeError',
    ],
  ])('whose server %s is NOT_READY at the limit, and nothing of it is left', async (_how, attempt, why) => {
    const { house, answer } = await starting(attempt);
    await house.clock.advance(9_900);
    expect(answer()).toBeNull();
    await house.clock.advance(1000);
    expect(answer()).toMatchObject({
      code: 'NOT_READY',
      retryable: true,
      message: `postgres db.internal:5432/app ${why} for 10s`,
    });
    expect(JSON.stringify([house.logs, house.facts('t')])).not.toContain('CANARY');
    expect(house.files.tasks()).toEqual([]);
    expect(house.facts('t').at(-1)).toBe('grant.closed');
    expect(house.vault.model.leases.size).toBe(0);
  });

  test('is told at once which field the probe needs and the secret does not have', async () => {
    const { house, answer } = await starting(async () => undefined, {
      ...READY,
      fields: { username: 'user' },
    });
    await house.clock.advance(100);
    expect(answer()).toMatchObject({
      code: 'DELIVERY_FAILED',
      message: expect.stringMatching(/has no field user/),
    });
  });

  test('spends neither id nor patience: the same start again is granted once the server is there', async () => {
    const { house, agent } = await starting(silent);
    await house.clock.advance(11_000);
    house.attempt = async () => undefined;
    expect((await house.start(agent, 't')).state).toBe('active');
  });

  test('that is stopped while it is tried ends at once', async () => {
    const { house, agent, answer } = await starting(silent);
    await house.clock.advance(500);
    void agent.stop(taskId('t'), me, 0);
    await house.clock.advance(300);
    expect(answer()).toMatchObject({ code: 'TASK_SPENT' });
    expect(house.facts('t').at(-1)).toBe('grant.closed');
  });

  test('whose deadline comes while it is tried ends then', async () => {
    const house = new House();
    house.attempt = silent;
    const agent = await house.agent([
      work({
        ready: { ...READY, timeoutMs: 60_000 },
        ttl: { defaultMs: 3000, maxMs: 3000, graceMs: 0, extend: false },
      }),
    ]);
    const started = agent.start(taskId('t'), { profile: WORK, params: {} }, 'd', me);
    started.catch(() => undefined);
    await house.clock.advance(4000);
    await expect(started).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    expect(house.facts('t').at(-1)).toBe('grant.closed');
  });
});

describe('a rotation', () => {
  test('that does not work leaves what works, and is tried again until it does', async () => {
    const house = new House();
    const short = work({
      ready: { ...READY, timeoutMs: 2000 },
      overlapMs: 1000,
      secrets: [
        {
          name: 'db',
          path: 'database/creds/short',
          method: 'read',
          files: [{ name: 'db.json', format: 'json' }],
        },
      ],
    });
    const agent = await house.agent([short]);
    await house.start(agent, 't', { durationMs: 1_800_000 });
    house.attempt = async () => Promise.reject(new NotYet('refuses the credential'));
    for (let waited = 0; waited < 90_000 && view(agent).state !== 'degraded'; waited += 500) {
      await house.clock.advance(500);
    }
    expect(view(agent)).toMatchObject({
      state: 'degraded',
      generation: 1,
      reason: { code: 'NOT_READY', detail: 'postgres db.internal:5432/app refuses the credential for 2s' },
    });
    expect(house.files.shown(taskId('t'))).toBe(1);
    house.attempt = async () => undefined;
    for (let waited = 0; waited < 30_000 && view(agent).state !== 'active'; waited += 500) {
      await house.clock.advance(500);
    }
    expect(view(agent).state).toBe('active');
    expect(view(agent).generation).toBeGreaterThan(1);
  });
});

const view = (agent: Awaited<ReturnType<House['agent']>>) =>
  agent.get(taskId('t'), me) as { state: string; generation: number };
