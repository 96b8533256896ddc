// Owns the rows of the state table for a superseded generation of a task that lives on: left alone for the overlap,
// then its files go, its leases are looked up, revoked and proved, and none of that disturbs the one in use.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import { current } from '../../../src/domain/grant.ts';
import {
  ALARM,
  checkRows,
  erased,
  FIXED,
  generationErased,
  KV,
  NARROWER,
  NEXT,
  NEXT_ID,
  planChanged,
  RETIRE_MS,
  ROTATE_MS,
  renewedTo,
  retiring,
  retiringChecked,
  revocationFailed,
  revoked,
  rotated,
  row,
} from './rows.ts';
import {
  active,
  activeAs,
  after,
  at,
  checked,
  DENIED,
  instant,
  leaseIssued,
  PLAN,
  publishedOf,
  secretsReadOf,
  stopRequested,
  tokenOpenedOf,
} from './samples.ts';

const ms = RETIRE_MS;
const failed = () => after(retiringChecked(), [ms, revocationFailed]);
const proved = () => after(retiringChecked(), [ms, revoked]);
/** The first generation's renewal is under way while the second takes over. */
const renewingOld = () =>
  after(
    active(),
    [60_000, planChanged(NARROWER)],
    [79_000, ALARM],
    [79_000, tokenOpenedOf(2)],
    [79_000, secretsReadOf(2, [NEXT])],
    [79_000, publishedOf(2)],
  );

