// Owns the rows of the state table for starts that need approval: nothing is leased before it, it starts the task once,
// and whatever comes first counts.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import { type Grant, IDLE } from '../../../src/domain/grant.ts';
import { asked, deniedBy, given, givenBy, pending, REASON, TTL_MS, voided } from './approvals.ts';
import {
  ALARM,
  abandonRequested,
  adoptedWith,
  checkRows,
  closed,
  erased,
  extendRequested,
  held,
  NARROWER,
  notAdopted,
  planChanged,
  row,
  sessionEnded,
} from './rows.ts';
import {
  active,
  after,
  at,
  DEADLINE_MS,
  DURATION_MS,
  GRACE_MS,
  instant,
  published,
  secretsRead,
  stopRequested,
  time,
  tokenOpened,
} from './samples.ts';

const two = (): Grant => pending({ rule: { count: 2 } });
const listed = (): Grant => pending({ rule: { approvers: [7, 1000], count: 1 } });
const approved = (): Grant => after(pending(), [1000, given]);
const running = (): Grant => after(approved(), [1000, tokenOpened], secretsRead(), published);
const streamed = (): Grant => pending({ accepted: { bind: { connection: true } } });
/** What the next agent finds. */
const restarted = (grant: Grant): Grant => ({ ...grant, pending: IDLE });

const goes = ['approval.given', 'grant.approved', 'generation.opened'];
const refused = ['approval.denied', 'grant.refused'];

