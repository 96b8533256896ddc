// Owns the rows of the state table for another generation of a living task: raised under its own token, taken
// into use at one moment, and ended like the first when the task stops meanwhile.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { living } from '../../../src/domain/grant.ts';
import {
  ALARM,
  checkRows,
  erased,
  FIXED,
  NEXT,
  RETIRE_MS,
  ROTATE_MS,
  raisingFiles,
  raisingSecrets,
  raisingToken,
  rotated,
} from './rows.ts';
import {
  active,
  activeAs,
  after,
  at,
  DEADLINE_MS,
  leaseIssued,
  PLAN,
  publishedOf,
  secretsReadOf,
  stopRequested,
  tokenOpenedOf,
} from './samples.ts';

const SIGNALLED = { plan: { ...PLAN, onChange: 'SIGHUP' } };
const ms = ROTATE_MS;

describe('a rotation, row by row', () => {
  checkRows([
    {
      when: 'rotating · alarm: one at a time',
      grant: raisingToken,
      event: ALARM,
      ms: ms + 100,
      state: 'active',
      facts: [],
      effects: [],
    },
    {
      when: 'rotating · tokenOpened: the accessor is recorded before the token is spent',
      grant: raisingToken,
      event: tokenOpenedOf(2),
      ms,
      state: 'active',
      facts: ['token.opened'],
      effects: ['readSecrets'],
    },
    {
      when: 'rotating · secretsRead: leases are recorded before a file shows them',
      grant: raisingSecrets,
      event: secretsReadOf(2, [NEXT]),
      ms,
      state: 'active',
      facts: ['leases.issued'],
      effects: ['publish'],
    },
    {
      when: 'rotating · published: the new one is in use, the old one is to go',
      grant: raisingFiles,
      event: publishedOf(2),
      ms,
      state: 'active',
      facts: ['delivery.published', 'generation.retiring'],
      effects: [],
    },
    {
      when: 'rotating · published, a process is bound: told',
      grant: () => raisingFiles({ ...SIGNALLED, bind: { pid: 4242 } }),
      event: publishedOf(2),
      ms,
      state: 'active',
      facts: ['delivery.published', 'generation.retiring'],
      effects: ['signal'],
    },
    {
      when: 'rotating · published, a process is bound and its files are as they were: no notice',
      grant: () => raisingFiles({ ...SIGNALLED, bind: { pid: 4242 } }),
      event: publishedOf(2, false),
      ms,
      state: 'active',
      facts: ['delivery.published', 'generation.retiring'],
      effects: [],
    },
    {
      when: 'rotating · published, a cgroup is bound: it has no one process to tell',
      grant: () => raisingFiles({ ...SIGNALLED, bind: { cgroup: '/ci' } }),
      event: publishedOf(2),
      ms,
      state: 'active',
      facts: ['delivery.published', 'generation.retiring'],
      effects: [],
    },
    {
      when: 'rotating · published, a connection is bound: the stream tells it',
      grant: () => raisingFiles({ ...SIGNALLED, bind: { connection: true } }),
      event: publishedOf(2),
      ms,
      state: 'active',
      facts: ['delivery.published', 'generation.retiring'],
      effects: [],
    },
    {
      when: 'rotating · tokenOpened after the deadline, before its alarm: recorded, not spent',
      grant: raisingToken,
      event: tokenOpenedOf(2),
      ms: DEADLINE_MS,
      state: 'stopping',
      facts: ['grant.stopping', 'token.opened'],
      effects: ['erase'],
    },
    {
      when: 'rotating · secretsRead after the deadline, before its alarm: never written',
      grant: raisingSecrets,
      event: secretsReadOf(2, [NEXT]),
      ms: DEADLINE_MS,
      state: 'stopping',
      facts: ['grant.stopping', 'leases.issued'],
      effects: ['erase'],
    },
    {
      when: 'rotating · stop before the token: the erase at once, the token is let come',
      grant: raisingToken,
      event: stopRequested,
      ms,
      state: 'stopping',
      facts: ['grant.stopping'],
      effects: ['erase'],
    },
    {
      when: 'rotating, files being written · stop: the erase waits for the writer',
      grant: raisingFiles,
      event: stopRequested,
      ms,
      state: 'stopping',
      facts: ['grant.stopping'],
      effects: [],
    },
    {
      when: 'stopping · published of a rotation, late: what was written is erased',
      grant: () => after(raisingFiles(), [ms, stopRequested]),
      event: publishedOf(2),
      ms,
      state: 'stopping',
      facts: [],
      effects: ['erase'],
    },
    {
      when: 'stopping · erased while the token of a rotation is under way: the other one is ended meanwhile',
      grant: () => after(raisingToken(), [ms, stopRequested]),
      event: erased,
      ms,
      state: 'stopping',
      facts: [],
      effects: ['checkLeases'],
    },
    {
      when: 'stopping · tokenOpened of a rotation, late: recorded and revoked, not spent',
      grant: () => after(raisingToken(), [ms, stopRequested], erased),
      event: tokenOpenedOf(2),
      ms,
      state: 'stopping',
      facts: ['token.opened'],
      effects: ['revoke'],
    },
    {
      when: 'stopping · secretsRead of a rotation, late: recorded, looked up, not published',
      grant: () => after(raisingSecrets(), [ms, stopRequested], erased),
      event: secretsReadOf(2, [NEXT]),
      ms,
      state: 'stopping',
      facts: ['leases.issued'],
      effects: ['checkLeases'],
    },
    {
      when: 'rotated · stop: both generations are ended',
      grant: () => after(rotated(), [ms + 10, stopRequested]),
      event: erased,
      ms: ms + 20,
      state: 'stopping',
      facts: [],
      effects: ['checkLeases', 'checkLeases'],
    },
  ]);

  test('the reason is on record, and a rotation that nothing failed in leaves the task active', () => {
    const { facts } = decide(active(FIXED), ALARM, at(ms));
    expect(facts[0]).toEqual({
      type: 'generation.opened',
      n: 2,
      why: 'the lease of db comes to its end',
      plan: null,
    });
    expect(rotated()).toMatchObject({ state: 'active', problem: null, opened: 2 });
  });

  test('however short its leases are, a task rotates once a second at most', () => {
    const short = leaseIssued({ ttl_ms: 600, renewable: false });
    const first = after(activeAs({}, short), [1000, ALARM]);
    expect(first.opened).toBe(2);
    const second = after(
      first,
      [1000, tokenOpenedOf(2)],
      [1000, secretsReadOf(2, [leaseIssued({ ttl_ms: 600, renewable: false }, 1000)])],
      [1000, publishedOf(2)],
    );
    expect(after(second, [1900, ALARM]).opened).toBe(2);
    expect(after(second, [1900, ALARM]).pending.staleAt).not.toBeNull();
  });

  test('at most two generations live, also when the old one cannot be revoked', () => {
    let grant = rotated();
    for (let now = ms; now < RETIRE_MS + 400_000; now += 5000) {
      grant = after(grant, [now, ALARM]);
      expect(living(grant).length).toBeLessThanOrEqual(2);
    }
    expect(living(grant).map(({ n }) => n)).toEqual([1, 2]);
  });
});
