// Owns what an assertion means for a start: needed where the profile says so, good for one task id and body, granted
// once whatever happens, and on record.

import { describe, expect, test } from 'vitest';
import type { AssertionRule } from '../../../src/domain/assertion.ts';
import type { Secret } from '../../../src/domain/secret.ts';
import type { StartSignal } from '../../../src/domain/task-spec.ts';
import type { Agent } from '../../../src/engine/agent.ts';
import { simAssertion } from '../../simulation/world/sim-assertions.ts';
import { caller } from '../domain/samples.ts';
import { House, taskId, WORK, work } from './house.ts';

const RULE: AssertionRule = {
  issuer: 'ci',
  audience: 'tasklease',
  algorithms: ['ES256'],
  claims: { ref: ['refs/heads/*'] },
  capsTtl: false,
  keys: { jwksFile: '/keys' },
};
const allow = (changes: Partial<AssertionRule> = {}) => ({
  uids: [1000],
  gids: [],
  assertion: { ...RULE, ...changes },
});
const signed = (house: House, changes: Readonly<Record<string, unknown>> = {}): Secret =>
  simAssertion({
    iss: 'ci',
    aud: 'tasklease',
    jti: 'job-1',
    sub: 'job',
    ref: 'refs/heads/main',
    exp: Math.floor(house.clock.now().wallMs / 1000) + 300,
    ...changes,
  });
const open = (house: House, overrides: Parameters<typeof work>[0] = {}) =>
  house.agent([work({ allow: allow(), ...overrides })]);
const accepted = (house: House) =>
  house.disk.lines.map(({ fact }) => JSON.parse(fact)).filter(({ type }) => type === 'grant.accepted');

describe('a profile that asks for an assertion', () => {
  test('grants a start with a good one, and keeps on record who signed it and what it said', async () => {
    const house = new House();
    const agent = await open(house);
    const view = await house.start(agent, 'a', { assertion: signed(house) });
    expect(view.state).toBe('active');
    expect(accepted(house)[0].asserted).toEqual({
      issuer: 'ci',
      subject: 'job',
      use: '["ci","job-1"]',
      expires_at: new Date(house.clock.now().wallMs + 299_900).toISOString().replace(/\.\d+/, '.000'),
      claims: { ref: 'refs/heads/main' },
    });
    expect(JSON.stringify(house.disk.lines)).not.toContain('signed:');
  });

  test('refuses a start without one, also on the admin socket', async () => {
    const house = new House();
    const agent = await open(house);
    for (const who of [caller(), caller({ uid: 0, admin: true })]) {
      await expect(house.start(agent, 'a', {}, who)).rejects.toMatchObject({ code: 'IDENTITY_REJECTED' });
    }
    expect(house.disk.lines).toEqual([]);
  });

  test('looks at the caller first: an assertion does not make up for a uid', async () => {
    const house = new House();
    const agent = await open(house);
    const start = house.start(agent, 'a', { assertion: signed(house) }, caller({ uid: 1001, gid: 1001 }));
    await expect(start).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
  });

  test('one that asks for none refuses one, so that nobody believes that it was looked at', async () => {
    const house = new House();
    const agent = await house.agent();
    const start = house.start(agent, 'a', { assertion: signed(house) });
    await expect(start).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
  });
});

