// Owns the promises of the gate in front of Vault: never more than its places, the urgent first, no lane
// takes all, the session waits for nobody, and whatever becomes of a request, its place is free again.

import { describe, expect, test } from 'vitest';
import { Gate, URGENCY, type Urgency } from '../../../../src/adapters/vault/gate.ts';

const PLACES = 64;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Requests that are at Vault until the test lets them go. */
function vault(gate: Gate) {
  const inside: string[] = [];
  const ends = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  return {
    inside,
    ask: (name: string, urgency: Urgency, lane: string): Promise<void> =>
      gate.through(urgency, lane, () => {
        inside.push(name);
        return new Promise<void>((resolve, reject) => ends.set(name, { resolve, reject })).finally(() =>
          inside.splice(inside.indexOf(name), 1),
        );
      }),
    end: async (name: string): Promise<void> => {
      ends.get(name)!.resolve();
      await settle();
    },
    fail: async (name: string): Promise<void> => {
      ends.get(name)!.reject(new Error(`${name} failed`));
      await settle();
    },
    count: (prefix: string): number => inside.filter((name) => name.startsWith(prefix)).length,
  };
}

const fill = (
  ask: ReturnType<typeof vault>['ask'],
  n: number,
  name: string,
  urgency: Urgency,
  lane: string,
) => {
  for (let i = 0; i < n; i += 1) void ask(`${name}-${i}`, urgency, lane);
};

describe('limits', () => {
  test.each([
    ['revocations', URGENCY.revoke, 64],
    ['renewals', URGENCY.renew, 57],
    ['starts', URGENCY.start, 48],
  ] as const)('%s of many engines hold at most their share', (_name, urgency, most) => {
    const { ask, inside } = vault(new Gate(PLACES));
    for (let i = 0; i < 200; i += 1) void ask(`r-${i}`, urgency, `lane-${i}`);
    expect(inside).toHaveLength(most);
  });

  test.each([
    ['revocations', URGENCY.revoke, 32],
    ['renewals', URGENCY.renew, 25],
    ['starts', URGENCY.start, 16],
  ] as const)('%s of one engine hold at most its lane', (_name, urgency, most) => {
    const { ask, inside } = vault(new Gate(PLACES));
    fill(ask, 200, 'r', urgency, 'database');
    expect(inside).toHaveLength(most);
  });

  test('all kinds together never hold more than all places', () => {
    const { ask, inside } = vault(new Gate(PLACES));
    for (let i = 0; i < 300; i += 1) {
      void ask(`r-${i}`, [URGENCY.revoke, URGENCY.renew, URGENCY.start][i % 3]!, `lane-${i}`);
    }
    expect(inside).toHaveLength(PLACES);
  });

  test('one place is enough for every kind, one after the other', async () => {
    const { ask, inside, end } = vault(new Gate(1));
    for (const [name, urgency] of Object.entries(URGENCY)) {
      if (urgency !== URGENCY.session) void ask(name, urgency, 'database');
    }
    expect(inside).toHaveLength(1);
    await end('revoke');
    expect(inside).toEqual(['renew']);
    await end('renew');
    expect(inside).toEqual(['start']);
  });
});

describe('order', () => {
  test('of those that wait, revocations go first, then renewals, then starts', async () => {
    const { ask, inside, end } = vault(new Gate(1));
    void ask('first', URGENCY.start, 'a');
    void ask('start', URGENCY.start, 'b');
    void ask('renew', URGENCY.renew, 'c');
    void ask('revoke', URGENCY.revoke, 'd');
    for (const [before, after] of [
      ['first', 'revoke'],
      ['revoke', 'renew'],
      ['renew', 'start'],
    ] as const) {
      await end(before);
      expect(inside).toEqual([after]);
    }
  });

  test('among equals, first come first served', async () => {
    const { ask, inside, end } = vault(new Gate(1));
    for (const name of ['a', 'b', 'c', 'd']) void ask(name, URGENCY.start, 'kv');
    for (const [before, after] of ['ab', 'bc', 'cd']) {
      await end(before!);
      expect(inside).toEqual([after]);
    }
  });

  test('who comes when a place is free but taken over does not overtake', async () => {
    const gate = new Gate(1);
    const { ask, inside, end } = vault(gate);
    void ask('first', URGENCY.revoke, 'a');
    void ask('waiting', URGENCY.revoke, 'a');
    const ended = end('first');
    void ask('late', URGENCY.revoke, 'a');
    await ended;
    expect(inside).toEqual(['waiting']);
  });
});

