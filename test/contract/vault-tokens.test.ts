// Owns the promises of the Vault port about tokens: the session under which everything hangs, and the token of
// one task, limited to its policies and its time.

import { describe, expect, test } from 'vitest';
import { CERT, customer, DB, KV, nobody, onVault, request } from './vault-bench.ts';
import { BRIEF_LEASH_MS, LEASH_MS } from './vault-subjects.ts';

onVault((bench) => {
  describe('the session', () => {
    test('is made with the leash as its TTL, and a renewal gives the whole leash again', async () => {
      expect(bench.session.ttlMs).toBe(LEASH_MS);
      expect(bench.session.accessor).toBeTruthy();
      expect(await bench.subject.vault.renewSession(bench.session.token)).toBe(LEASH_MS);
      expect(await bench.subject.vault.lookupToken(bench.session.token, bench.session.accessor)).toBe(true);
    });

    test('each is its own: closing one leaves the other', async () => {
      const other = await bench.subject.vault.openSession();
      expect(other.accessor).not.toBe(bench.session.accessor);
      await bench.subject.vault.closeSession(other.token);
      expect(await bench.subject.vault.lookupToken(bench.session.token, other.accessor)).toBe(false);
      expect(await bench.subject.vault.lookupToken(bench.session.token, bench.session.accessor)).toBe(true);
    });

    test('closed, it may do nothing more: refused', async () => {
      const other = await bench.subject.vault.openSession();
      await bench.subject.vault.closeSession(other.token);
      const denied = { kind: 'refused', problem: { code: 'VAULT_DENIED' } };
      await expect(bench.subject.vault.createToken(other.token, request())).rejects.toMatchObject(denied);
      await expect(bench.subject.vault.renewSession(other.token)).rejects.toMatchObject(denied);
    });

    test('unrenewed, it ends after the leash and takes task tokens and leases with it', async () => {
      const brief = await bench.subject.brief.openSession();
      expect(brief.ttlMs).toBe(BRIEF_LEASH_MS);
      const token = await bench.subject.brief.createToken(brief.token, request());
      const leaseId = await bench.leased(token);
      const logins = await bench.subject.databaseLogins();
      await bench.subject.pass(BRIEF_LEASH_MS + 200);
      await bench.eventually(
        'the session ended',
        async () => !(await bench.subject.vault.lookupToken(bench.session.token, brief.accessor)),
      );
      await bench.eventually(
        'the task token ended',
        async () => !(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)),
      );
      await bench.eventually('the lease ended', async () => !(await bench.known(leaseId)));
      await bench.eventually(
        'the login is gone',
        async () => (await bench.subject.databaseLogins()) === logins - 1,
      );
    });

    test('renewed in time, it lives on, and so does what hangs under it', async () => {
      const brief = await bench.subject.brief.openSession();
      const leaseId = await bench.leased(await bench.subject.brief.createToken(brief.token, request()));
      for (let i = 0; i < 4; i += 1) {
        await bench.subject.pass(BRIEF_LEASH_MS / 3);
        expect(await bench.subject.brief.renewSession(brief.token)).toBe(BRIEF_LEASH_MS);
      }
      expect(await bench.known(leaseId)).toBe(true);
      await bench.subject.brief.closeSession(brief.token);
    });

    test('closing it ends task tokens and leases', async () => {
      const other = await bench.subject.vault.openSession();
      const token = await bench.subject.vault.createToken(other.token, request());
      const leaseId = await bench.leased(token);
      await bench.subject.vault.closeSession(other.token);
      await bench.eventually(
        'the task token ended',
        async () => !(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)),
      );
      await bench.eventually('the lease ended', async () => !(await bench.known(leaseId)));
    });
  });

  describe('task tokens', () => {
    test('have the TTL that was asked for and are known by their accessor', async () => {
      const token = await bench.task({ ttlSeconds: 123 });
      expect(token.ttlMs).toBe(123_000);
      expect(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)).toBe(true);
    });

    test('read what their policies allow, and nothing beside it', async () => {
      const token = await bench.task({ policies: ['tasklease-report-read'] });
      expect((await bench.subject.vault.readSecret(token.token, DB)).leaseId).toBeTruthy();
      const denied = { kind: 'refused', missing: false, problem: { code: 'VAULT_DENIED' } };
      await expect(bench.subject.vault.readSecret(token.token, CERT)).rejects.toMatchObject(denied);
      await expect(bench.subject.vault.readSecret(token.token, KV)).rejects.toMatchObject(denied);
    });

    test('cannot do what the session does: renew themselves, make tokens, revoke others', async () => {
      const [token, other] = [await bench.task(), await bench.task()];
      const denied = { kind: 'refused', problem: { code: 'VAULT_DENIED' } };
      await expect(bench.subject.vault.renewSession(token.token)).rejects.toMatchObject(denied);
      await expect(bench.subject.vault.createToken(token.token, request())).rejects.toMatchObject(denied);
      await expect(bench.subject.vault.revokeToken(token.token, other.accessor)).rejects.toMatchObject(
        denied,
      );
      expect(await bench.subject.vault.lookupToken(bench.session.token, other.accessor)).toBe(true);
    });

    test('end at their TTL by themselves, with their leases', async () => {
      const token = await bench.task({ ttlSeconds: 2 });
      const leaseId = await bench.leased(token);
      await bench.subject.pass(2200);
      await bench.eventually(
        'the token ended',
        async () => !(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)),
      );
      await bench.eventually('the lease ended', async () => !(await bench.known(leaseId)));
      await expect(bench.subject.vault.readSecret(token.token, DB)).rejects.toMatchObject({
        kind: 'refused',
      });
    });

    test('a policy that the token role does not allow is refused', async () => {
      const attempt = bench.task({ policies: ['root'] });
      await expect(attempt).rejects.toMatchObject({ kind: 'refused', problem: { code: 'VAULT_DENIED' } });
    });

    const ofCustomer = (entityAlias?: string) =>
      bench.task({
        policies: ['tasklease-customer'],
        ...(entityAlias === undefined ? {} : { entityAlias }),
      });

    test('with an entity alias they come to what policies give that name, and to nothing of another', async () => {
      const [one, two] = await Promise.all([ofCustomer('c-1'), ofCustomer('c-2')]);
      const read = async (token: typeof one, of: string) =>
        (await bench.subject.vault.readSecret(token.token, customer(of))).data;
      expect(await read(one, 'c-1')).toMatchObject({ owner: 'c-1' });
      expect(await read(two, 'c-2')).toMatchObject({ owner: 'c-2' });
      const denied = { kind: 'refused', forbidden: true, problem: { code: 'VAULT_DENIED' } };
      await expect(read(one, 'c-2')).rejects.toMatchObject(denied);
      await expect(read(two, 'c-1')).rejects.toMatchObject(denied);
    });

    test('what their policies permit at a path can be asked by their accessor, and costs no secret', async () => {
      const { vault } = bench.subject;
      const session = await vault.openSession();
      const { accessor } = await bench.task({ policies: ['tasklease-report-read'] });
      expect(await vault.rightsOf(session.token, accessor, 'database/creds/report')).toContain('read');
      expect(await vault.rightsOf(session.token, accessor, 'pki/issue/app')).toEqual(['deny']);
      await vault.revokeToken(session.token, accessor);
      const gone = vault.rightsOf(session.token, accessor, 'database/creds/report');
      await expect(gone).rejects.toMatchObject({ missing: true });
    });

    test('without an alias they come to nothing that a policy gives by name', async () => {
      const { token } = await ofCustomer();
      await expect(bench.subject.vault.readSecret(token, customer('c-1'))).rejects.toMatchObject({
        kind: 'refused',
        forbidden: true,
      });
    });

    test('with an alias they end with the session and at their time, as any other', async () => {
      const session = await bench.subject.vault.openSession();
      const more = { policies: ['tasklease-customer'], entityAlias: 'c-1', ttlSeconds: 100 };
      const { accessor, ttlMs } = await bench.subject.vault.createToken(session.token, request(more));
      expect(ttlMs).toBe(100_000);
      await bench.subject.vault.closeSession(session.token);
      await bench.eventually(
        'the task token ended',
        async () => !(await bench.subject.vault.lookupToken(bench.session.token, accessor)),
      );
    });

    test('an alias that the token role does not allow is refused', async () => {
      await expect(ofCustomer('d-1')).rejects.toMatchObject({
        kind: 'refused',
        forbidden: false,
        problem: { code: 'VAULT_DENIED', message: expect.stringContaining('entity_alias') },
      });
    });

    test('revoked by accessor they are gone at once; again, or never there, is fine', async () => {
      const token = await bench.task();
      await bench.subject.vault.revokeToken(bench.session.token, token.accessor);
      expect(await bench.subject.vault.lookupToken(bench.session.token, token.accessor)).toBe(false);
      await bench.subject.vault.revokeToken(bench.session.token, token.accessor);
      await bench.subject.vault.revokeToken(bench.session.token, 'no-such-accessor');
      await expect(bench.subject.vault.readSecret(token.token, DB)).rejects.toMatchObject({
        kind: 'refused',
      });
    });

    test('a revoked token takes its leases with it', async () => {
      const token = await bench.task();
      const leaseId = await bench.leased(token);
      const logins = await bench.subject.databaseLogins();
      await bench.subject.vault.revokeToken(bench.session.token, token.accessor);
      await bench.eventually('the lease ended', async () => !(await bench.known(leaseId)));
      await bench.eventually(
        'the login is gone',
        async () => (await bench.subject.databaseLogins()) === logins - 1,
      );
    });

    test('a token that Vault does not know is refused', async () => {
      await expect(bench.subject.vault.readSecret(nobody(), DB)).rejects.toMatchObject({
        kind: 'refused',
        problem: { code: 'VAULT_DENIED' },
      });
    });
  });
});