describe('an assertion', () => {
  const REPLAYED = { code: 'IDENTITY_REJECTED', message: expect.stringContaining('presented before') };
  const restart = async (house: House): Promise<Agent> => {
    house.kill();
    return open(house);
  };

  test('that was granted is refused for any other task, also after kill -9 and after the task has ended', async () => {
    const house = new House();
    let agent = await open(house);
    await house.start(agent, 'a', { assertion: signed(house) });
    await expect(house.start(agent, 'b', { assertion: signed(house) })).rejects.toMatchObject(REPLAYED);
    agent = await restart(house);
    await expect(house.start(agent, 'b', { assertion: signed(house) })).rejects.toMatchObject(REPLAYED);
    void agent.stop(taskId('a'), caller(), 0);
    await house.clock.advance(60_000);
    agent = await restart(house);
    await expect(house.start(agent, 'b', { assertion: signed(house) })).rejects.toMatchObject(REPLAYED);
    await expect(house.start(agent, 'a', { assertion: signed(house) })).rejects.toMatchObject({
      code: 'TASK_SPENT',
    });
    expect(house.logs.filter(({ message }) => message === 'security event')).toHaveLength(3);
  });

  test('that a hundred starts race with grants one of them', async () => {
    const house = new House();
    const agent = await open(house);
    const starts = Array.from({ length: 100 }, (_, i) =>
      agent.start(
        taskId(`t-${i}`),
        { profile: WORK, params: {}, assertion: signed(house) },
        `digest-${i}`,
        caller(),
      ),
    );
    const ends = Promise.allSettled(starts);
    await house.clock.advance(10_000);
    const outcomes = await ends;
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(accepted(house)).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(REPLAYED);
    }
  });

  test('that the same start brings again, at the same time or later, answers the same grant', async () => {
    const house = new House();
    const agent = await open(house);
    const signal: StartSignal = { profile: WORK, params: {}, assertion: signed(house) };
    const starts = Promise.all(
      Array.from({ length: 20 }, () => agent.start(taskId('a'), signal, 'digest-a', caller())),
    );
    await house.clock.advance(1000);
    expect((await starts).filter(({ fresh }) => fresh)).toHaveLength(1);
    expect((await house.start(agent, 'a', { assertion: signed(house) })).state).toBe('active');
    expect(accepted(house)).toHaveLength(1);
  });

  test('is not spent by a start that failed, and stays good for that task id and body alone', async () => {
    const house = new House();
    const agent = await open(house);
    house.vault.fault = (verb) => (verb === 'createToken' ? 'unreachable' : null);
    const failed = agent.start(
      taskId('a'),
      { profile: WORK, params: {}, assertion: signed(house) },
      'digest-a',
      caller(),
    );
    const outcome = expect(failed).rejects.toMatchObject({ code: 'VAULT_UNREACHABLE', retryable: true });
    await house.clock.advance(40_000);
    await outcome;
    house.vault.fault = () => null;
    await house.clock.advance(60_000);
    await expect(house.start(agent, 'b', { assertion: signed(house) })).rejects.toMatchObject(REPLAYED);
    expect((await house.start(agent, 'a', { assertion: signed(house) })).state).toBe('active');
  });

  test('is not used by a start that was refused before it was on record', async () => {
    const house = new House();
    const agent = await open(house);
    const wrong = house.start(agent, 'a', { assertion: signed(house), params: { no: 'such' } });
    await expect(wrong).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    house.disk.broken = true;
    const unrecorded = house.start(agent, 'a', { assertion: signed(house) });
    await expect(unrecorded).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    house.disk.broken = false;
    expect((await house.start(agent, 'b', { assertion: signed(house) })).state).toBe('active');
  });

  test('with another signature over the same job is the same assertion; without jti, each is its own', async () => {
    const house = new House();
    const agent = await open(house);
    await house.start(agent, 'a', { assertion: signed(house) });
    const resigned = house.start(agent, 'b', { assertion: signed(house, { extra: 1 }) });
    await expect(resigned).rejects.toMatchObject(REPLAYED);
    await house.start(agent, 'c', { assertion: signed(house, { jti: undefined, run: 1 }) });
    const copied = house.start(agent, 'd', { assertion: signed(house, { jti: undefined, run: 1 }) });
    await expect(copied).rejects.toMatchObject(REPLAYED);
    const next = await house.start(agent, 'e', { assertion: signed(house, { jti: undefined, run: 2 }) });
    expect(next.state).toBe('active');
  });

  test('of five minutes does not end a task of an hour, unless the profile says that it caps the TTL', async () => {
    for (const [capsTtl, seconds] of [
      [false, 3600 + 15],
      [true, 300],
    ] as const) {
      const house = new House();
      const agent = await open(house, { allow: allow({ capsTtl }) });
      const now = Math.floor(house.clock.now().wallMs / 1000);
      const view = await house.start(agent, 'a', { assertion: signed(house), durationMs: 3_600_000 });
      expect(Math.round(Date.parse(view.deadline) / 1000) - now, String(capsTtl)).toBe(seconds);
    }
  });
});

