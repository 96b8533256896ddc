// Owns the rows of the state table for a restart: taken over or not, what was under way is on record as it is known,
// and a connection that was lost with the agent has its time to come back.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { type Grant, IDLE } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import {
  ALARM,
  adopted,
  adoptedWith,
  checkRows,
  closed,
  degraded,
  held,
  ID,
  NARROWER,
  notAdopted,
  RETIRE_MS,
  ROTATE_MS,
  raisingFiles,
  raisingSecrets,
  raisingToken,
  rotated,
  row,
  signalled,
} from './rows.ts';
import {
  accepted,
  active,
  activeAs,
  after,
  at,
  DENIED,
  holdingToken,
  instant,
  leaseIssued,
  PLAN,
  publishedOf,
  secretsRead,
  stopRequested,
  tokenOpened,
} from './samples.ts';

const ms = ROTATE_MS;
const bound = () => activeAs({ bind: { connection: true } });
const streamed = () => after(active(), held);
const TOLD = { ...PLAN, onChange: 'SIGHUP' };
/** A bound process that is told of changes, with a second generation: being written, or as far as these events. */
const raisedTo = (...events: readonly GrantEvent[]): Grant =>
  after(raisingFiles({ plan: TOLD, bind: { pid: 4242 } }), ...events.map((event) => [ms, event] as const));
/** What the next agent finds: what is on record, and nothing that was pending. */
const restarted = (grant: Grant): Grant => ({ ...grant, pending: IDLE });