describe('approval, row by row', () => {
  checkRows([
    row('pending · approved: it starts', pending, given, 1000, 'starting', goes, ['openToken']),
    row('pending · approved by one of two: on record, and waits on', two, given, 1000, 'pending_approval', [
      'approval.given',
    ]),
    row(
      'pending · approved by the second of two: it starts',
      () => after(two(), given),
      givenBy(7),
      1000,
      'starting',
      goes,
      ['openToken'],
    ),
    row(
      'pending · approved twice by one of two: nothing',
      () => after(two(), given),
      given,
      1000,
      'pending_approval',
    ),
    row('pending · approved by whoever asked: nothing', pending, givenBy(1000), 1000, 'pending_approval'),
    row(
      'pending · approved by whoever asked, although listed: nothing',
      listed,
      givenBy(1000),
      1000,
      'pending_approval',
    ),
    row('pending · approved by one who is not listed: nothing', listed, givenBy(8), 1000, 'pending_approval'),
    row('pending · approved by one who is: it starts', listed, givenBy(7), 1000, 'starting', goes, [
      'openToken',
    ]),
    row(
      'pending · approved in the very moment of its end: too late',
      pending,
      given,
      TTL_MS,
      'stopping',
      refused,
      ['erase'],
    ),
    row('pending · approved right before it: it starts', pending, given, TTL_MS - 1, 'starting', goes, [
      'openToken',
    ]),
    row('pending · denied', pending, deniedBy(0), 1000, 'stopping', refused, ['erase']),
    row('pending, one of two · denied', () => after(two(), given), deniedBy(0), 1000, 'stopping', refused, [
      'erase',
    ]),
    row('pending · alarm before its end: nothing', pending, ALARM, TTL_MS - 1, 'pending_approval'),
    row('pending · alarm at its end: refused', pending, ALARM, TTL_MS, 'stopping', refused, ['erase']),
    row(
      'pending · stopped: withdrawn',
      pending,
      stopRequested,
      1000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'pending · what it is bound to ended: withdrawn',
      pending,
      { type: 'stopRequested', reason: 'lost' },
      1000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'pending · its profile asks for something else: refused',
      pending,
      voided,
      1000,
      'stopping',
      refused,
      ['erase'],
    ),
    row('pending · another plan alone: nothing', pending, planChanged(NARROWER), 1000, 'pending_approval'),
    row(
      'pending · a session ended: nothing is under it',
      pending,
      sessionEnded(true),
      1000,
      'pending_approval',
    ),
    row('pending · extend: nothing', pending, extendRequested(60_000), 1000, 'pending_approval'),
    row('pending · abandon: nothing', pending, abandonRequested, 1000, 'pending_approval'),
    row('pending · held: withdrawn when the connection closes', pending, held, 1000, 'pending_approval', [
      'grant.held',
    ]),
    row(
      'pending · taken over by the next agent',
      () => restarted(pending()),
      adoptedWith(),
      1000,
      'pending_approval',
      ['grant.adopted'],
    ),
    row(
      'pending · taken over after its end: refused',
      () => restarted(pending()),
      adoptedWith(),
      TTL_MS,
      'stopping',
      refused,
      ['erase'],
    ),
    row(
      'pending · not taken over',
      () => restarted(pending()),
      notAdopted,
      1000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'pending, taken over · its connection does not come back: withdrawn',
      () => after(restarted(streamed()), [1000, adoptedWith()]),
      ALARM,
      11_000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),

    row('denied · approved: nothing', () => after(pending(), deniedBy(0)), givenBy(7), 1000, 'stopping'),
    row('starting · approved once more: nothing', approved, givenBy(7), 1000, 'starting'),
    row('starting · denied: too late', approved, deniedBy(7), 1000, 'starting'),
    row(
      'starting · its profile asked for something else before it was approved: ended',
      approved,
      voided,
      1000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'starting · the agent was restarted: not taken over',
      () => restarted(approved()),
      notAdopted,
      2000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row('active · approved: nothing', active, given, 1000, 'active'),
    row('active · denied: nothing', active, deniedBy(0), 1000, 'active'),
    row('active, approved · denied: nothing', running, deniedBy(0), 2000, 'active'),
    row('closed · approved: nothing', closed, given, 1000, 'closed'),
    row(
      'denied, erased: closed, nothing was ever leased',
      () => after(pending(), deniedBy(0)),
      erased,
      1000,
      'closed',
      ['files.erased', 'grant.closed'],
    ),
  ]);
});

describe('a start that needs approval', () => {
  test('is on record with what is asked, and asks Vault for nothing', () => {
    const { facts, effects, next } = asked().decision;
    expect(facts.map(({ type }) => type)).toEqual(['grant.accepted', 'approval.requested']);
    expect(effects).toEqual([]);
    expect(next).toMatchObject({ state: 'pending_approval', opened: 0, generations: [] });
    expect(dueAt(next)).toBe(instant(TTL_MS));
  });

  test('that a hundred approve starts once', () => {
    let grant = pending();
    let tokens = 0;
    for (let n = 0; n < 100; n += 1) {
      const { next, effects } = decide(grant, givenBy(n % 2), at(10));
      tokens += effects.filter(({ type }) => type === 'openToken').length;
      grant = next;
    }
    expect(tokens).toBe(1);
    expect(grant.approval!.given).toHaveLength(1);
  });

  test('gets its duration from the approval on, and its answer by then too', () => {
    const {
      expiresAt,
      deadline,
      latestDeadline,
      acceptedAt,
      pending: doing,
    } = after(pending(), [50_000, given]);
    expect(expiresAt).toBe(instant(50_000 + DURATION_MS));
    expect([deadline, latestDeadline]).toEqual(Array(2).fill(instant(50_000 + DEADLINE_MS)));
    expect(acceptedAt).toBe(instant(50_000));
    expect(doing.answerBy).toBe(instant(80_000));
  });

  test('keeps the deadline that it named', () => {
    const { expiresAt, deadline } = after(pending({ deadline: time(DURATION_MS) }), [50_000, given]);
    expect(expiresAt).toBe(instant(DURATION_MS));
    expect(deadline).toBe(instant(DEADLINE_MS));
  });

  test('may be extended to max from the approval on', () => {
    const { deadline, latestDeadline } = after(pending({ extend: true }), [50_000, given]);
    expect(deadline).toBe(instant(50_000 + DEADLINE_MS));
    expect(latestDeadline).toBe(instant(50_000 + 3_600_000 + GRACE_MS));
  });

  test('ends with its window and its parent', () => {
    const ends = { notAfter: instant(100_000), latestNotAfter: instant(200_000) };
    const { expiresAt, deadline, latestDeadline } = after(pending({ extend: true }), [
      50_000,
      givenBy(0, ends),
    ]);
    expect([expiresAt, deadline]).toEqual(Array(2).fill(instant(100_000)));
    expect(latestDeadline).toBe(instant(200_000));
  });

  test.each([
    ['denied', deniedBy(7), 'uid 7 denied build-81: OPS-712', { uid: 7, reason: REASON }],
    ['denied without a word', deniedBy(7, null), 'uid 7 denied build-81', { uid: 7, reason: null }],
    ['not approved in time', ALARM, 'build-81: nobody approved it within 1m', { uid: null }],
    ['void', voided, 'its profile was changed', { uid: null }],
  ])('and is %s says so in its answer and its receipt', (_what, event, detail, word) => {
    const ms = event === ALARM ? TTL_MS : 1000;
    const { next } = decide(pending(), event, at(ms));
    expect(next.refusal).toMatchObject({ code: 'APPROVAL_DENIED', status: 403, detail });
    const closing = decide(next, erased, at(ms)).facts.at(-1);
    expect(closing).toMatchObject({
      type: 'grant.closed',
      outcome: 'refused',
      receipt: { outcome: 'refused', leases: [], exposure_seconds: 0, approval: { given: [], denied: word } },
    });
  });

  test('and got one approval of two in time says so', () => {
    const { next } = decide(after(two(), given), ALARM, at(TTL_MS));
    expect(next.refusal).toMatchObject({ detail: 'build-81: 1 of 2 approvals came within 1m' });
  });

  test('has its approvers in the receipt when all is done', () => {
    expect(running().approval!.given).toEqual([{ uid: 0, at: instant(1000), reason: REASON }]);
  });
});
