// Owns the promises about approvals that need an engine: one request, one grant, whoever races; a word is good only for
// what was shown; nothing at Vault before it; a restart keeps the request and uses no approval twice.

import { describe, expect, test } from 'vitest';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Caller, StartSignal } from '../../../src/domain/task-spec.ts';
import type { Agent } from '../../../src/engine/agent.ts';
import { CallOff } from '../../../src/engine/within.ts';
import { caller } from '../domain/samples.ts';
import { House, LEASH_MS, taskId, WORK, work } from './house.ts';

const RULE = { ttlMs: 60_000, approvers: [], count: 1 };
const guarded = (overrides: Partial<Profile> = {}): Profile => work({ approval: RULE, ...overrides });
const admin = (uid = 0): Caller => caller({ uid, admin: true });
const YES = { approve: true };
/** How often the agent renews its session. */
const RENEW_MS = LEASH_MS / 5;
const NO = { approve: false, reason: 'not today' };

async function open(...profiles: Profile[]): Promise<{ house: House; agent: Agent }> {
  const house = new House();
  return { house, agent: await house.agent(profiles.length === 0 ? [guarded()] : profiles) };
}

/** A start that waits this long for its approval. */
const waiting = (agent: Agent, ms: number, signal: Partial<StartSignal> = {}, who = caller()) => {
  const start = agent.start(taskId('a'), { profile: WORK, params: {}, ...signal }, 'digest-a', who, false, {
    ms,
    callOff: new CallOff(),
  });
  start.catch(() => {});
  return start;
};

describe('a start that needs approval', () => {
  test('is answered at once with what is asked, and nothing is leased', async () => {
    const { house, agent } = await open();
    const view = await house.start(agent, 'a');
    expect(view).toMatchObject({
      state: 'pending_approval',
      dir: null,
      leases: [],
      approval: { given: [], scope: { task: 'a', policies: ['tasklease-db'], requester: { uid: 1000 } } },
    });
    expect(view.approval!.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(house.facts('a')).toEqual(['grant.accepted', 'approval.requested']);
    expect(agent.snapshot().grants.map(({ state }) => state)).toEqual(['pending_approval']);
  });

  test('becomes active when it is approved, and whoever waits hears of it', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 10_000);
    await house.clock.advance(1000);
    expect(await agent.approve(taskId('a'), YES, admin())).toMatchObject({
      approval: { given: [{ uid: 0 }] },
    });
    await house.clock.advance(100);
    expect(await started).toMatchObject({ fresh: true, view: { state: 'active' } });
    expect(await house.start(agent, 'a')).toMatchObject({ state: 'active' });
  });

  test('is answered as it is when the wait is over, and goes on waiting', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 5000);
    await house.clock.advance(5000);
    expect(await started).toMatchObject({ view: { state: 'pending_approval' } });
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'pending_approval' });
  });

  test('is no longer waited for by a caller that leaves', async () => {
    const { house, agent } = await open();
    const callOff = new CallOff();
    const started = agent.start(taskId('a'), { profile: WORK, params: {} }, 'digest-a', caller(), false, {
      ms: 50_000,
      callOff,
    });
    await house.clock.advance(1000);
    callOff.call();
    expect(await started).toMatchObject({ view: { state: 'pending_approval' } });
  });

  test('is refused at once when it is denied, with the reason, and may be asked anew', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 50_000);
    await house.clock.advance(1000);
    await agent.approve(taskId('a'), NO, admin());
    await house.clock.advance(10);
    await expect(started).rejects.toMatchObject({
      code: 'APPROVAL_DENIED',
      message: 'uid 0 denied a: not today',
    });
    expect(agent.receipt(taskId('a'), caller())).toMatchObject({
      outcome: 'refused',
      approval: { denied: { uid: 0, reason: 'not today' } },
    });
    expect(() => agent.receipt(taskId('a'), caller({ uid: 1001 }))).toThrow('there is no task a of yours');
    expect(await house.start(agent, 'a')).toMatchObject({ state: 'pending_approval' });
  });

  test('is refused when nobody approves it in time', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 600_000);
    await house.clock.advance(60_100);
    await expect(started).rejects.toMatchObject({
      code: 'APPROVAL_DENIED',
      message: 'a: nobody approved it within 1m',
    });
    expect(agent.list(admin())).toEqual([]);
  });

  test('is withdrawn by a stop', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 50_000);
    await house.clock.advance(100);
    const stopped = agent.stop(taskId('a'), caller(), 0);
    await house.clock.advance(100);
    await stopped;
    await expect(started).rejects.toMatchObject({ code: 'TASK_SPENT', retryable: true });
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    expect(await house.start(agent, 'a')).toMatchObject({ state: 'pending_approval' });
  });

  test('is withdrawn with the process that it is bound to', async () => {
    const { house, agent } = await open();
    house.liveness.spawn(42, 1000);
    await house.start(agent, 'a', { bind: { pid: 42 } });
    house.liveness.kill(42);
    await house.clock.advance(100);
    expect(agent.list(admin())).toEqual([]);
  });

  test('counts as a living task', async () => {
    const { house, agent } = await open();
    for (let n = 0; n < 100; n += 1) await house.start(agent, `t${n}`);
    await expect(house.start(agent, 'one-more')).rejects.toMatchObject({ code: 'CAPACITY' });
  });

  test('whose caller has left is started all the same: it was answered', async () => {
    const { house, agent } = await open();
    const gone = {
      evidence: { pid: 1, exe: null, cgroup: null, container: null },
      alive: () => false,
      close() {},
    };
    await house.start(agent, 'a', {}, caller({ pin: () => gone }));
    await agent.approve(taskId('a'), YES, admin());
    await house.clock.advance(100);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'active' });
  });
});

