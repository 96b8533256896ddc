// Owns the promises of the Vault port about secrets and leases: what issue, renewal, look-up and revocation
// mean, down to the login in the database.

import { describe, expect, test } from 'vitest';
import { CERT, DB, KV, onVault } from './vault-bench.ts';

onVault((bench) => {
  describe('secrets', () => {
    test('database credentials: a renewable lease under the path that was read', async () => {
      const logins = await bench.subject.databaseLogins();
      const issued = await bench.subject.vault.readSecret((await bench.task()).token, DB);
      expect(issued.leaseId).toMatch(/^database\/creds\/report\/./);
      expect(issued).toMatchObject({ renewable: true, ttlMs: 3_600_000 });
      expect(Object.keys(issued.data).toSorted()).toEqual(['password', 'username']);
      expect(await bench.subject.databaseLogins()).toBe(logins + 1);
    });

    test('two reads are two secrets', async () => {
      const token = await bench.task();
      expect(await bench.leased(token)).not.toBe(await bench.leased(token));
    });

    test('a certificate, by a write: a lease that cannot be renewed', async () => {
      const { vault } = bench.subject;
      const issued = await vault.readSecret((await bench.task()).token, CERT);
      expect(issued.leaseId).toMatch(/^pki\/issue\/app\/./);
      expect(issued.renewable).toBe(false);
      expect(issued.data).toHaveProperty('private_key');
      await expect(vault.renewLease(bench.session.token, issued.leaseId!, 60)).rejects.toMatchObject({
        kind: 'refused',
        missing: false,
      });
      await vault.revokeLease(bench.session.token, issued.leaseId!);
      expect(await bench.known(issued.leaseId!)).toBe(false);
    });

    test('a stored secret has its fields, and neither lease nor TTL', async () => {
      const issued = await bench.subject.vault.readSecret((await bench.task()).token, KV);
      expect(issued).toEqual({
        leaseId: null,
        ttlMs: null,
        renewable: false,
        data: { API_URL: 'https://prod.app.internal', API_KEY: 'sample-prod' },
      });
    });
  });

  describe('leases', () => {
    test('one that Vault never had is not known', async () => {
      expect(await bench.known('database/creds/report/no-such-lease')).toBe(false);
    });

    test('a renewal gives what was asked, also when that is less than was left', async () => {
      const leaseId = await bench.leased();
      const { vault } = bench.subject;
      expect(await vault.renewLease(bench.session.token, leaseId, 30)).toEqual({
        ttlMs: 30_000,
        renewable: true,
      });
      expect(await vault.renewLease(bench.session.token, leaseId, 600)).toEqual({
        ttlMs: 600_000,
        renewable: true,
      });
    });

    test("a renewal past the engine's max is granted less than asked", async () => {
      const leaseId = await bench.leased();
      const { ttlMs } = await bench.subject.vault.renewLease(bench.session.token, leaseId, 10 * 86_400);
      expect(ttlMs).toBeGreaterThan(3_600_000);
      expect(ttlMs).toBeLessThanOrEqual(86_400_000);
    });

    test('a shortened lease ends by itself', async () => {
      const leaseId = await bench.leased();
      await bench.subject.vault.renewLease(bench.session.token, leaseId, 1);
      await bench.subject.pass(1200);
      await bench.eventually('the lease ended', async () => !(await bench.known(leaseId)));
    });

    test('renewing what is gone fails with `missing`', async () => {
      const leaseId = await bench.leased();
      await bench.subject.vault.revokeLease(bench.session.token, leaseId);
      const missing = { kind: 'refused', missing: true, problem: { code: 'VAULT_DENIED' } };
      await expect(bench.subject.vault.renewLease(bench.session.token, leaseId, 60)).rejects.toMatchObject(
        missing,
      );
      await expect(
        bench.subject.vault.renewLease(bench.session.token, 'database/creds/report/none', 60),
      ).rejects.toMatchObject(missing);
    });

    test('revoked means done: known before, then gone at Vault and in the database', async () => {
      const leaseId = await bench.leased();
      const logins = await bench.subject.databaseLogins();
      expect(await bench.known(leaseId)).toBe(true);
      await bench.subject.vault.revokeLease(bench.session.token, leaseId);
      expect(await bench.known(leaseId)).toBe(false);
      expect(await bench.subject.databaseLogins()).toBe(logins - 1);
    });

    test('revoking twice, or what never was, is fine', async () => {
      const leaseId = await bench.leased();
      await bench.subject.vault.revokeLease(bench.session.token, leaseId);
      await bench.subject.vault.revokeLease(bench.session.token, leaseId);
      await bench.subject.vault.revokeLease(bench.session.token, 'database/creds/report/no-such-lease');
    });

    test('revoking one leaves its token and the others', async () => {
      const token = await bench.task();
      const [first, second] = [await bench.leased(token), await bench.leased(token)];
      await bench.subject.vault.revokeLease(bench.session.token, first);
      expect(await bench.known(second)).toBe(true);
      expect(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)).toBe(true);
    });

    test('all of a task at once', async () => {
      const token = await bench.task();
      const ids = await Promise.all(Array.from({ length: 5 }, () => bench.leased(token)));
      await Promise.all(ids.map((id) => bench.subject.vault.revokeLease(bench.session.token, id)));
      expect(await Promise.all(ids.map(bench.known))).toEqual([false, false, false, false, false]);
    });
  });
});