describe('a parameter from a claim', () => {
  const params = { repo: { claim: 'repository', pattern: 'acme/([a-z0-9-]+)', optional: false } };
  const secrets = [
    {
      name: 'db',
      path: 'database/creds/{{params.repo}}',
      method: 'read' as const,
      files: [{ name: 'db.json', format: 'json' as const }],
    },
  ];
  const pathOf = (house: House) => accepted(house)[0].plan.asks[0].path;

  test('is what the pattern captures, and enters the path', async () => {
    const house = new House();
    const agent = await open(house, { params, secrets });
    await house.start(agent, 'a', { assertion: signed(house, { repository: 'acme/short' }) });
    expect(pathOf(house)).toBe('database/creds/short');
    expect(accepted(house)[0].params).toEqual({ repo: 'short' });
  });

  test('is not for the caller to choose', async () => {
    const house = new House();
    const agent = await open(house, { params, secrets });
    const assertion = signed(house, { repository: 'acme/short' });
    await expect(house.start(agent, 'a', { assertion, params: { repo: 'a' } })).rejects.toMatchObject({
      code: 'SIGNAL_INVALID',
      message: expect.stringContaining('params.repo is not for the caller'),
    });
  });

  test.each([
    ['of another owner', 'evil/short'],
    ['that goes on', 'acme/short/x'],
    ['with dots', 'acme/..'],
    ['with a wildcard', 'acme/*'],
    ['that is a list', ['acme/short']],
    ['that is missing', undefined],
  ])('is refused for a value %s', async (_what, repository) => {
    const house = new House();
    const agent = await open(house, { params, secrets });
    const start = house.start(agent, 'a', { assertion: signed(house, { repository }) });
    await expect(start).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
    expect(house.disk.lines).toEqual([]);
  });
});

describe('a profile that is changed', () => {
  test('while its assertion is being checked is the one that counts', async () => {
    const house = new House();
    const agent = await open(house);
    const start = agent.start(
      taskId('a'),
      { profile: WORK, params: {}, assertion: signed(house) },
      'digest',
      caller(),
    );
    agent.profiles.put(work({ allow: allow({ claims: { ref: ['refs/tags/*'] } }) }));
    await expect(start).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
  });

  test('stops a task whose assertion would not do any more, and leaves one that is as it asks', async () => {
    const house = new House();
    const agent = await open(house);
    await house.start(agent, 'a', { assertion: signed(house) });
    agent.profiles.put(work({ allow: allow({ claims: { ref: ['refs/heads/main'] } }) }));
    await house.clock.advance(1000);
    expect(agent.list(caller()).map(({ state }) => state)).toEqual(['active']);
    agent.profiles.put(work({ allow: allow({ claims: { ref: ['refs/tags/*'] } }) }));
    await house.clock.advance(30_000);
    expect(agent.receipt(taskId('a'), caller()).outcome).toBe('revoked');
  });
});

describe('an assertion that counts once for all agents', () => {
  const fleet = { allow: allow({ onceInFleet: true }) };

  test('is refused at a second agent, with another state directory', async () => {
    const one = new House();
    const two = new House();
    await one.start(await open(one, fleet), 'a', { assertion: signed(one) });
    for (const [use, said] of one.vault.model.uses) two.vault.model.uses.set(use, said);
    const copied = two.start(await open(two, fleet), 'a', { assertion: signed(two) });
    await expect(copied).rejects.toMatchObject({ code: 'IDENTITY_REJECTED' });
    expect(two.disk.lines).toEqual([]);
  });

  test('is not spent by a start that is refused, nor while Vault cannot be asked', async () => {
    const house = new House();
    const agent = await open(house, fleet);
    const wrong = house.start(agent, 'a', { assertion: signed(house), params: { no: 'such' } });
    await expect(wrong).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    house.vault.fault = (verb) => (verb === 'claimUse' ? 'lost' : null);
    const unsure = house.start(agent, 'a', { assertion: signed(house) });
    await expect(unsure).rejects.toMatchObject({ code: 'VAULT_UNREACHABLE', retryable: true });
    house.vault.fault = () => null;
    await house.clock.advance(5000);
    const other = house.start(agent, 'b', { assertion: signed(house) });
    await expect(other).rejects.toMatchObject({ code: 'IDENTITY_REJECTED' });
    expect((await house.start(agent, 'a', { assertion: signed(house) })).state).toBe('active');
  });
});

