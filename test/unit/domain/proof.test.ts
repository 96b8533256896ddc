// Owns what a receipt may say: which absence at Vault counts as revoked, which as unproved, and that the
// receipt repeats it (contract promise 2).

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import type { Fact, IssuedLease, Receipt } from '../../../src/domain/fact.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { Instant } from '../../../src/domain/instant.ts';
import {
  active,
  activeAs,
  after,
  at,
  checked,
  DENIED,
  holdingToken,
  instant,
  leaseIssued,
  published,
  publishing,
  secretsRead,
  stopRequested,
  time,
  UNREACHABLE,
} from './samples.ts';

const ID = 'database/creds/report/abc';
const stopped = (grant: Grant, ms = 0): Grant => after(grant, [ms, stopRequested], [ms, { type: 'erased' }]);

/** The receipt after a stop at `ms` at which Vault knew `known` and did not know `gone`. */
function receiptOf(
  grant: Grant,
  ms: number,
  known: readonly string[],
  gone: readonly string[],
  parentEndsAt: Instant | null = null,
): Receipt {
  let next = stopped(grant, ms);
  if (known.length + gone.length > 0) {
    next = decide(next, { type: 'leasesChecked', n: 1, known, gone, parentEndsAt }, at(ms)).next;
  }
  const { facts } = decide(next, { type: 'revoked', n: 1 }, at(ms + 20));
  const closed = facts.find(
    (fact): fact is Extract<Fact, { type: 'grant.closed' }> => fact.type === 'grant.closed',
  );
  return closed!.receipt;
}

const proofs = (receipt: Receipt) => receipt.leases.map(({ proof }) => proof);
const without: Partial<IssuedLease> = { id: null, ttl_ms: null, ends_at: null, renewable: false };

