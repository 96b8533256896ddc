// Owns the promises of the Vault port. The same list is checked on the simulated Vault, which the simulation
// builds on, and on a real Vault with a real PostgreSQL: what differs there is a bug of the simulation.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../src/domain/secret.ts';
import type { Ask } from '../../src/domain/task-spec.ts';
import type { SessionToken, TaskToken, TokenRequest } from '../../src/ports/vault.ts';
import { BRIEF_LEASH_MS, LEASH_MS, realVault, simulatedVault, type VaultSubject } from './vault-subjects.ts';

const DB: Ask = { secret: 'db', method: 'read', path: 'database/creds/report', files: [] };
const CERT: Ask = {
  secret: 'tls',
  method: 'write',
  path: 'pki/issue/app',
  body: { common_name: 'a.app.internal' },
  files: [],
};
const KV: Ask = { secret: 'app', method: 'read', path: 'secret/data/app/prod', files: [] };
const ALL = ['tasklease-report-read', 'tasklease-deploy-cert', 'tasklease-app-config'];
const request = (overrides: Partial<TokenRequest> = {}): TokenRequest => ({
  policies: ALL,
  ttlSeconds: 600,
  displayName: 'tasklease-report-read',
  meta: { task: 'build-81' },
  ...overrides,
});
const nobody = () => new Secret(Buffer.from('hvs.nobody'));

