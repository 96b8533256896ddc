// Owns what is decided about secrets without a lease: certificates that go by their serial, passwords that Vault
// rotates, and what nobody can revoke.

import { describe, expect, test } from 'vitest';
import { askOf, timed } from '../../../src/domain/ask.ts';
import { certificateId, certificateMount, certificateOf } from '../../../src/domain/certificate.ts';
import { prove, settle } from '../../../src/domain/generation.ts';
import { deadAt, lastsUntil, renewAt, replaceAt } from '../../../src/domain/lease.ts';
import { gone } from '../../../src/domain/retire.ts';
import { activeAs, after, checked, instant, lease, leaseIssued, stopRequested, time } from './samples.ts';

const DEADLINE = instant(600_000);

describe('a certificate without a lease', () => {
  test.each([
    ['pki/issue/app', 'pki'],
    ['team/pki/sign/app', 'team/pki'],
    ['pki/issuer/one/issue/app', 'pki'],
    ['pki/sign-verbatim', 'pki'],
    ['database/creds/app', null],
  ])('of %s is of mount %s', (path, mount) => {
    expect(certificateMount(path)).toBe(mount);
  });

  test('is told from every lease by its id', () => {
    const certificate = { mount: 'pki', serial: '3d:2c' };
    expect(certificateOf(certificateId(certificate))).toEqual(certificate);
    expect(certificateOf('pki/issue/app/abc')).toBeNull();
  });

  test('is unproved when its mount does not know it, also after its token came to its end', () => {
    const id = 'pki#3d:2c';
    const grant = activeAs({}, leaseIssued({ id, renewable: false, ttl_ms: 86_400_000 }));
    const { tokenEndsAt } = grant.generations[0]!;
    expect(gone(grant, 1, [id], instant(0), tokenEndsAt! + 60_000)).toEqual([{ id, proof: 'unproved' }]);
    const leased = activeAs({}, leaseIssued({ ttl_ms: 86_400_000 }));
    expect(gone(leased, 1, ['database/creds/report/abc'], null, tokenEndsAt! + 60_000)).toMatchObject([
      { proof: 'revoked' },
    ]);
  });
});

describe('a certificate that was there at the stop, and that its mount knows no more when it is to be revoked', () => {
  const id = 'pki#3d:2c';
  const proofAt = (ms: number) => {
    const grant = activeAs(
      {},
      leaseIssued({ id, renewable: false, ttl_ms: 300_000, ends_at: time(300_000) }),
    );
    const stopping = after(
      grant,
      [1000, stopRequested],
      [1000, { type: 'erased' }],
      [1000, checked([id], [])],
      [ms, { type: 'revoked', n: 1, missing: [id] }],
    );
    expect(stopping.state).toBe('closed');
    return stopping.generations[0]!.leases[0]!.proof;
  };

  test('is unproved: Vault was restored from before it, and who trusts it does not know', () => {
    expect(proofAt(20_000)).toBe('unproved');
  });

  test('is over when its own end has come meanwhile', () => {
    expect(proofAt(301_000)).toBe('revoked');
  });
});

describe('a password that Vault rotates', () => {
  const followed = lease({ id: null, renewable: false, revocable: false, follows: true });

  test('is replaced a second after its rotation, not before', () => {
    expect(replaceAt(followed, DEADLINE, 30_000)).toBe(instant(121_000));
    expect(replaceAt({ ...followed, follows: false }, DEADLINE, 30_000)).toBeLessThan(instant(120_000));
  });

  test('is neither renewed, nor taken for dead, nor the end of its task', () => {
    expect(renewAt(followed, DEADLINE)).toBeNull();
    expect(deadAt(followed, DEADLINE)).toBeNull();
    expect(lastsUntil(followed, instant(120_500))).toBeNull();
  });

  test('that is rotated after the task is left alone', () => {
    expect(replaceAt(followed, instant(100_000), 0)).toBeNull();
  });
});

test('what cannot be revoked is never called so, whatever became of its lease', () => {
  const grant = activeAs({}, leaseIssued({ revocable: false }));
  const [proved] = prove(
    grant.generations[0]!,
    [{ id: 'database/creds/report/abc', proof: 'revoked' }],
    instant(5),
  );
  expect(proved).toMatchObject({ proof: 'expires', endedAt: null });
  expect(settle(lease({ id: null, revocable: false }), instant(5))).toMatchObject({ proof: 'expires' });
});

describe('a request', () => {
  const rule = { name: 'a', path: 'a/b', files: [] };

  test('has the time left in the body when it is a write, and in the query when it is a read', () => {
    const write = askOf({ ...rule, method: 'write', body: { x: 1 }, ttlField: 'ttl' }, new Map());
    expect(timed(write, 61_000)).toMatchObject({ body: { x: 1, ttl: '61s' } });
    expect(timed(write, 61_000).query).toBeUndefined();
    const read = askOf({ ...rule, method: 'read', ttlField: 'ttl' }, new Map());
    expect(timed(read, 61_000)).toMatchObject({ query: { ttl: '61s' } });
    expect(timed(read, 61_000).body).toBeUndefined();
  });

  test('has the pinned version in the query', () => {
    const pinned = askOf({ ...rule, method: 'read', version: 3 }, new Map());
    expect(timed(pinned, 1000).query).toEqual({ version: '3' });
  });
});