describe('what a receipt says of a lease', () => {
  test('known at the stop, then revoked: revoked', () => {
    expect(receiptOf(active(), 1000, [ID], [])).toEqual({
      task: 'build-81',
      profile: 'report-read',
      state: 'closed',
      outcome: 'completed',
      event: { type: 'pull_request', id: 'acme/shop#412' },
      started_at: time(0),
      closed_at: time(1020),
      exposure_seconds: 1.02,
      leases: [
        {
          secret: 'db',
          path: 'database/creds/report',
          issued_at: time(0),
          ended_at: time(1020),
          proof: 'revoked',
          ends_at: time(120_000),
        },
      ],
    });
  });

  test('unknown to Vault before its time: unproved, never called revoked', () => {
    expect(proofs(receiptOf(active(), 1000, [], [ID]))).toEqual(['unproved']);
  });

  test('unknown to Vault at its own end: revoked', () => {
    expect(proofs(receiptOf(active(), 119_000, [], [ID]))).toEqual(['revoked']);
  });

  test('unknown to Vault when it may live on, because its issue was long on its way: revoked once that is over', () => {
    // Asked for at 0 and counted from then; Vault may have granted it up to the reply, 10 s later.
    const late = after(
      holdingToken(),
      [10_000, secretsRead([leaseIssued(), leaseIssued({ id: 'a/2' })])],
      [10_000, published],
    );
    const asked = decide(stopped(late, 119_000), checked(['a/2'], [ID]), at(119_000));
    expect(asked.effects).toMatchObject([{ type: 'revoke', ids: [ID, 'a/2'] }]);
    const waiting = decide(asked.next, { type: 'revoked', n: 1 }, at(119_020));
    expect(waiting.effects).toEqual([]);
    expect(waiting.next.generations[0]!.leases.map(({ proof }) => proof)).toEqual([null, 'revoked']);
    expect(dueAt(waiting.next)).toBe(instant(130_000));
    const again = decide(waiting.next, { type: 'alarm' }, at(130_000));
    expect(again.effects).toMatchObject([{ type: 'checkLeases', ids: [ID] }]);
    const closed = after(again.next, [130_010, checked([], [ID])], [130_020, { type: 'revoked', n: 1 }]);
    expect(closed).toMatchObject({ state: 'closed', generations: [{ leases: [{ proof: 'revoked' }, {}] }] });
  });

  test('unknown to Vault after a cut that nobody heard of, its own end far away: unproved, and nothing waits for it', () => {
    const short = activeAs({ deadline: time(300_000) }, leaseIssued({ ttl_ms: 3_600_000 }));
    const longer = after(short, [
      10,
      { type: 'extendRequested', byMs: 60_000, notAfter: instant(3_600_000) },
    ]);
    const { facts } = decide(stopped(longer, 301_000), checked([], [ID]), at(301_000));
    expect(facts[0]).toMatchObject({ type: 'leases.known', gone: [{ id: ID, proof: 'unproved' }] });
  });

  test('unknown to Vault because its parent had ended: revoked', () => {
    expect(proofs(receiptOf(active(), 60_000, [], [ID], instant(59_000)))).toEqual(['revoked']);
  });

  test('first seen missing long before its end, asked again after it: unproved all the same', () => {
    const id = leaseIssued().id!;
    const lost = after(
      active(),
      [80_000, { type: 'alarm' }],
      [80_010, { type: 'renewed', n: 1, results: [{ id, problem: DENIED, what: 'lost' }] }],
    );
    const stopped = after(lost, [130_000, stopRequested], [130_000, { type: 'erased' }]);
    const { next } = decide(stopped, checked([], [id]), at(130_001));
    expect(next.generations[0]!.leases[0]).toMatchObject({ proof: 'unproved', endedAt: instant(130_001) });
  });

  test('a parent that still lives excuses nothing', () => {
    expect(proofs(receiptOf(active(), 60_000, [], [ID], instant(90_000)))).toEqual(['unproved']);
  });

  test('declared not revocable: expires, and says until when it lives', () => {
    const lease = leaseIssued({ ...without, ttl_ms: 50_000, ends_at: time(50_000), revocable: false });
    const [entry] = receiptOf(active(lease), 1000, [], []).leases;
    expect(entry).toMatchObject({ proof: 'expires', ended_at: null, ends_at: time(50_000) });
  });

  test('a lease whose id was never seen: unproved', () => {
    const lost = [{ secret: 'db', path: 'database/creds/report' }];
    const grant = after(holdingToken(), secretsRead([], UNREACHABLE, lost));
    const stopping = after(grant, { type: 'erased' });
    const { facts } = decide(stopping, { type: 'revoked', n: 1 }, at(30));
    expect(facts.at(-1)).toMatchObject({
      type: 'grant.closed',
      outcome: 'refused',
      receipt: { leases: [{ proof: 'unproved' }] },
    });
  });

  test('several leases, each with its own word', () => {
    const leases = [
      leaseIssued({ id: 'a/1' }),
      leaseIssued({ id: 'a/2' }),
      leaseIssued({ ...without, revocable: false }),
    ];
    expect(proofs(receiptOf(active(...leases), 500, ['a/1'], ['a/2']))).toEqual([
      'revoked',
      'unproved',
      'expires',
    ]);
  });

  test('a start that got no secret has an empty receipt and no exposure', () => {
    const grant = after(holdingToken(), secretsRead([], DENIED), { type: 'erased' });
    const { facts } = decide(grant, { type: 'revoked', n: 1 }, at(10));
    expect(facts.at(-1)).toMatchObject({ receipt: { leases: [], exposure_seconds: 0, outcome: 'refused' } });
  });

  test('the look-up before the revocation is made once, however often the revocation fails', () => {
    const once = after(
      stopped(active(), 10),
      [10, checked()],
      [20, { type: 'revocationFailed', n: 1, problem: UNREACHABLE }],
    );
    expect(once.generations[0]).toMatchObject({ checked: true, leases: [{ proof: null }] });
  });
});

describe('outcomes', () => {
  const outcome = (grant: Grant, ms: number) => decide(grant, { type: 'alarm' }, at(ms)).next.outcome;

  test('the deadline: expired', () => {
    expect(outcome(active(leaseIssued({ ttl_ms: 3_600_000 })), 615_000)).toBe('expired');
  });

  test('a lease that ends right before the deadline and cannot be renewed: expired, with the reason', () => {
    const lease = leaseIssued({ ttl_ms: 614_000, renewable: false });
    const { next, facts } = decide(active(lease), { type: 'alarm' }, at(613_500));
    expect(next.outcome).toBe('expired');
    expect(facts[0]).toMatchObject({
      type: 'grant.stopping',
      detail: expect.stringContaining('cannot be renewed'),
    });
  });

  test('a bound process that is gone: lost', () => {
    expect(decide(active(), { type: 'stopRequested', reason: 'lost' }, at(5)).next.outcome).toBe('lost');
  });

  test('a start that fails: refused, with the problem that the caller is answered', () => {
    const { next } = decide(holdingToken(), secretsRead([], DENIED), at(5));
    expect(next).toMatchObject({ outcome: 'refused', wasActive: false, refusal: { code: 'VAULT_DENIED' } });
  });

  test('only an active task spends its id', () => {
    expect(publishing().wasActive).toBe(false);
    expect(after(publishing(), published).wasActive).toBe(true);
  });
});
