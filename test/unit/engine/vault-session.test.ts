// Owns the promises of the agent's own session: renewed well within the leash, followed by another when it is lost, and
// what hung under it told so; while it cannot be had, starts are refused with the reason and revocations go on.

import { describe, expect, test } from 'vitest';
import { VaultSession } from '../../../src/engine/vault-session.ts';
import type { Fault, Verb } from '../../simulation/world/sim-vault.ts';
import { House, LEASH_MS } from './house.ts';

function world() {
  const house = new House();
  const lost: string[] = [];
  let well = 0;
  const make = () =>
    new VaultSession(house.ports(), {
      leashMs: LEASH_MS,
      onLost: (session) => lost.push(session),
      onWell: () => {
        well += 1;
      },
    });
  const open = async (session: VaultSession): Promise<VaultSession> => {
    session.load();
    const opened = session.open();
    await house.clock.advance(0);
    await opened;
    return session;
  };
  const asked: Verb[] = [];
  const fail = (what: (verb: Verb, about: string) => Fault | null) => {
    house.vault.fault = (verb, about) => {
      asked.push(verb);
      return what(verb, about);
    };
  };
  fail(() => null);
  const sessions = () => [...house.vault.model.tokens.values()].filter(({ periodMs }) => periodMs !== null);
  return { house, lost, times: () => well, make, open, asked, fail, sessions };
}

describe('a session', () => {
  test('is logged in once, kept for a restart, and renewed five times a leash', async () => {
    const { house, make, open, asked, sessions } = world();
    const session = await open(make());
    expect(session.problem()).toBeNull();
    expect(house.sessionStore.load().map(({ accessor }) => accessor)).toEqual([sessions()[0]!.accessor]);
    asked.length = 0;
    await house.clock.advance(LEASH_MS);
    const renewals = asked.filter((verb) => verb === 'renewSession').length;
    expect(renewals).toBeGreaterThanOrEqual(5);
    expect(renewals).toBeLessThanOrEqual(7);
    expect(asked.filter((verb) => verb === 'openSession')).toEqual([]);
    await house.clock.advance(5 * LEASH_MS);
    expect(sessions()).toHaveLength(1);
  });

  test('lives through one odd 403: only two in a row are believed', async () => {
    const { house, lost, make, open, fail } = world();
    await open(make());
    let once = true;
    fail((verb) => {
      if (verb !== 'renewSession' || !once) return null;
      once = false;
      return 'forbidden';
    });
    await house.clock.advance(LEASH_MS);
    expect(lost).toEqual([]);
  });

  test('that was revoked is told of as dead, and followed by another', async () => {
    const { house, lost, make, open, sessions } = world();
    const session = await open(make());
    const first = sessions()[0]!.accessor;
    house.vault.model.endToken(first, 'admin');
    await house.clock.advance(LEASH_MS / 5 + 5000);
    expect(lost).toEqual([first]);
    expect(session.problem()).toBeNull();
    expect((await session.sessionForStart()).accessor).not.toBe(first);
    expect([session.holds(first), session.endOf(first) !== null]).toEqual([false, true]);
  });

  test('that nobody could renew for a whole leash is lost, not before', async () => {
    const { house, lost, make, open, fail } = world();
    const session = await open(make());
    fail(() => 'unreachable');
    await house.clock.advance(LEASH_MS * 0.9);
    expect(lost).toEqual([]);
    await expect(session.sessionForStart()).resolves.toBeTruthy();
    await house.clock.advance(LEASH_MS * 0.2);
    expect(lost).toHaveLength(1);
    await expect(session.sessionForStart()).rejects.toMatchObject({ code: 'VAULT_UNREACHABLE' });
    fail(() => null);
    await house.clock.advance(20_000);
    await expect(session.sessionForStart()).resolves.toBeTruthy();
  });

  test('while Vault is away is asked for with patience, not in a storm', async () => {
    const { house, make, open, asked, fail } = world();
    await open(make());
    fail(() => 'unreachable');
    asked.length = 0;
    await house.clock.advance(120_000);
    expect(asked.length).toBeLessThan(100);
    expect(asked.length).toBeGreaterThan(2);
  });

  test('tells once that Vault answers again, soon after it does', async () => {
    const { house, times, make, open, fail } = world();
    await open(make());
    await house.clock.advance(LEASH_MS);
    expect(times()).toBe(0);
    fail(() => 'unreachable');
    await house.clock.advance(120_000);
    expect(times()).toBe(0);
    fail(() => null);
    await house.clock.advance(3100);
    expect(times()).toBe(1);
    await house.clock.advance(LEASH_MS);
    expect(times()).toBe(1);
  });

  test('closing it for good revokes it; leaving it to the next agent does not', async () => {
    const { house, make, open, sessions } = world();
    const left = await open(make());
    await left.close(false);
    expect(sessions()).toHaveLength(1);
    const next = await open(make());
    await house.clock.advance(1000);
    expect(sessions()).toHaveLength(2);
    await next.close(true);
    expect(sessions()).toHaveLength(0);
    expect(house.sessionStore.load()).toEqual([]);
  });
});