describe('a superseded generation, row by row', () => {
  checkRows([
    row('rotated · alarm within the overlap: left alone', rotated, ALARM, ROTATE_MS + 29_000, 'active'),
    row('rotated · alarm after it: its files first', rotated, ALARM, ms, 'active', [], ['eraseGeneration']),
    row('retiring · alarm: one request at a time', retiring, ALARM, ms + 1, 'active'),
    row('retiring · generationErased', retiring, generationErased(), ms, 'active', [], ['checkLeases']),
    row(
      'retiring · leasesChecked',
      () => after(retiring(), [ms, generationErased()]),
      checked(),
      ms,
      'active',
      ['leases.known'],
      ['revoke'],
    ),
    row('retiring · revoked: proved, the task goes on', retiringChecked, revoked, ms, 'active', [
      'generation.proved',
    ]),
    row(
      'retiring · failed: on record, the task is well all the same',
      retiringChecked,
      revocationFailed,
      ms,
      'active',
      ['revocation.failed'],
    ),
    row('retiring · alarm before the delay is over: nothing', failed, ALARM, ms, 'active'),
    row('retiring · alarm after it: again', failed, ALARM, ms + 16_000, 'active', [], ['revoke']),
    row('retiring · its files cannot be removed: on record', retiring, revocationFailed, ms, 'active', [
      'revocation.failed',
    ]),
    row(
      'retiring · alarm after that: a file that stays must not keep the credential alive',
      () => after(retiring(), [ms, revocationFailed]),
      ALARM,
      ms + 1000,
      'active',
      [],
      ['checkLeases'],
    ),
    row(
      'retiring · stop: the files of both go, what is under way is let end',
      retiring,
      stopRequested,
      ms,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'retiring · stop, erased: the one in use is ended meanwhile',
      () => after(retiring(), [ms, stopRequested]),
      erased,
      ms,
      'stopping',
      [],
      ['checkLeases'],
    ),
    row(
      'stopping · generationErased, late: on with it, its files are gone anyway',
      () => after(retiring(), [ms, stopRequested], erased),
      generationErased(),
      ms,
      'stopping',
      [],
      ['checkLeases'],
    ),
    row(
      'stopping · revoked of the old one: proved, the other one is awaited',
      () => after(retiringChecked(), [ms, stopRequested], erased),
      revoked,
      ms,
      'stopping',
      ['generation.proved'],
    ),
    row(
      'stopping · the last of two is proved: closed',
      () => after(proved(), [ms, stopRequested], erased, { ...checked([NEXT_ID]), n: 2 } as never),
      { type: 'revoked', n: 2 },
      ms,
      'closed',
      ['generation.proved', 'files.erased', 'grant.closed'],
    ),
    row('proved · revoked again, late: nothing', proved, revoked, ms, 'active'),
    row('proved · leasesChecked, late: nothing', proved, checked(), ms, 'active'),
    row('proved · generationErased, late: nothing', proved, generationErased(), ms, 'active'),
    row('proved · revocationFailed, late: nothing', proved, revocationFailed, ms, 'active'),
    row(
      'rotated · profile changed: what is in the way is hastened, at most two live',
      rotated,
      planChanged(NARROWER),
      ROTATE_MS + 2000,
      'active',
      ['generation.retiring'],
      ['eraseGeneration'],
    ),
    row(
      'retiring · profile changed: it is on its way already',
      retiring,
      planChanged(NARROWER),
      ms,
      'active',
    ),
    row(
      'retiring, another wanted · proved: raised at once',
      () => after(retiringChecked(), [ms, planChanged(NARROWER)]),
      revoked,
      ms + 50,
      'active',
      ['generation.proved', 'generation.opened'],
      ['openToken'],
    ),
    row(
      'superseded while its renewal is under way · alarm: waits for it',
      renewingOld,
      ALARM,
      120_000,
      'active',
    ),
    row(
      'superseded while its renewal is under way · renewed: recorded, then ended',
      renewingOld,
      renewedTo(120_000, 79_000),
      120_000,
      'active',
      ['leases.renewed'],
      ['eraseGeneration'],
    ),
  ]);

  test('the overlap is on record, and is a second at least: a reader may have just opened the file', () => {
    const due = (overlapMs: number) => {
      const grant = after(
        activeAs({ plan: { ...PLAN, overlapMs } }, FIXED),
        [115_000, ALARM],
        [115_000, tokenOpenedOf(2)],
        [115_000, secretsReadOf(2, [NEXT])],
        [115_000, publishedOf(2)],
      );
      return grant.generations[0]!.retireAt! - instant(115_000);
    };
    expect([due(30_000), due(1500), due(0)]).toEqual([30_000, 1500, 1000]);
  });

  test('a generation without lease ids needs no look-up: its token is revoked', () => {
    const grant = after(
      active(KV, FIXED),
      [ROTATE_MS, ALARM],
      [ROTATE_MS, tokenOpenedOf(2)],
      [ROTATE_MS, secretsReadOf(2, [KV])],
      [ROTATE_MS, publishedOf(2)],
      [ms, ALARM],
      [ms, generationErased()],
      [ms, checked([], [leaseIssued().id!])],
    );
    expect(decide(grant, revoked, at(ms)).next.generations[0]).toMatchObject({ proved: true });
    expect(grant.pending.retirements).toEqual([expect.objectContaining({ n: 1, busy: true, erased: true })]);
  });

  test('while another is wanted and the old one is not proved, the alarm does not ring', () => {
    const waiting = after(retiring(), [ms, planChanged(NARROWER)]);
    expect(dueAt(waiting)).toBeGreaterThan(instant(ms + 1000));
    const hastened = after(rotated(), [ROTATE_MS + 2000, planChanged(NARROWER)]);
    expect(dueAt(hastened)).toBeGreaterThan(instant(ROTATE_MS + 2000));
  });

  test('renewals of the one in use go on while the old one is stuck', () => {
    const short = leaseIssued({ id: NEXT_ID, ttl_ms: 120_000 }, ROTATE_MS);
    const grant = after(
      active(FIXED),
      [ROTATE_MS, ALARM],
      [ROTATE_MS, tokenOpenedOf(2)],
      [ROTATE_MS, secretsReadOf(2, [short])],
      [ROTATE_MS, publishedOf(2)],
      [ms, ALARM],
      [ms, { type: 'revocationFailed', n: 1, problem: DENIED }],
    );
    const { effects } = decide(grant, ALARM, at(ROTATE_MS + 80_000));
    expect(effects.map(({ type }) => type)).toEqual(['checkLeases', 'renewLeases']);
    expect(current(grant)?.n).toBe(2);
  });
});