describe.each([
  ['simulated', simulatedVault],
  ['real', realVault],
] as const)('Vault, %s', (_name, open) => {
  let subject: VaultSubject;
  let session: SessionToken;
  beforeAll(async () => {
    subject = await open();
    session = await subject.vault.openSession();
  });
  afterAll(async () => {
    await subject?.close();
  });

  const task = (overrides: Partial<TokenRequest> = {}): Promise<TaskToken> =>
    subject.vault.createToken(session.token, request(overrides));
  const leased = async (token?: TaskToken): Promise<string> => {
    const { leaseId } = await subject.vault.readSecret((token ?? (await task())).token, DB);
    return leaseId!;
  };
  const known = (leaseId: string) => subject.vault.lookupLease(session.token, leaseId);
  /** Waits for what Vault does in its own time. */
  const eventually = async (what: string, probe: () => Promise<boolean>, withinMs = 20_000) => {
    for (let waited = 0; waited <= withinMs; waited += 100) {
      if (await probe()) return;
      await subject.pass(100);
    }
    throw new Error(`not within ${withinMs} ms: ${what}`);
  };

  describe('the session', () => {
    test('is made with the leash as its TTL, and a renewal gives the whole leash again', async () => {
      expect(session.ttlMs).toBe(LEASH_MS);
      expect(session.accessor).toBeTruthy();
      expect(await subject.vault.renewSession(session.token)).toBe(LEASH_MS);
      expect(await subject.vault.lookupToken(session.token, session.accessor)).toBe(true);
    });

    test('each is its own: closing one leaves the other', async () => {
      const other = await subject.vault.openSession();
      expect(other.accessor).not.toBe(session.accessor);
      await subject.vault.closeSession(other.token);
      expect(await subject.vault.lookupToken(session.token, other.accessor)).toBe(false);
      expect(await subject.vault.lookupToken(session.token, session.accessor)).toBe(true);
    });

    test('closed, it may do nothing more: refused', async () => {
      const other = await subject.vault.openSession();
      await subject.vault.closeSession(other.token);
      const denied = { kind: 'refused', problem: { code: 'VAULT_DENIED' } };
      await expect(subject.vault.createToken(other.token, request())).rejects.toMatchObject(denied);
      await expect(subject.vault.renewSession(other.token)).rejects.toMatchObject(denied);
    });

    test('unrenewed, it ends after the leash and takes task tokens and leases with it', async () => {
      const brief = await subject.brief.openSession();
      expect(brief.ttlMs).toBe(BRIEF_LEASH_MS);
      const token = await subject.brief.createToken(brief.token, request());
      const leaseId = await leased(token);
      const logins = await subject.databaseLogins();
      await subject.pass(BRIEF_LEASH_MS + 200);
      await eventually(
        'the session ended',
        async () => !(await subject.vault.lookupToken(session.token, brief.accessor)),
      );
      await eventually(
        'the task token ended',
        async () => !(await subject.vault.lookupToken(session.token, token.accessor)),
      );
      await eventually('the lease ended', async () => !(await known(leaseId)));
      await eventually('the login is gone', async () => (await subject.databaseLogins()) === logins - 1);
    });

    test('renewed in time, it lives on, and so does what hangs under it', async () => {
      const brief = await subject.brief.openSession();
      const leaseId = await leased(await subject.brief.createToken(brief.token, request()));
      for (let i = 0; i < 4; i += 1) {
        await subject.pass(BRIEF_LEASH_MS / 3);
        expect(await subject.brief.renewSession(brief.token)).toBe(BRIEF_LEASH_MS);
      }
      expect(await known(leaseId)).toBe(true);
      await subject.brief.closeSession(brief.token);
    });

    test('closing it ends task tokens and leases', async () => {
      const other = await subject.vault.openSession();
      const token = await subject.vault.createToken(other.token, request());
      const leaseId = await leased(token);
      await subject.vault.closeSession(other.token);
      await eventually(
        'the task token ended',
        async () => !(await subject.vault.lookupToken(session.token, token.accessor)),
      );
      await eventually('the lease ended', async () => !(await known(leaseId)));
    });
  });

  describe('task tokens', () => {
    test('have the TTL that was asked for and are known by their accessor', async () => {
      const token = await task({ ttlSeconds: 123 });
      expect(token.ttlMs).toBe(123_000);
      expect(await subject.vault.lookupToken(session.token, token.accessor)).toBe(true);
    });

    test('read what their policies allow, and nothing beside it', async () => {
      const token = await task({ policies: ['tasklease-report-read'] });
      expect((await subject.vault.readSecret(token.token, DB)).leaseId).toBeTruthy();
      const denied = { kind: 'refused', missing: false, problem: { code: 'VAULT_DENIED' } };
      await expect(subject.vault.readSecret(token.token, CERT)).rejects.toMatchObject(denied);
      await expect(subject.vault.readSecret(token.token, KV)).rejects.toMatchObject(denied);
    });

    test('cannot do what the session does: renew themselves, make tokens, revoke others', async () => {
      const [token, other] = [await task(), await task()];
      const denied = { kind: 'refused', problem: { code: 'VAULT_DENIED' } };
      await expect(subject.vault.renewSession(token.token)).rejects.toMatchObject(denied);
      await expect(subject.vault.createToken(token.token, request())).rejects.toMatchObject(denied);
      await expect(subject.vault.revokeToken(token.token, other.accessor)).rejects.toMatchObject(denied);
      expect(await subject.vault.lookupToken(session.token, other.accessor)).toBe(true);
    });

    test('end at their TTL by themselves, with their leases', async () => {
      const token = await task({ ttlSeconds: 2 });
      const leaseId = await leased(token);
      await subject.pass(2200);
      await eventually(
        'the token ended',
        async () => !(await subject.vault.lookupToken(session.token, token.accessor)),
      );
      await eventually('the lease ended', async () => !(await known(leaseId)));
      await expect(subject.vault.readSecret(token.token, DB)).rejects.toMatchObject({ kind: 'refused' });
    });

    test('a policy that the token role does not allow is refused', async () => {
      const attempt = task({ policies: ['root'] });
      await expect(attempt).rejects.toMatchObject({ kind: 'refused', problem: { code: 'VAULT_DENIED' } });
    });

    test('revoked by accessor they are gone at once; again, or never there, is fine', async () => {
      const token = await task();
      await subject.vault.revokeToken(session.token, token.accessor);
      expect(await subject.vault.lookupToken(session.token, token.accessor)).toBe(false);
      await subject.vault.revokeToken(session.token, token.accessor);
      await subject.vault.revokeToken(session.token, 'no-such-accessor');
      await expect(subject.vault.readSecret(token.token, DB)).rejects.toMatchObject({ kind: 'refused' });
    });

    test('a revoked token takes its leases with it', async () => {
      const token = await task();
      const leaseId = await leased(token);
      const logins = await subject.databaseLogins();
      await subject.vault.revokeToken(session.token, token.accessor);
      await eventually('the lease ended', async () => !(await known(leaseId)));
      await eventually('the login is gone', async () => (await subject.databaseLogins()) === logins - 1);
    });

    test('a token that Vault does not know is refused', async () => {
      await expect(subject.vault.readSecret(nobody(), DB)).rejects.toMatchObject({
        kind: 'refused',
        problem: { code: 'VAULT_DENIED' },
      });
    });
  });

  describe('secrets', () => {
    test('database credentials: a renewable lease under the path that was read', async () => {
      const logins = await subject.databaseLogins();
      const issued = await subject.vault.readSecret((await task()).token, DB);
      expect(issued.leaseId).toMatch(/^database\/creds\/report\/./);
      expect(issued).toMatchObject({ renewable: true, ttlMs: 3_600_000 });
      expect(Object.keys(issued.data).toSorted()).toEqual(['password', 'username']);
      expect(await subject.databaseLogins()).toBe(logins + 1);
    });

    test('two reads are two secrets', async () => {
      const token = await task();
      expect(await leased(token)).not.toBe(await leased(token));
    });

    test('a certificate, by a write: a lease that cannot be renewed', async () => {
      const { vault } = subject;
      const issued = await vault.readSecret((await task()).token, CERT);
      expect(issued.leaseId).toMatch(/^pki\/issue\/app\/./);
      expect(issued.renewable).toBe(false);
      expect(issued.data).toHaveProperty('private_key');
      await expect(vault.renewLease(session.token, issued.leaseId!, 60)).rejects.toMatchObject({
        kind: 'refused',
        missing: false,
      });
      await vault.revokeLease(session.token, issued.leaseId!);
      expect(await known(issued.leaseId!)).toBe(false);
    });

    test('a stored secret has its fields, and neither lease nor TTL', async () => {
      const issued = await subject.vault.readSecret((await task()).token, KV);
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
      expect(await known('database/creds/report/no-such-lease')).toBe(false);
    });

    test('a renewal gives what was asked, also when that is less than was left', async () => {
      const leaseId = await leased();
      const { vault } = subject;
      expect(await vault.renewLease(session.token, leaseId, 30)).toEqual({ ttlMs: 30_000, renewable: true });
      expect(await vault.renewLease(session.token, leaseId, 600)).toEqual({
        ttlMs: 600_000,
        renewable: true,
      });
    });

    test("a renewal past the engine's max is granted less than asked", async () => {
      const leaseId = await leased();
      const { ttlMs } = await subject.vault.renewLease(session.token, leaseId, 10 * 86_400);
      expect(ttlMs).toBeGreaterThan(3_600_000);
      expect(ttlMs).toBeLessThanOrEqual(86_400_000);
    });

    test('a shortened lease ends by itself', async () => {
      const leaseId = await leased();
      await subject.vault.renewLease(session.token, leaseId, 1);
      await subject.pass(1200);
      await eventually('the lease ended', async () => !(await known(leaseId)));
    });

    test('renewing what is gone fails with `missing`', async () => {
      const leaseId = await leased();
      await subject.vault.revokeLease(session.token, leaseId);
      const missing = { kind: 'refused', missing: true, problem: { code: 'VAULT_DENIED' } };
      await expect(subject.vault.renewLease(session.token, leaseId, 60)).rejects.toMatchObject(missing);
      await expect(
        subject.vault.renewLease(session.token, 'database/creds/report/none', 60),
      ).rejects.toMatchObject(missing);
    });

    test('revoked means done: known before, then gone at Vault and in the database', async () => {
      const leaseId = await leased();
      const logins = await subject.databaseLogins();
      expect(await known(leaseId)).toBe(true);
      await subject.vault.revokeLease(session.token, leaseId);
      expect(await known(leaseId)).toBe(false);
      expect(await subject.databaseLogins()).toBe(logins - 1);
    });

    test('revoking twice, or what never was, is fine', async () => {
      const leaseId = await leased();
      await subject.vault.revokeLease(session.token, leaseId);
      await subject.vault.revokeLease(session.token, leaseId);
      await subject.vault.revokeLease(session.token, 'database/creds/report/no-such-lease');
    });

    test('revoking one leaves its token and the others', async () => {
      const token = await task();
      const [first, second] = [await leased(token), await leased(token)];
      await subject.vault.revokeLease(session.token, first);
      expect(await known(second)).toBe(true);
      expect(await subject.vault.lookupToken(session.token, token.accessor)).toBe(true);
    });

    test('all of a task at once', async () => {
      const token = await task();
      const ids = await Promise.all(Array.from({ length: 5 }, () => leased(token)));
      await Promise.all(ids.map((id) => subject.vault.revokeLease(session.token, id)));
      expect(await Promise.all(ids.map(known))).toEqual([false, false, false, false, false]);
    });
  });

  describe('the database is down', () => {
    test('a revocation fails, the lease stays known, and once it is back the same call succeeds', async () => {
      const { vault } = subject;
      const leaseId = await leased();
      const logins = await subject.databaseLogins();
      await subject.databaseDown();
      try {
        await expect(vault.revokeLease(session.token, leaseId)).rejects.toMatchObject({
          kind: 'refused',
          missing: false,
          problem: { code: 'VAULT_DENIED' },
        });
        expect(await known(leaseId)).toBe(true);
        await expect(vault.readSecret((await task()).token, DB)).rejects.toMatchObject({ kind: 'unknown' });
      } finally {
        await subject.databaseUp();
      }
      await vault.revokeLease(session.token, leaseId);
      expect(await known(leaseId)).toBe(false);
      expect(await subject.databaseLogins()).toBe(logins - 1);
    });
  });

  describe('replies that get lost', () => {
    const unknown = { kind: 'unknown', problem: { code: 'VAULT_UNREACHABLE' } };
    const losing = async <T>(run: () => Promise<T>): Promise<T> => {
      subject.loseReplies(true);
      try {
        return await run();
      } finally {
        subject.loseReplies(false);
      }
    };

    test('a token: unknown', async () => {
      await expect(losing(() => task())).rejects.toMatchObject(unknown);
    });

    test('a secret: unknown; revoking its token ends the lease that nobody saw', async () => {
      const token = await task();
      const logins = await subject.databaseLogins();
      await expect(losing(() => subject.vault.readSecret(token.token, DB))).rejects.toMatchObject(unknown);
      expect(await subject.databaseLogins()).toBe(logins + 1);
      await subject.vault.revokeToken(session.token, token.accessor);
      await eventually('the login is gone', async () => (await subject.databaseLogins()) === logins);
    });

    test('a revocation: unknown, though it was done; asking again is fine', async () => {
      const leaseId = await leased();
      await expect(losing(() => subject.vault.revokeLease(session.token, leaseId))).rejects.toMatchObject(
        unknown,
      );
      expect(await known(leaseId)).toBe(false);
      await subject.vault.revokeLease(session.token, leaseId);
    });

    test('a look-up: unknown, and never taken for "not there"', async () => {
      const leaseId = await leased();
      await expect(losing(() => known(leaseId))).rejects.toMatchObject(unknown);
      expect(await known(leaseId)).toBe(true);
    });
  });

  describe('Vault is not there', () => {
    test('nobody listens: not done, for every request', async () => {
      const { unreachable } = subject;
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
      const { vault } = subject;
      const token = await task();
      const leaseId = await leased(token);
      const later = { kind: 'later', missing: false, problem: { code: 'VAULT_SEALED', retryable: true } };
      await subject.seal();
      try {
        await expect(vault.openSession()).rejects.toMatchObject(later);
        await expect(vault.createToken(session.token, request())).rejects.toMatchObject(later);
        await expect(vault.readSecret(token.token, DB)).rejects.toMatchObject(later);
        await expect(vault.lookupLease(session.token, leaseId)).rejects.toMatchObject(later);
        await expect(vault.renewLease(session.token, leaseId, 60)).rejects.toMatchObject(later);
        await expect(vault.revokeLease(session.token, leaseId)).rejects.toMatchObject(later);
        await expect(vault.revokeToken(session.token, token.accessor)).rejects.toMatchObject(later);
        await expect(vault.lookupToken(session.token, token.accessor)).rejects.toMatchObject(later);
      } finally {
        await subject.unseal();
      }
      expect(await known(leaseId)).toBe(true);
      await vault.revokeLease(session.token, leaseId);
    });
  });
});