describe('sessions of agents before', () => {
  test('are renewed while something hangs under them, and revoked when nothing does', async () => {
    const { house, make, open, sessions } = world();
    await open(make());
    const elder = sessions()[0]!.accessor;
    const next = await open(make());
    expect(next.holds(elder)).toBe(true);
    await next.closeUnused((accessor) => accessor === elder);
    await house.clock.advance(3 * LEASH_MS);
    expect(sessions().map(({ accessor }) => accessor)).toContain(elder);
    expect(next.endOf(elder)).toBeNull();
    await next.closeUnused(() => false);
    expect(sessions().map(({ accessor }) => accessor)).not.toContain(elder);
    expect(next.holds(elder)).toBe(false);
  });

  test('the one in use is never closed as unused', async () => {
    const { make, open, sessions } = world();
    const session = await open(make());
    await session.closeUnused(() => false);
    expect(sessions()).toHaveLength(1);
    await expect(session.sessionForStart()).resolves.toBeTruthy();
  });

  test('several generations of agents are kept in the store, the newest first', async () => {
    const { house, make, open } = world();
    for (let n = 0; n < 3; n += 1) await open(make());
    const kept = house.sessionStore.load().map(({ accessor }) => accessor);
    expect(kept).toHaveLength(3);
    const next = await open(make());
    expect(kept.every((accessor) => next.holds(accessor))).toBe(true);
    expect((await next.sessionForStart()).accessor).toBe(house.sessionStore.load()[0]!.accessor);
  });

  test('one that Vault ended is told of, once', async () => {
    const { house, lost, make, open, sessions } = world();
    await open(make());
    const elder = sessions()[0]!.accessor;
    await open(make());
    house.vault.model.endToken(elder, 'admin');
    await house.clock.advance(LEASH_MS);
    expect(lost).toEqual([elder]);
    expect(house.sessionStore.load().map(({ accessor }) => accessor)).not.toContain(elder);
  });

  test('where no login can be had, the newest of them is the way in', async () => {
    const { house, make, open, fail, sessions } = world();
    await open(make());
    const elder = sessions()[0]!.accessor;
    fail((verb) => (verb === 'openSession' ? 'forbidden' : null));
    const next = await open(make());
    expect(next.problem()).toBeNull();
    expect((await next.sessionForStart()).accessor).toBe(elder);
    await next.closeUnused(() => false);
    await house.clock.advance(3 * LEASH_MS);
    expect(sessions().map(({ accessor }) => accessor)).toEqual([elder]);
  });

  test('where Vault is away, they are kept for revocations; nothing is started under them', async () => {
    const { make, open, fail } = world();
    await open(make());
    fail(() => 'unreachable');
    const next = await open(make());
    await expect(next.token()).resolves.toBeTruthy();
    await expect(next.sessionForStart()).rejects.toMatchObject({ code: 'VAULT_UNREACHABLE' });
  });

  test('when they ended is known from the record of the agent before', async () => {
    const { house, make, open, sessions } = world();
    await open(make());
    const { accessor, endsAt } = sessions()[0]!;
    house.sessionStore.save([]);
    await house.clock.advance(1000);
    const next = await open(make());
    expect(next.endOf(accessor)).toBe(endsAt);
    expect(next.endOf('never seen')).toBeNull();
  });
});
