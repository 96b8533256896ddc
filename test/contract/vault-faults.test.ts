// Owns the promises of the Vault port about failure: what was not done, what may have been done, what is to be
// asked again; nothing that fails is ever taken for a proof.

import { describe, expect, test } from 'vitest';
import { DB, nobody, onVault, request } from './vault-bench.ts';

onVault((bench) => {
  describe('the database is down', () => {
    test('a revocation fails, the lease stays known, and once it is back the same call succeeds', async () => {
      const { vault } = bench.subject;
      const leaseId = await bench.leased();
      const logins = await bench.subject.databaseLogins();
      await bench.subject.databaseDown();
      try {
        await expect(vault.revokeLease(bench.session.token, leaseId)).rejects.toMatchObject({
          kind: 'refused',
          missing: false,
          problem: { code: 'VAULT_DENIED' },
        });
        expect(await bench.known(leaseId)).toBe(true);
        await expect(vault.readSecret((await bench.task()).token, DB)).rejects.toMatchObject({
          kind: 'unknown',
        });
      } finally {
        await bench.subject.databaseUp();
      }
      await vault.revokeLease(bench.session.token, leaseId);
      expect(await bench.known(leaseId)).toBe(false);
      expect(await bench.subject.databaseLogins()).toBe(logins - 1);
    });
  });

  describe('the database is down for longer than a lease', () => {
    test('the lease stays known, is not renewed any more, and once it is back a revocation ends it', async () => {
      const { vault } = bench.subject;
      const token = await bench.task();
      const leaseId = await bench.leased(token);
      const logins = await bench.subject.databaseLogins();
      await vault.renewLease(bench.session.token, leaseId, 1);
      await bench.subject.databaseDown();
      try {
        await bench.subject.pass(2500);
        expect(await bench.known(leaseId)).toBe(true);
        await expect(vault.renewLease(bench.session.token, leaseId, 60)).rejects.toMatchObject({
          kind: 'refused',
          missing: false,
        });
        // Its token goes all the same, and takes nothing along that the engine cannot take back.
        await vault.revokeToken(bench.session.token, token.accessor);
        expect(await vault.lookupToken(bench.session.token, token.accessor)).toBe(false);
        expect(await bench.known(leaseId)).toBe(true);
      } finally {
        await bench.subject.databaseUp();
      }
      await vault.revokeLease(bench.session.token, leaseId);
      expect(await bench.known(leaseId)).toBe(false);
      expect(await bench.subject.databaseLogins()).toBe(logins - 1);
    });
  });

  describe('replies that get lost', () => {
    const unknown = { kind: 'unknown', problem: { code: 'VAULT_UNREACHABLE' } };
    const losing = async <T>(run: () => Promise<T>): Promise<T> => {
      bench.subject.loseReplies(true);
      try {
        return await run();
      } finally {
        bench.subject.loseReplies(false);
      }
    };

    test('a token: unknown', async () => {
      await expect(losing(() => bench.task())).rejects.toMatchObject(unknown);
    });

    test('a secret: unknown; revoking its token ends the lease that nobody saw', async () => {
      const token = await bench.task();
      const logins = await bench.subject.databaseLogins();
      await expect(losing(() => bench.subject.vault.readSecret(token.token, DB))).rejects.toMatchObject(
        unknown,
      );
      expect(await bench.subject.databaseLogins()).toBe(logins + 1);
      await bench.subject.vault.revokeToken(bench.session.token, token.accessor);
      await bench.eventually(
        'the login is gone',
        async () => (await bench.subject.databaseLogins()) === logins,
      );
    });

    test('a revocation: unknown, though it was done; asking again is fine', async () => {
      const leaseId = await bench.leased();
      await expect(
        losing(() => bench.subject.vault.revokeLease(bench.session.token, leaseId)),
      ).rejects.toMatchObject(unknown);
      expect(await bench.known(leaseId)).toBe(false);
      await bench.subject.vault.revokeLease(bench.session.token, leaseId);
    });

    test('a look-up: unknown, and never taken for "not there"', async () => {
      const leaseId = await bench.leased();
      await expect(losing(() => bench.known(leaseId))).rejects.toMatchObject(unknown);
      expect(await bench.known(leaseId)).toBe(true);
    });
  });

  describe('Vault is not there', () => {
    test('nobody listens: not done, for every request', async () => {
      const { unreachable } = bench.subject;
      const notDone = { kind: 'notDone', problem: { code: 'VAULT_UNREACHABLE', retryable: true } };
      await expect(unreachable.openSession()).rejects.toMatchObject(notDone);
      await expect(unreachable.createToken(nobody(), request())).rejects.toMatchObject(notDone);
      await expect(unreachable.readSecret(nobody(), DB)).rejects.toMatchObject(notDone);
      await expect(unreachable.lookupLease(nobody(), 'database/creds/report/x')).rejects.toMatchObject(
        notDone,
      );
      await expect(unreachable.revokeLease(nobody(), 'database/creds/report/x')).rejects.toMatchObject(
        notDone,
      );
      await expect(unreachable.revokeToken(nobody(), 'x')).rejects.toMatchObject(notDone);
      await expect(unreachable.renewSession(nobody())).rejects.toMatchObject(notDone);
    });

    test('sealed: not now, for every request; unsealed, all is as before', async () => {
      const { vault } = bench.subject;
      const token = await bench.task();
      const leaseId = await bench.leased(token);
      const later = { kind: 'later', missing: false, problem: { code: 'VAULT_SEALED', retryable: true } };
      await bench.subject.seal();
      try {
        await expect(vault.openSession()).rejects.toMatchObject(later);
        await expect(vault.createToken(bench.session.token, request())).rejects.toMatchObject(later);
        await expect(vault.readSecret(token.token, DB)).rejects.toMatchObject(later);
        await expect(vault.lookupLease(bench.session.token, leaseId)).rejects.toMatchObject(later);
        await expect(vault.renewLease(bench.session.token, leaseId, 60)).rejects.toMatchObject(later);
        await expect(vault.revokeLease(bench.session.token, leaseId)).rejects.toMatchObject(later);
        await expect(vault.revokeToken(bench.session.token, token.accessor)).rejects.toMatchObject(later);
        await expect(vault.lookupToken(bench.session.token, token.accessor)).rejects.toMatchObject(later);
      } finally {
        await bench.subject.unseal();
      }
      expect(await bench.known(leaseId)).toBe(true);
      await vault.revokeLease(bench.session.token, leaseId);
    });
  });
});