describe('an approver’s word', () => {
  test.each<[string, Profile, Caller]>([
    ['whoever asked', guarded(), admin(1000)],
    ['whoever asked, although listed', guarded({ approval: { ...RULE, approvers: [1000] } }), admin(1000)],
    ['one who is not listed', guarded({ approval: { ...RULE, approvers: [7] } }), admin(8)],
  ])('is not taken from %s', async (_who, profile, by) => {
    const { house, agent } = await open(profile);
    await house.start(agent, 'a');
    await expect(agent.approve(taskId('a'), YES, by)).rejects.toMatchObject({ code: 'APPROVAL_DENIED' });
    expect(house.facts('a')).toEqual(['grant.accepted', 'approval.requested']);
  });

  test('is not taken from root for what root asked', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a', {}, admin());
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({ code: 'APPROVAL_DENIED' });
  });

  test('counts once a uid: two others are needed for two', async () => {
    const { house, agent } = await open(guarded({ approval: { ...RULE, count: 2 } }));
    await house.start(agent, 'a');
    for (const uid of [0, 0]) await agent.approve(taskId('a'), YES, admin(uid));
    await house.clock.advance(100);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'pending_approval' });
    await agent.approve(taskId('a'), YES, admin(7));
    await house.clock.advance(100);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'active' });
  });

  test('with a digest is good for that very request alone', async () => {
    const { house, agent } = await open();
    const { approval } = await house.start(agent, 'a');
    await expect(
      agent.approve(taskId('a'), { ...YES, digest: 'f'.repeat(64) }, admin()),
    ).rejects.toMatchObject({ code: 'TASK_CONFLICT' });
    await agent.approve(taskId('a'), { ...NO, digest: approval!.digest }, admin());
    await house.clock.advance(1000);
    const again = await house.start(agent, 'a');
    expect(again.approval!.digest).not.toBe(approval!.digest);
    await expect(
      agent.approve(taskId('a'), { ...YES, digest: approval!.digest }, admin()),
    ).rejects.toMatchObject({ code: 'TASK_CONFLICT' });
  });

  test('is not taken while nothing can be leased, and the request goes on waiting', async () => {
    const { house, agent } = await open(guarded({ approval: { ...RULE, ttlMs: 3_600_000 } }));
    await house.start(agent, 'a');
    house.vault.fault = () => 'unreachable';
    await house.clock.advance(2 * RENEW_MS);
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({
      code: 'VAULT_UNREACHABLE',
    });
    expect(agent.get(taskId('a'), caller())).toMatchObject({
      state: 'pending_approval',
      approval: { given: [] },
    });
    house.vault.fault = () => null;
    await house.clock.advance(2 * RENEW_MS);
    await agent.approve(taskId('a'), YES, admin());
    await house.clock.advance(100);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'active' });
  });

  test('that cannot be put on record starts nothing', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    house.disk.broken = true;
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
    });
    house.disk.broken = false;
    await house.clock.advance(5000);
    expect(agent.get(taskId('a'), caller())).toMatchObject({
      state: 'pending_approval',
      approval: { given: [] },
    });
    await agent.approve(taskId('a'), YES, admin());
    await house.clock.advance(100);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state: 'active' });
  });

  test('that is a no ends the request, on record or not', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    house.disk.broken = true;
    await expect(agent.approve(taskId('a'), NO, admin())).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
    });
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
  });

  test('on what needs none is refused', async () => {
    const { house, agent } = await open(work());
    await house.start(agent, 'a');
    await expect(agent.approve(taskId('a'), YES, admin())).rejects.toMatchObject({ code: 'SIGNAL_INVALID' });
    await expect(agent.approve(taskId('z'), YES, admin())).rejects.toMatchObject({ code: 'TASK_UNKNOWN' });
  });
});

