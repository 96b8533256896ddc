// Owns the rows of the state table for a credential that is known to be dead: replaced at once, else its files are
// taken away, else the task is given up. A reader is never left with a file whose credential does not work.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import {
  ALARM,
  checkRows,
  erased,
  eraseFailed,
  NEXT,
  raisingSecrets,
  rotated,
  row,
  STALE_MS,
  sessionEnded,
  stale,
  tokenFailed,
  WITHDRAW_MS,
  withdrawing,
  withdrawn,
  withdrew,
} from './rows.ts';
import {
  active,
  after,
  at,
  DENIED,
  instant,
  leaseIssued,
  PLAN,
  publishedOf,
  SESSION,
  secretsReadOf,
  stopRequested,
  tokenOpenedOf,
} from './samples.ts';

const ms = WITHDRAW_MS;
const writing = () => after(stale(), [STALE_MS + 10, secretsReadOf(2, [NEXT])]);
const deferred = () => after(withdrawing(), [ms + 5, secretsReadOf(2, [NEXT])]);
const eraseStuck = () => after(withdrawing(), [ms, eraseFailed]);
const back = () => after(withdrawn(), [ms + 5, secretsReadOf(2, [NEXT])], [ms + 6, publishedOf(2)]);
const GIVE_UP_MS = STALE_MS + 30_000;