describe('a restart, row by row', () => {
  checkRows([
    row('active · held: a connection holds it from now on', active, held, 10, 'active', ['grant.held']),
    row('held · held again: on record once', streamed, held, 10, 'active'),
    row('bound to its connection · held: it is anyway', bound, held, 10, 'active'),
    row('closed · held: nothing', closed, held, 10, 'closed'),

    row('active · taken over', active, adopted, 1000, 'active', ['grant.adopted']),
    row(
      'degraded · taken over, a renewal overdue',
      degraded,
      adopted,
      82_000,
      'degraded',
      ['grant.adopted'],
      ['renewLeases'],
    ),
    row(
      'taken over after its lease ended · replaced',
      active,
      adopted,
      130_000,
      'active',
      ['grant.adopted', 'generation.opened'],
      ['openToken'],
    ),
    row(
      'rotating, token unknown · taken over: what it may have become is given up, then another',
      raisingToken,
      adopted,
      ms + 1000,
      'active',
      ['grant.adopted', 'generation.retiring', 'generation.proved', 'generation.opened'],
      ['openToken'],
    ),
    row(
      'rotating, secrets unknown · taken over: their leases count as lost, their token rests',
      raisingSecrets,
      adopted,
      ms + 1000,
      'active',
      ['leases.issued', 'grant.adopted', 'generation.retiring'],
    ),
    row(
      'rotated · taken over within the overlap: the old one keeps it',
      rotated,
      adopted,
      ms + 1000,
      'active',
      ['grant.adopted'],
    ),
    row(
      'rotated · taken over after the overlap: the old one is ended at once',
      rotated,
      adopted,
      RETIRE_MS,
      'active',
      ['grant.adopted'],
      ['eraseGeneration'],
    ),
    row(
      'active · taken over by an agent that does not hold its session: another under the new one',
      active,
      adoptedWith({ held: false }),
      1000,
      'active',
      ['grant.adopted', 'generation.opened'],
      ['openToken'],
    ),
    row(
      'active · taken over under a changed profile: another with what it says now',
      active,
      adoptedWith({ plan: NARROWER }),
      1000,
      'active',
      ['grant.adopted', 'generation.opened'],
      ['openToken'],
    ),
    row(
      'active · taken over under a profile that allows no more time: over',
      active,
      adoptedWith({ latestMs: 900 }),
      1000,
      'stopping',
      ['grant.adopted', 'deadline.moved', 'grant.stopping'],
      ['erase'],
    ),
    row(
      'held · taken over, no connection in time: lost',
      () => after(streamed(), adopted),
      ALARM,
      10_000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'bound to its connection · taken over, none in time: lost',
      () => after(bound(), adopted),
      ALARM,
      10_000,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row('… · before the time is over: nothing', () => after(bound(), adopted), ALARM, 9_999, 'active'),
    row(
      '… · held in time, then the alarm: goes on',
      () => after(bound(), adopted, [9000, held]),
      ALARM,
      10_000,
      'active',
    ),
    row(
      'not held · taken over, then the alarm: nobody is waited for',
      () => after(active(), adopted),
      ALARM,
      10_000,
      'active',
    ),
    row(
      'starting, token unknown · not taken over: nothing of it can be known',
      accepted,
      notAdopted,
      10,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'starting, secrets unknown · not taken over: their leases count as lost',
      holdingToken,
      notAdopted,
      10,
      'stopping',
      ['leases.issued', 'grant.stopping'],
      ['erase'],
    ),
    row('active · not taken over', active, notAdopted, 10, 'stopping', ['grant.stopping'], ['erase']),
    row('degraded · not taken over', degraded, notAdopted, 82_000, 'stopping', ['grant.stopping'], ['erase']),
    row(
      'stopping · not taken over: the stop goes on, its reason stands',
      () => restarted(after(active(), stopRequested)),
      notAdopted,
      10,
      'stopping',
      [],
      ['erase'],
    ),
    row(
      'refused by Vault, then a restart: nothing was issued, so nothing is lost',
      () => restarted(after(accepted(), tokenOpened, secretsRead([], DENIED))),
      notAdopted,
      10,
      'stopping',
      [],
      ['erase'],
    ),
    row(
      'a change that the agent before may not have told of: told by the next one',
      () => restarted(raisedTo(publishedOf(2))),
      adoptedWith({ plan: TOLD }),
      ms,
      'active',
      ['grant.adopted'],
      ['signal'],
    ),
    row(
      'a change that was told of: not told again',
      () => restarted(after(raisedTo(publishedOf(2)), [ms, signalled()])),
      adoptedWith({ plan: TOLD }),
      ms,
      'active',
      ['grant.adopted'],
    ),
    row(
      'files that the agent before may have shown, and that are turned back: told',
      () => restarted(raisedTo()),
      adoptedWith({ plan: TOLD }),
      ms,
      'active',
      ['grant.adopted', 'generation.retiring'],
      ['signal', 'eraseGeneration'],
    ),
    row('active · signalled', rotated, signalled(), ms, 'active', ['workload.signalled']),
    row('closed · signalled: nothing', closed, signalled(), ms, 'closed'),
  ]);

  test('leases longer than the task are cut by the new agent, also when another one is overdue', () => {
    const long = leaseIssued({ secret: 'long', id: 'a/long', ttl_ms: 3_600_000 });
    const taken = decide(active(long, leaseIssued()), adopted, at(90_000));
    expect(taken.effects).toEqual([
      { type: 'renewLeases', n: 1, leases: [{ id: ID, incrementSeconds: 120 }] },
    ]);
    const results = [
      { id: ID, incrementSeconds: 120, ttlMs: 120_000, endsAt: instant(210_000), renewable: true },
    ];
    const renewed = after(taken.next, [90_100, { type: 'renewed', n: 1, results }]);
    expect(renewed.pending.renewing).toBe(1);
    const [cut] = decide(taken.next, { type: 'renewed', n: 1, results }, at(90_100)).effects;
    expect(cut).toMatchObject({ type: 'renewLeases', leases: [{ id: 'a/long', incrementSeconds: 525 }] });
  });

  test('what the agent before was doing is forgotten: failures, retries, requests', () => {
    const taken = after(degraded(), [82_000, adopted]);
    expect(taken.pending).toMatchObject({ attempts: 0, retryAt: null, renewing: 1, retirements: [] });
    expect(taken).toMatchObject({ state: 'degraded', failing: 'renewal' });
  });
});