describe('in a race', () => {
  test('a hundred approvals of one request give one grant', async () => {
    const { house, agent } = await open();
    const started = Array.from({ length: 20 }, () => waiting(agent, 10_000));
    await house.clock.advance(100);
    const words = Array.from({ length: 100 }, () => agent.approve(taskId('a'), YES, admin()));
    await house.clock.advance(100);
    await Promise.all(words);
    const views = await Promise.all(started);
    expect(new Set(views.map(({ view }) => view.generation))).toEqual(new Set([1]));
    const facts = house.facts('a');
    for (const once of ['approval.given', 'grant.approved', 'token.opened', 'delivery.published'])
      expect(facts.filter((fact) => fact === once)).toEqual([once]);
  });

  test.each([
    ['approve', YES, NO, 'active'],
    ['deny', NO, YES, 'closed'],
  ])('whoever comes first counts: %s', async (_which, first, second, state) => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    const words = [agent.approve(taskId('a'), first, admin(0)), agent.approve(taskId('a'), second, admin(7))];
    const settled = Promise.allSettled(words);
    await house.clock.advance(100);
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(agent.get(taskId('a'), caller())).toMatchObject({ state });
  });

  test('an approval at the very end of the time limit comes too late', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    let refused: unknown;
    house.clock.after(60_000 - 100, () => {
      agent.approve(taskId('a'), YES, admin()).catch((error: unknown) => {
        refused = error;
      });
    });
    await house.clock.advance(60_000);
    expect(refused).toMatchObject({ code: 'SIGNAL_INVALID' });
    expect(house.facts('a')).not.toContain('grant.approved');
  });
});

describe('a profile that changes', () => {
  test('refuses what waits for something else, and tells whoever waits', async () => {
    const { house, agent } = await open();
    const started = waiting(agent, 50_000);
    await house.clock.advance(100);
    agent.profiles.put(guarded({ policies: ['tasklease-db', 'more'] }));
    await house.clock.advance(100);
    await expect(started).rejects.toMatchObject({ code: 'APPROVAL_DENIED', retryable: true });
  });

  test('ends what was approved in the same moment for something else', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    const word = agent.approve(taskId('a'), YES, admin());
    agent.profiles.put(guarded({ policies: ['tasklease-db', 'more'] }));
    await house.clock.advance(100);
    await word;
    expect(agent.list(admin())).toEqual([]);
    expect(house.facts('a')).not.toContain('delivery.published');
  });

  test('never gives an approved task more: it is ended instead', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    await agent.approve(taskId('a'), YES, admin());
    await house.clock.advance(100);
    agent.profiles.put(guarded({ policies: ['tasklease-db', 'more'] }));
    await house.clock.advance(5000);
    expect(agent.receipt(taskId('a'), caller())).toMatchObject({
      outcome: 'revoked',
      approval: { given: [{ uid: 0 }] },
    });
  });
});

describe('a restart', () => {
  test('keeps the request, its digest and its remaining time', async () => {
    const { house, agent } = await open();
    const { approval } = await house.start(agent, 'a');
    await house.clock.advance(30_000);
    const next = await house.agent([guarded()]);
    expect(next.get(taskId('a'), caller())).toMatchObject({
      state: 'pending_approval',
      approval: { digest: approval!.digest },
    });
    const started = waiting(next, 50_000);
    await house.clock.advance(1000);
    await next.approve(taskId('a'), { ...YES, digest: approval!.digest }, admin());
    await house.clock.advance(100);
    expect(await started).toMatchObject({ view: { state: 'active' } });
  });

  test('keeps the approvals that were given', async () => {
    const rule = guarded({ approval: { ...RULE, count: 2 } });
    const { house, agent } = await open(rule);
    await house.start(agent, 'a');
    await agent.approve(taskId('a'), YES, admin(0));
    const next = await house.agent([rule]);
    await next.approve(taskId('a'), YES, admin(7));
    await house.clock.advance(100);
    expect(next.get(taskId('a'), caller())).toMatchObject({ state: 'active' });
  });

  test('refuses what lapsed while no agent ran', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    expect(agent.list(admin())).toHaveLength(1);
    house.kill();
    await house.clock.advance(70_000);
    const next = await house.agent([guarded()]);
    await house.clock.advance(100);
    expect(next.receipt(taskId('a'), caller())).toMatchObject({
      outcome: 'refused',
      approval: { denied: { uid: null } },
    });
  });

  test('refuses what its profile asks otherwise by now', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    expect(agent.list(admin())).toHaveLength(1);
    const next = await house.agent([guarded({ policies: ['tasklease-db', 'more'] })]);
    await house.clock.advance(100);
    expect(next.receipt(taskId('a'), caller())).toMatchObject({ outcome: 'refused' });
  });

  test('uses up an approval whose start it cut short: the next one needs its own', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    house.vault.fault = (verb) => (verb === 'createToken' ? 'silent' : null);
    await agent.approve(taskId('a'), YES, admin());
    house.vault.fault = () => null;
    const next = await house.agent([guarded()]);
    await house.clock.advance(100);
    expect(next.list(admin())).toEqual([]);
    expect(await house.start(next, 'a')).toMatchObject({
      state: 'pending_approval',
      approval: { given: [] },
    });
    expect(house.facts('a')).not.toContain('delivery.published');
  });

  test('of the machine ends it: who asked is gone', async () => {
    const { house, agent } = await open();
    await house.start(agent, 'a');
    expect(agent.list(admin())).toHaveLength(1);
    house.boot = 'boot-2';
    const next = await house.agent([guarded()]);
    await house.clock.advance(100);
    expect(next.list(admin())).toEqual([]);
  });
});
