// Owns the rows of the state table for what comes from outside Vault: changed profiles, ended sessions, extensions,
// a proof given up. Each in every state of a grant: what does not fit the state does nothing.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import {
  ALARM,
  abandonRequested,
  checking,
  checkRows,
  closed,
  degraded,
  erased,
  erasing,
  extendRequested,
  KV,
  NARROWER,
  planChanged,
  ROTATE_MS,
  raisingSecrets,
  raisingToken,
  revoked,
  rotated,
  row,
  sessionEnded,
  withdrawn,
} from './rows.ts';
import {
  accepted,
  active,
  activeAs,
  after,
  at,
  checked,
  DEADLINE_MS,
  publishing,
  stopRequested,
} from './samples.ts';

const ms = ROTATE_MS;
const LATER = { latest_deadline: new Date(Date.parse('2026-11-22T11:00:15.000Z')).toISOString() };
const news = planChanged(NARROWER);
const rotation = [['generation.opened'], ['openToken']] as const;

describe('news, row by row', () => {
  checkRows([
    row('starting · profile changed: not before its files are there', publishing, news, 10, 'starting'),
    row(
      'starting, profile changed · published: raised again at the next alarm',
      () => after(publishing(), news),
      ALARM,
      10,
      'starting',
    ),
    row(
      'active · profile changed: another generation with what it says now',
      active,
      news,
      1000,
      'active',
      ...rotation,
    ),
    row('active · profile read again, the same: nothing', active, planChanged(), 1000, 'active'),
    row(
      'degraded · profile changed: renewals go on meanwhile',
      degraded,
      news,
      80_020,
      'degraded',
      ...rotation,
    ),
    row('rotating · profile changed: after this one', raisingToken, news, ms, 'active'),
    row('withdrawn · profile changed: after this one', withdrawn, news, 121_000, 'active'),
    row('stopping · profile changed: nothing', erasing, news, 10, 'stopping'),
    row('closed · profile changed: nothing', closed, news, 10, 'closed'),
    row(
      'active · profile allows less time: the deadline comes nearer',
      active,
      planChanged({}, 300_000),
      1000,
      'active',
      ['deadline.moved'],
    ),
    row(
      'active · profile allows no more time: over',
      active,
      planChanged({}, 900),
      1000,
      'stopping',
      ['deadline.moved', 'grant.stopping'],
      ['erase'],
    ),
    row(
      'active · profile allows more time: nothing by itself',
      active,
      planChanged({}, 9_000_000),
      1000,
      'active',
    ),

    row(
      'starting · session not held any more: nothing under it yet',
      accepted,
      sessionEnded(false),
      10,
      'starting',
    ),
    row(
      'active · session not held any more: another under the new one',
      active,
      sessionEnded(false),
      2000,
      'active',
      ...rotation,
    ),
    row('active · another session ended: nothing', active, sessionEnded(true, 'session-z'), 10, 'active'),
    row(
      'rotating · session not held any more: after this one',
      raisingToken,
      sessionEnded(false),
      ms,
      'active',
    ),
    row('stopping · session ended: nothing but going on', checking, sessionEnded(true), 10, 'stopping'),
    row('closed · session ended: nothing', closed, sessionEnded(true), 10, 'closed'),

    row('starting · extend: nothing', () => accepted(LATER), extendRequested(60_000), 10, 'starting'),
    row('active · extend', () => activeAs(LATER), extendRequested(60_000), 10, 'active', ['deadline.moved']),
    row('active · extend, at its latest deadline: nothing', active, extendRequested(60_000), 10, 'active'),
    row(
      'stopping · extend: nothing',
      () => after(activeAs(LATER), stopRequested),
      extendRequested(60_000),
      10,
      'stopping',
    ),
    row('closed · extend: nothing', closed, extendRequested(60_000), 10, 'closed'),

    row('active · abandon: only a revocation can be given up', active, abandonRequested, 10, 'active'),
    row(
      'active, past its deadline · abandon: it stops, and nothing is given up',
      () => active(KV),
      abandonRequested,
      DEADLINE_MS,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row('starting · abandon: nothing', accepted, abandonRequested, 10, 'starting'),
    row(
      'stopping · abandon: on record, closed unproved, the token let go',
      checking,
      abandonRequested,
      10,
      'closed',
      ['revocation.abandoned', 'generation.proved', 'files.erased', 'grant.closed'],
      ['releaseToken'],
    ),
    row(
      'stopping, two generations · abandon: both',
      () => after(rotated(), [ms, stopRequested], erased),
      abandonRequested,
      ms,
      'closed',
      ['revocation.abandoned', 'generation.proved', 'generation.proved', 'files.erased', 'grant.closed'],
      ['releaseToken', 'releaseToken'],
    ),
    row(
      'stopping, the files still there · abandon: not closed before they are gone',
      erasing,
      abandonRequested,
      10,
      'stopping',
      ['revocation.abandoned', 'generation.proved'],
      ['releaseToken'],
    ),
    row(
      'stopping, secrets under way · abandon: what is being issued is awaited',
      () => after(raisingSecrets(), [ms, stopRequested], erased),
      abandonRequested,
      ms,
      'stopping',
      ['revocation.abandoned', 'generation.proved'],
      ['releaseToken'],
    ),
    row(
      'stopping, abandoned · leasesChecked, late: nothing',
      () => after(raisingSecrets(), [ms, stopRequested], erased, abandonRequested),
      checked(),
      ms,
      'stopping',
    ),
    row(
      'stopping, abandoned · revoked, late: nothing',
      () => after(raisingSecrets(), [ms, stopRequested], erased, abandonRequested),
      revoked,
      ms,
      'stopping',
    ),
    row('closed · abandon: nothing', closed, abandonRequested, 10, 'closed'),
  ]);

  test('the proof that was given up is called unproved, and who did it is on record', () => {
    const { facts } = decide(checking(), abandonRequested, at(10));
    expect(facts[0]).toEqual({ type: 'revocation.abandoned', reason: 'engine deleted', uid: 0 });
    expect(facts.at(-1)).toMatchObject({ receipt: { leases: [{ proof: 'unproved' }] } });
  });

  test.each<[string, GrantEvent]>([
    ['a changed profile', news],
    ['an ended session', sessionEnded(false)],
  ])('%s during the start is not forgotten: once active, it rotates', (_what, event) => {
    const started = after(publishing(), event, {
      type: 'published',
      n: 1,
      files: ['db.json'],
      changed: true,
    });
    const { next } = decide(started, ALARM, at(1000));
    expect(next).toMatchObject({ state: 'active', opened: 2, pending: { raising: 'token' } });
  });

  test('a lost process outside wins over everything: no generation is raised for a dead task', () => {
    expect(decide(after(active(), news), stopRequested, at(2000)).effects).toEqual([{ type: 'erase' }]);
  });
});