describe('a dead credential, row by row', () => {
  checkRows([
    row(
      'rotating · the lease ends meanwhile: no third one for it',
      raisingSecrets,
      ALARM,
      STALE_MS,
      'active',
    ),
    row('stale · alarm within the moment a replacement may take', stale, ALARM, ms - 1, 'active'),
    row(
      'stale · alarm, not replaced: on record, then the files go',
      stale,
      ALARM,
      ms,
      'active',
      ['files.withdrawn'],
      ['withdraw'],
    ),
    row('stale, the new files being written · alarm: let them come', writing, ALARM, ms + 5000, 'active'),
    row('stale · published: in use, and nothing more to do', writing, publishedOf(2), ms, 'active', [
      'delivery.published',
      'generation.retiring',
    ]),
    row('withdrawing · withdrawn', withdrawing, withdrew, ms, 'active'),
    row('withdrawing · it fails: on record, again', withdrawing, eraseFailed, ms, 'active', [
      'erasure.failed',
    ]),
    row('it failed · alarm after the delay', eraseStuck, ALARM, ms + 16_000, 'active', [], ['withdraw']),
    row(
      'withdrawing · secretsRead: recorded; the files wait, or the withdrawal would take them too',
      withdrawing,
      secretsReadOf(2, [NEXT]),
      ms + 5,
      'active',
      ['leases.issued'],
    ),
    row('… · withdrawn: now they are written', deferred, withdrew, ms + 6, 'active', [], ['publish']),
    row(
      '… · it fails: now they are written',
      deferred,
      eraseFailed,
      ms + 6,
      'active',
      ['erasure.failed'],
      ['publish'],
    ),
    row(
      '… · stop: the withdrawal that is under way comes to its end',
      deferred,
      stopRequested,
      ms + 6,
      'stopping',
      ['grant.stopping'],
    ),
    row(
      '… · stop, withdrawn: never written, and the directory goes too',
      () => after(deferred(), [ms + 6, stopRequested]),
      withdrew,
      ms + 7,
      'stopping',
      [],
      ['erase'],
    ),
    row(
      '… · stop, withdrawn, erased: both are ended',
      () => after(deferred(), [ms + 6, stopRequested], [ms + 7, withdrew]),
      erased,
      ms + 8,
      'stopping',
      [],
      ['checkLeases', 'checkLeases'],
    ),
    row(
      'withdrawn · secretsRead',
      withdrawn,
      secretsReadOf(2, [NEXT]),
      ms + 5,
      'active',
      ['leases.issued'],
      ['publish'],
    ),
    row(
      'withdrawn · published: there again',
      () => after(withdrawn(), [ms + 5, secretsReadOf(2, [NEXT])]),
      publishedOf(2),
      ms + 6,
      'active',
      ['delivery.published', 'generation.retiring'],
    ),
    row('withdrawn · alarm within the time to replace it', withdrawn, ALARM, GIVE_UP_MS - 1, 'active'),
    row(
      'withdrawn · alarm after it: given up, and its empty directory, the sign that it lives, goes',
      withdrawn,
      ALARM,
      GIVE_UP_MS,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row('withdrawn · stop', withdrawn, stopRequested, ms + 5, 'stopping', ['grant.stopping'], ['erase']),
    row(
      'back · stop: the new files are erased',
      back,
      stopRequested,
      ms + 9,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'erase failed, then replaced · stop: the files go first, whatever failed before',
      () => after(eraseStuck(), [ms + 1, secretsReadOf(2, [NEXT])], [ms + 2, publishedOf(2)]),
      stopRequested,
      ms + 9,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'erase failed · stop: the files go first',
      eraseStuck,
      stopRequested,
      ms + 1,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'stale · the rotation fails: degraded, the half-made one is ended',
      stale,
      secretsReadOf(2, [], DENIED),
      STALE_MS + 5,
      'degraded',
      ['leases.issued', 'generation.retiring'],
      ['eraseGeneration'],
    ),
    row(
      'the session above is dead: so is the credential',
      active,
      sessionEnded(true),
      1000,
      'active',
      ['generation.opened'],
      ['openToken'],
    ),
    row('stale · stop', stale, stopRequested, ms, 'stopping', ['grant.stopping'], ['erase']),
  ]);

  test('given up: failed, with the last thing that went wrong', () => {
    const dead = after(active(), [1000, sessionEnded(true)], [1010, tokenFailed(false, 2)]);
    const { next, facts } = decide(dead, ALARM, at(31_000));
    expect(next.outcome).toBe('failed');
    expect(facts[0]).toMatchObject({ detail: expect.stringContaining('Vault cannot be reached') });
  });

  test('while it is withdrawn the grant says so, and not any more once it is back', () => {
    expect(withdrawn().withdrawn).toBe(true);
    expect(back()).toMatchObject({ withdrawn: false, state: 'active', problem: null });
    expect(back().pending).toMatchObject({ staleAt: null, erasedAt: null, eraseRetryAt: null });
  });

  test('a dead credential whose replacement waits for an old one that is stuck is withdrawn and given up too', () => {
    let grant = rotated({ plan: { ...PLAN, overlapMs: 60_000 } });
    grant = decide(grant, sessionEnded(true), at(100_000)).next;
    const seen: string[] = [];
    for (let now = 100_000; grant.state !== 'stopping' && now < 200_000; now += 100) {
      const { next, effects } = decide(grant, ALARM, at(now));
      seen.push(...effects.map(({ type }) => type));
      grant = effects.some(({ type }) => type === 'withdraw') ? decide(next, withdrew, at(now)).next : next;
    }
    expect(grant).toMatchObject({ state: 'stopping', outcome: 'failed', opened: 2 });
    expect(seen[0]).toBe('withdraw');
  });

  test('a lease that dies while its replacement is raised does not raise a third generation', () => {
    const after2 = after(writing(), [STALE_MS + 20, publishedOf(2)], [STALE_MS + 5000, ALARM]);
    expect(after2).toMatchObject({ opened: 2, pending: { wanted: null, raising: null } });
  });

  test('the session above both ends: the one on its way is dead too, and another follows it', () => {
    const ended = after(raisingSecrets(), [100_000, sessionEnded(true)]);
    expect(ended.pending).toMatchObject({ staleAt: instant(100_000), raising: 'secrets' });
    expect(ended.pending.wanted).toContain('session');
    const under = after(raisingSecrets(), [100_000, sessionEnded(true, 'another')]);
    expect(under.pending).toMatchObject({ staleAt: null, wanted: null });
  });

  test('another session ends while the token is on its way: nothing else is wanted than what is raised', () => {
    const raising = after(active(), [1000, sessionEnded(true)], [1010, sessionEnded(true, 'another')]);
    expect(raising.pending).toMatchObject({ raising: 'token', wanted: null });
  });

  test('the session above the superseded one ends: the one in use is left alone', () => {
    const grant = after(
      active(leaseIssued({ renewable: false })),
      [97_000, ALARM],
      [97_000, tokenOpenedOf(2, 'session-b')],
      [97_000, secretsReadOf(2, [NEXT])],
      [97_000, publishedOf(2)],
      [98_000, sessionEnded(true, SESSION)],
    );
    expect(grant).toMatchObject({ opened: 2, pending: { staleAt: null, wanted: null } });
  });
});