describe('a frozen engine', () => {
  test('its starts leave room for the starts of others', () => {
    const { ask, count } = vault(new Gate(PLACES));
    fill(ask, 500, 'frozen', URGENCY.start, 'database');
    fill(ask, 10, 'other', URGENCY.start, 'pki');
    expect(count('frozen')).toBe(16);
    expect(count('other')).toBe(10);
  });

  test('its starts, renewals and revocations leave room for every kind of others', () => {
    const { ask, count } = vault(new Gate(PLACES));
    fill(ask, 100, 'frozen-start', URGENCY.start, 'database');
    fill(ask, 100, 'frozen-renew', URGENCY.renew, 'database');
    void ask('other-revoke', URGENCY.revoke, 'pki');
    void ask('other-renew', URGENCY.renew, 'pki');
    void ask('other-start', URGENCY.start, 'pki');
    expect(count('other')).toBe(3);
  });

  test('those of others that wait go past its own that wait', async () => {
    const { ask, inside, end } = vault(new Gate(4));
    // One of four places a lane for starts, three for all of them.
    fill(ask, 3, 'frozen', URGENCY.start, 'database');
    void ask('pki-0', URGENCY.start, 'pki');
    void ask('ssh-0', URGENCY.start, 'ssh');
    void ask('kv-0', URGENCY.start, 'kv');
    expect(inside).toEqual(['frozen-0', 'pki-0', 'ssh-0']);
    await end('pki-0');
    expect(inside).toEqual(['frozen-0', 'ssh-0', 'kv-0']);
  });
});

describe('the session', () => {
  test('passes when every place is taken and others wait', () => {
    const { ask, count } = vault(new Gate(2));
    for (let i = 0; i < 10; i += 1) void ask(`r-${i}`, URGENCY.revoke, `lane-${i}`);
    void ask('session-renewal', URGENCY.session, 'auth');
    expect(count('r-')).toBe(2);
    expect(count('session')).toBe(1);
  });

  test('takes no place away', async () => {
    const { ask, count, end } = vault(new Gate(2));
    fill(ask, 5, 'session', URGENCY.session, 'auth');
    for (let i = 0; i < 5; i += 1) void ask(`r-${i}`, URGENCY.revoke, `lane-${i}`);
    expect(count('r-')).toBe(2);
    await end('session-0');
    expect(count('r-')).toBe(2);
  });
});

describe('the end of a request', () => {
  test('its answer is handed on', async () => {
    expect(await new Gate(1).through(URGENCY.start, 'kv', async () => 42)).toBe(42);
  });

  test('one that fails frees its place, and its error is handed on', async () => {
    const { ask, inside, fail } = vault(new Gate(1));
    const failing = expect(ask('bad', URGENCY.revoke, 'a')).rejects.toThrow('bad failed');
    void ask('next', URGENCY.start, 'b');
    await fail('bad');
    await failing;
    expect(inside).toEqual(['next']);
  });

  test('one that throws before it began frees its place', async () => {
    const gate = new Gate(1);
    for (let i = 0; i < 5; i += 1) {
      const thrown = gate.through(URGENCY.revoke, 'a', () => {
        throw new Error('at once');
      });
      await expect(thrown).rejects.toThrow('at once');
    }
    expect(await gate.through(URGENCY.revoke, 'a', async () => 'in')).toBe('in');
  });

  test('after a storm of every kind and end, all places are free', async () => {
    const gate = new Gate(PLACES);
    const kinds = [URGENCY.session, URGENCY.revoke, URGENCY.renew, URGENCY.start];
    const all = Array.from({ length: 2000 }, (_, i) =>
      gate.through(kinds[i % 4]!, `lane-${i % 7}`, async () => {
        await settle();
        if (i % 5 === 0) throw new Error('now and then');
      }),
    );
    await Promise.allSettled(all);
    const { ask, inside } = vault(gate);
    for (let i = 0; i < 200; i += 1) void ask(`r-${i}`, URGENCY.revoke, `lane-${i}`);
    expect(inside).toHaveLength(PLACES);
  });
});

describe('pace', () => {
  test('ten thousand renewals that are due at once reach Vault at 500 a second, not all at once', async () => {
    let nowMs = 0;
    const gate = new Gate(PLACES, { now: () => nowMs, after: () => {} });
    let asked = 0;
    for (let i = 0; i < 10_000; i += 1) {
      void gate.through(URGENCY.renew, `lane-${i % 8}`, async () => {
        asked += 1;
      });
    }
    await settle();
    expect(asked).toBe(64);
    for (nowMs = 1; nowMs <= 1000; nowMs += 1) await gate.through(URGENCY.revoke, 'other', async () => {});
    // Each request that leaves lets the next one in, when its time has come.
    expect(asked).toBeGreaterThan(64);
    expect(asked).toBeLessThanOrEqual(64 + 500);
  });

  test('renewals out of pace hold up neither revocations nor starts', async () => {
    const gate = new Gate(PLACES, { now: () => 0, after: () => {} });
    for (let i = 0; i < 200; i += 1) void gate.through(URGENCY.renew, `lane-${i}`, async () => {});
    const through = async (urgency: Urgency) => gate.through(urgency, 'other', async () => 'through');
    await expect(Promise.all([through(URGENCY.revoke), through(URGENCY.start)])).resolves.toEqual([
      'through',
      'through',
    ]);
  });
});
