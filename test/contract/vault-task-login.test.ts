// Owns the promises of the Vault port about assertions: the note that one was presented, and the login with one. The
// simulated Vault takes any assertion that says who it is; what a real role checks is told on the real one alone.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectVault } from '../../src/adapters/vault/vault-client.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { TaskLoginRequest } from '../../src/ports/vault.ts';
import { AUDIENCE, assertionOf, pem, signingKey } from '../harness/issuer.ts';
import { createWorld, type World } from '../harness/world.ts';
import { DB, nobody, onVault } from './vault-bench.ts';

onVault((bench) => {
  describe('the note that an assertion was presented', () => {
    const record = { task: 'build-81', digest: 'd1', agent: 'agent-1' };
    const claim = (use: string, changes: Partial<typeof record> = {}) =>
      bench.subject.vault.claimUse(bench.session.token, use, { ...record, ...changes });

    test('is ours the first time, and for the very same start of the same agent again', async () => {
      expect(await claim('["ci","1"]')).toBe(true);
      expect(await claim('["ci","1"]')).toBe(true);
    });

    test('is not ours for another task, another body or another agent', async () => {
      await claim('["ci","2"]');
      for (const changes of [{ task: 'build-82' }, { digest: 'd2' }, { agent: 'agent-2' }]) {
        expect(await claim('["ci","2"]', changes)).toBe(false);
      }
      expect(await claim('["ci","2"]')).toBe(true);
    });

    test('of a hundred agents that race for it, it is one’s', async () => {
      const claims = Array.from({ length: 100 }, (_, n) => claim('["ci","3"]', { agent: `agent-${n}` }));
      expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
    });

    test('a token that may not write it is refused', async () => {
      await expect(bench.subject.vault.claimUse(nobody(), '["ci","4"]', record)).rejects.toMatchObject({
        kind: 'refused',
      });
    });
  });

  test('the token of a stranger is not renewed: lost', async () => {
    await expect(bench.subject.vault.renewToken(bench.session.token, 'nobody', 60)).rejects.toMatchObject({
      missing: true,
    });
  });
});

describe('a login with a task’s assertion, on a real Vault', () => {
  const key = signingKey('ES256');
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ start: false });
    await world.vault.request('POST', 'sys/auth/jwt', { type: 'jwt' });
    await world.vault.request('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem(key)] });
    await role('good');
  });
  afterAll(() => world?.close());

  const role = (name: string, changes: Record<string, unknown> = {}) =>
    world.vault.request('POST', `auth/jwt/role/${name}`, {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: [AUDIENCE],
      claim_mappings: { repository: 'repo' },
      token_type: 'service',
      token_policies: ['tasklease-report-read'],
      token_no_default_policy: true,
      token_ttl: '60s',
      ...changes,
    });
  const connect = async () => {
    const { readFileSync } = await import('node:fs');
    const roleIdFile = world.paths.roleId;
    expect(readFileSync(roleIdFile, 'utf8')).not.toBe('');
    return connectVault({
      address: world.vault.address,
      auth: {
        method: 'approle',
        mount: 'approle',
        roleIdFile,
        secretIdFile: world.paths.secretId,
        secretIdWrapped: false,
      },
      sessionRole: 'tasklease-session',
      tokenRole: 'tasklease',
      leashMs: 300_000,
      timeoutMs: 10_000,
    });
  };
  const request = (changes: Partial<TaskLoginRequest> = {}): TaskLoginRequest => ({
    mount: 'jwt',
    role: 'good',
    assertion: new Secret(Buffer.from(assertionOf(key))),
    policies: [],
    longestMs: 300_000,
    ...changes,
  });

  test('gives a token that reads, is renewed and cut by the session, and is gone when revoked', async () => {
    const vault = await connect();
    const session = await vault.openSession();
    const token = await vault.login(request());
    expect(token).toMatchObject({
      ttlMs: 60_000,
      fault: null,
      metadata: { role: 'good', repo: 'acme/shop' },
    });
    expect((await vault.readSecret(token.token, DB)).leaseId).toMatch(/^database/);
    expect(await vault.renewToken(session.token, token.accessor, 60)).toEqual({
      ttlMs: 60_000,
      renewable: true,
    });
    expect((await vault.renewToken(session.token, token.accessor, 20)).ttlMs).toBe(20_000);
    expect(await vault.lookupToken(session.token, token.accessor)).toBe(true);
    await vault.revokeToken(session.token, token.accessor);
    expect(await vault.lookupToken(session.token, token.accessor)).toBe(false);
    await expect(vault.renewToken(session.token, token.accessor, 60)).rejects.toMatchObject({
      missing: true,
    });
    await vault.close();
  });

  test.each([
    ['adds the default policy', { token_no_default_policy: false }, {}],
    ['makes a token of 600s', { token_ttl: '600s' }, {}],
    ['makes a token of 2764800s', { token_ttl: 0 }, {}],
    ['gives the policies tasklease-report-read', {}, { policies: ['tasklease-other'] }],
  ])('tells the token of a role that %s, and why it must not be used', async (why, changes, asked) => {
    const vault = await connect();
    await role('odd', changes);
    const token = await vault.login(request({ role: 'odd', ...asked }));
    expect(token.fault).toMatchObject({ code: 'VAULT_CONTRACT', message: expect.stringContaining(why) });
    await vault.close();
  });

  test('is refused at a role that makes batch tokens, which nobody could end', async () => {
    const vault = await connect();
    await role('batch', { token_type: 'batch' });
    await expect(vault.login(request({ role: 'batch' }))).rejects.toMatchObject({
      problem: { code: 'VAULT_CONTRACT', message: expect.stringContaining('token_type=service') },
    });
    await vault.close();
  });

  test.each([
    ['another audience', () => assertionOf(key, { aud: 'vault' })],
    ['another key', () => assertionOf(signingKey('ES256'))],
    ['an end that has passed', () => assertionOf(key, { exp: 1_700_000_000, nbf: 1, iat: 1 })],
  ])('is refused for %s', async (_what, jwt) => {
    const vault = await connect();
    const login = vault.login(request({ assertion: new Secret(Buffer.from(jwt())) }));
    await expect(login).rejects.toMatchObject({
      kind: 'refused',
      problem: { code: 'VAULT_DENIED', hint: expect.stringContaining('bound_audiences') },
    });
    await vault.close();
  });
});
