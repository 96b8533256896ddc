// Owns the rows of the state table for a grant that is not active yet: nothing is leased before the start,
// and whatever a failed start made is on record before it is undone.

import { describe, expect, test } from 'vitest';
import { open, tokenTtlSeconds } from '../../../src/domain/decide.ts';
import { ALARM, checkRows, tokenFailed, unrecorded } from './rows.ts';
import {
  ACCEPTED,
  ANSWER_WITHIN_MS,
  accepted,
  at,
  DEADLINE_MS,
  DENIED,
  GRANT,
  holdingToken,
  instant,
  leaseIssued,
  published,
  publishing,
  secretsRead,
  stopRequested,
  time,
  tokenOpened,
  UNREACHABLE,
} from './samples.ts';

describe('a start, row by row', () => {
  checkRows([
    {
      when: 'starting · tokenOpened: the accessor is recorded before the token is spent',
      grant: accepted,
      event: tokenOpened,
      state: 'starting',
      facts: ['token.opened'],
      effects: ['readSecrets'],
    },
    {
      when: 'starting · tokenFailed, refused: nothing was made',
      grant: accepted,
      event: tokenFailed(false),
      state: 'stopping',
      facts: ['grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · tokenFailed, reply lost: on record as a token that nobody holds',
      grant: accepted,
      event: tokenFailed(true),
      state: 'stopping',
      facts: ['token.lost', 'grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · secretsRead: leases are recorded before a file shows them',
      grant: holdingToken,
      event: secretsRead(),
      state: 'starting',
      facts: ['leases.issued'],
      effects: ['publish'],
    },
    {
      when: 'starting · secretsRead with a failure: what came all the same is recorded, then refused',
      grant: holdingToken,
      event: secretsRead([leaseIssued()], DENIED),
      state: 'stopping',
      facts: ['leases.issued', 'grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · secretsRead with a lost reply: the lease nobody saw is on record too',
      grant: holdingToken,
      event: secretsRead([], UNREACHABLE, [{ secret: 'db', path: 'database/creds/report' }]),
      state: 'stopping',
      facts: ['leases.issued', 'grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · secretsRead, one so late that another has ended: nobody is given what is dead already, refused',
      grant: holdingToken,
      event: secretsRead([leaseIssued({ ttl_ms: 15_000, renewable: false })]),
      ms: 16_000,
      state: 'stopping',
      facts: ['leases.issued', 'grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · published: active',
      grant: publishing,
      event: published,
      state: 'active',
      facts: ['delivery.published'],
      effects: [],
    },
    {
      when: 'starting · publishFailed: refused',
      grant: publishing,
      event: { type: 'publishFailed', n: 1, problem: DENIED },
      state: 'stopping',
      facts: ['grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · alarm before anything is due: nothing',
      grant: accepted,
      event: ALARM,
      ms: ANSWER_WITHIN_MS - 1,
      state: 'starting',
      facts: [],
      effects: [],
    },
    {
      when: 'starting · alarm, no answer in time: refused; the token request is left to end',
      grant: accepted,
      event: ALARM,
      ms: ANSWER_WITHIN_MS,
      state: 'stopping',
      facts: ['grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · unrecorded: what is not on record must not happen, refused',
      grant: holdingToken,
      event: unrecorded,
      state: 'stopping',
      facts: ['grant.refused'],
      effects: ['erase'],
    },
    {
      when: 'starting · stop',
      grant: accepted,
      event: stopRequested,
      state: 'stopping',
      facts: ['grant.stopping'],
      effects: ['erase'],
    },
    {
      when: 'starting, files being written · stop: the erase waits for the writer, so that it misses none',
      grant: publishing,
      event: stopRequested,
      state: 'stopping',
      facts: ['grant.stopping'],
      effects: [],
    },
  ]);

  test('none · startRequested', () => {
    const { next, facts, effects } = open(GRANT, ACCEPTED, ANSWER_WITHIN_MS, at(0));
    expect(next.state).toBe('starting');
    expect(facts.map(({ type }) => type)).toEqual(['grant.accepted', 'generation.opened']);
    expect(effects).toEqual([{ type: 'openToken', n: 1 }]);
    expect(next.deadline).toBe(instant(DEADLINE_MS));
  });

  test('the token of a task is asked for until the deadline', () => {
    expect(tokenTtlSeconds(accepted(), instant(0))).toBe(DEADLINE_MS / 1000);
    expect(tokenTtlSeconds(accepted(), instant(15_000))).toBe(DEADLINE_MS / 1000 - 15);
  });

  test('the token of a task that may be extended is asked for until the latest deadline: it cannot be renewed', () => {
    const extendable = accepted({ latest_deadline: time(3_615_000) });
    expect(tokenTtlSeconds(extendable, instant(15_000))).toBe(3600);
  });
});