describe('a task that logs in with its assertion', () => {
  const login = { mount: 'jwt', role: 'tasklease-db', claims: ['customer'] };
  const jwt = { policies: [], login };
  const tokens = (house: House) =>
    [...house.vault.model.tokens.values()].filter(({ policies }) => policies[0] === 'tasklease-db');

  test('has a token that is nobody’s child, is renewed with the leases, and goes at the stop', async () => {
    const house = new House();
    const agent = await open(house, jwt);
    await house.start(agent, 'a', { assertion: signed(house, { customer: 'c-1' }) });
    expect(tokens(house)).toMatchObject([{ parent: null }]);
    await house.clock.advance(580_000);
    expect(agent.list(caller())).toMatchObject([{ state: 'active', generation: 1 }]);
    void agent.stop(taskId('a'), caller(), 0);
    await house.clock.advance(10_000);
    expect(tokens(house)).toEqual([]);
    expect(agent.receipt(taskId('a'), caller()).leases).toMatchObject([{ secret: 'db', proof: 'revoked' }]);
  });

  test('is replaced while its assertion is in memory when the token is lost', async () => {
    const house = new House();
    const agent = await open(house, jwt);
    await house.start(agent, 'a', { assertion: signed(house, { customer: 'c-1' }) });
    house.vault.model.endToken(tokens(house)[0]!.accessor, 'admin');
    await house.clock.advance(200_000);
    expect(agent.list(caller())).toMatchObject([{ state: 'active', generation: 2 }]);
  });

  test('is adopted after kill -9, and its token is renewed by the next agent', async () => {
    const house = new House();
    await house.start(await open(house, jwt), 'a', { assertion: signed(house, { customer: 'c-1' }) });
    house.kill();
    const agent = await open(house, jwt);
    await house.clock.advance(500_000);
    expect(agent.list(caller())).toMatchObject([{ state: 'active', generation: 1 }]);
  });

  test('is refused while another lives with the same sub and other claims, also one that is still being revoked', async () => {
    const house = new House();
    const agent = await open(house, jwt);
    await house.start(agent, 'a', { assertion: signed(house, { jti: 'a', customer: 'c-1' }) });
    const rival = () => house.start(agent, 'b', { assertion: signed(house, { jti: 'b', customer: 'c-2' }) });
    await expect(rival()).rejects.toMatchObject({ code: 'PROFILE_DENIED', retryable: true });
    house.vault.fault = (verb) => (verb === 'revokeLease' ? 'broken' : null);
    void agent.stop(taskId('a'), caller(), 0);
    await house.clock.advance(1000);
    await expect(rival()).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
    house.vault.fault = () => null;
    await house.clock.advance(60_000);
    expect((await rival()).state).toBe('active');
    await house.start(agent, 'c', { assertion: signed(house, { jti: 'c', customer: 'c-2' }) });
  });

  test.each(['*', '+', 'a/b', '..', ''])(
    'is refused for the claim %j before Vault is asked',
    async (customer) => {
      const house = new House();
      const agent = await open(house, jwt);
      const start = house.start(agent, 'a', { assertion: signed(house, { customer }) });
      await expect(start).rejects.toMatchObject({ code: 'PROFILE_DENIED' });
      expect(house.disk.lines).toEqual([]);
    },
  );
});
