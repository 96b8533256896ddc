// Owns what only a real Vault can show: each way the agent logs in, and that a session or task token which is
// not exactly what the contract says is refused and leaves nothing behind.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VaultFailure } from '../../src/ports/vault.ts';
import { signer, tokenReviews } from './signed-tokens.ts';
import { type RealVault, realVault } from './vault-subjects.ts';

let subject: RealVault;
beforeAll(async () => {
  subject = await realVault();
});
afterAll(async () => {
  await subject?.close();
});

const file = (name: string, content: string): string => {
  const path = join(subject.dir, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};
const approle = (secretIdFile: string, secretIdWrapped: boolean) => ({
  method: 'approle' as const,
  mount: 'approle',
  roleIdFile: file('role-id', `${subject.provisioned.roleId}\n`),
  secretIdFile,
  secretIdWrapped,
});
const accessors = async (): Promise<string[]> => {
  const { body } = await subject.server.request('LIST', 'auth/token/accessors');
  return body.data!.keys as string[];
};
const refusalOf = async (attempt: Promise<unknown>): Promise<VaultFailure> => {
  const error = await attempt.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof VaultFailure) return error;
  throw error;
};
const CONTRACT = { kind: 'refused', problem: { code: 'VAULT_CONTRACT' } };

describe('login', () => {
  test('with an AppRole; the login token is gone once the session exists', async () => {
    const before = await accessors();
    const vault = subject.connect({
      auth: approle(file('secret-id', await subject.provisioned.secretId()), false),
    });
    const session = await vault.openSession();
    const made = (await accessors()).filter((accessor) => !before.includes(accessor));
    expect(made).toEqual([session.accessor]);
    await vault.closeSession(session.token);
  });

  test('with a wrapped secret id: unwrapped once, its file deleted, later logins still work', async () => {
    const wrapped = file('wrapped', await subject.provisioned.wrappedSecretId());
    const vault = subject.connect({ auth: approle(wrapped, true) });
    const first = await vault.openSession();
    expect(existsSync(wrapped)).toBe(false);
    const second = await vault.openSession();
    expect(second.accessor).not.toBe(first.accessor);
    await vault.closeSession(first.token);
    await vault.closeSession(second.token);
  });

  test('a wrapping token that was used by somebody else is refused', async () => {
    const token = await subject.provisioned.wrappedSecretId();
    await subject.server.request('POST', 'sys/wrapping/unwrap', undefined, token);
    const failure = await refusalOf(
      subject.connect({ auth: approle(file('used', token), true) }).openSession(),
    );
    expect(failure).toMatchObject({
      kind: 'refused',
      problem: { code: 'VAULT_DENIED' },
      security: 'wrapping_token_used',
    });
    expect(failure.message).toMatch(/used already/);
    expect(failure.message).not.toContain(token);
  });

  test('a wrapping token with something else inside is refused', async () => {
    const reply = await subject.server.request(
      'POST',
      'sys/wrapping/wrap',
      { secret_id: 'planted' },
      undefined,
      {
        'x-vault-wrap-ttl': '5m',
      },
    );
    const planted = file('planted', reply.body.wrap_info!.token);
    const vault = subject.connect({ auth: approle(planted, true) });
    expect(await refusalOf(vault.openSession())).toMatchObject({
      ...CONTRACT,
      security: 'wrapping_token_replaced',
    });
  });

  test('with a signed token (jwt), read anew at each login; another signature or subject is refused, unshown', async () => {
    const { server } = subject;
    const ours = signer();
    await server.request('POST', 'sys/auth/jwt', { type: 'jwt' });
    await server.request('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [ours.publicKey] });
    await server.request('POST', 'auth/jwt/role/agent', {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['vault'],
      bound_subject: 'agent-1',
      token_policies: ['tasklease-login'],
      token_no_default_policy: true,
    });
    const claims = { sub: 'agent-1', aud: 'vault' };
    const tokenFile = file('jwt', signer().sign(claims));
    const vault = subject.connect({ auth: { method: 'jwt', mount: 'jwt', role: 'agent', tokenFile } });
    for (const bad of [signer().sign(claims), ours.sign({ ...claims, sub: 'agent-2' }), 'canary-4711']) {
      file('jwt', bad);
      const failure = await refusalOf(vault.openSession());
      expect(failure).toMatchObject({ kind: 'refused', problem: { code: 'VAULT_DENIED' } });
      expect(JSON.stringify([failure.message, failure.problem.body()])).not.toContain(bad);
    }
    const before = await accessors();
    file('jwt', `${ours.sign(claims)}\n`);
    const session = await vault.openSession();
    expect((await accessors()).filter((accessor) => !before.includes(accessor))).toEqual([session.accessor]);
    await vault.closeSession(session.token);
  });

  test('with a service account’s token (kubernetes), which Vault asks the API server about', async () => {
    const { server } = subject;
    const ours = signer();
    const claims = (name: string) => ({
      iss: 'https://kubernetes.default.svc',
      sub: `system:serviceaccount:jobs:${name}`,
      aud: ['vault'],
      'kubernetes.io': { namespace: 'jobs', serviceaccount: { name, uid: 'a1b2' } },
    });
    const good = ours.sign(claims('agent'));
    const reviews = await tokenReviews('system:serviceaccount:jobs:agent', new Set([good]));
    await server.request('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
    await server.request('POST', 'auth/kubernetes/config', {
      kubernetes_host: reviews.address,
      token_reviewer_jwt: 'reviewer',
      disable_local_ca_jwt: true,
    });
    await server.request('POST', 'auth/kubernetes/role/agent', {
      bound_service_account_names: ['agent'],
      bound_service_account_namespaces: ['jobs'],
      audience: 'vault',
      token_policies: ['tasklease-login'],
      token_no_default_policy: true,
    });
    const tokenFile = file('projected', ours.sign(claims('other')));
    const auth = { method: 'kubernetes', mount: 'kubernetes', role: 'agent', tokenFile } as const;
    const vault = subject.connect({ auth });
    expect(await refusalOf(vault.openSession())).toMatchObject({ kind: 'refused' });
    file('projected', ours.sign({ ...claims('agent'), jti: 'revoked' }));
    expect(await refusalOf(vault.openSession())).toMatchObject({ kind: 'refused' });
    file('projected', good);
    const session = await vault.openSession();
    await vault.closeSession(session.token);
    reviews.close();
  });

  test('a missing or empty credential file is named; so is a wrong one, without its content', async () => {
    const missing = { method: 'token_file', tokenFile: join(subject.dir, 'no-such-file') } as const;
    const empty = { method: 'token_file', tokenFile: file('empty', ' \n') } as const;
    const wrong = { method: 'token_file', tokenFile: file('wrong', 'hvs.canary-4711') } as const;
    expect((await refusalOf(subject.connect({ auth: missing }).openSession())).message).toContain(
      'no-such-file',
    );
    expect((await refusalOf(subject.connect({ auth: empty }).openSession())).message).toContain('empty');
    const failure = await refusalOf(subject.connect({ auth: wrong }).openSession());
    expect(failure).toMatchObject({ kind: 'refused', problem: { code: 'VAULT_DENIED' } });
    expect(JSON.stringify([failure.message, failure.problem.body()])).not.toContain('canary');
  });
});

describe('a session that is more than a session', () => {
  const secretPaths = () => ['pki/issue/app', 'database/creds/report'];
  const role = (name: string, policies: readonly string[]) =>
    subject.server.request('POST', `auth/token/roles/${name}`, {
      orphan: true,
      renewable: true,
      token_type: 'service',
      token_no_default_policy: true,
      allowed_policies: policies,
      token_period: '5m',
    });
  const rootFile = () => file('root-token', subject.server.rootToken);
  const mighty = (sessionRole: string, options: Partial<Parameters<typeof subject.connect>[0]> = {}) =>
    subject.connect({ auth: { method: 'token_file', tokenFile: rootFile() }, sessionRole, ...options });

  test.each<[string, string[], RegExp]>([
    ['root', ['root'], /is root/],
    [
      'one that may read the secret of a profile',
      ['tasklease-session', 'tasklease-report-read'],
      /may read database\/creds\/report by itself/,
    ],
    [
      'one that may write where a profile writes',
      ['tasklease-session', 'tasklease-deploy-cert'],
      /may update pki\/issue\/app by itself/,
    ],
  ])('%s: refused, revoked, unless that is allowed', async (_name, policies, said) => {
    await role('tasklease-mighty', policies);
    const before = await accessors();
    const failure = await refusalOf(mighty('tasklease-mighty', { secretPaths }).openSession());
    expect(failure).toMatchObject(CONTRACT);
    expect(failure.message).toMatch(said);
    expect(failure.problem.hint).toContain('allow_broad_session');
    expect((await accessors()).toSorted()).toEqual(before.toSorted());
    const allowed = mighty('tasklease-mighty', { secretPaths, allowBroadSession: true });
    await allowed.closeSession((await allowed.openSession()).token);
  });

  test('with the shipped policies it is not; where its policy does not let it ask, it is taken at its word', async () => {
    const shipped = subject.connect({ secretPaths });
    await shipped.closeSession((await shipped.openSession()).token);
    const policy = 'path "auth/token/revoke-self" { capabilities = ["update"] }';
    await subject.server.request('PUT', 'sys/policies/acl/mute-session', { policy });
    await role('tasklease-mute', ['mute-session']);
    const mute = mighty('tasklease-mute', { secretPaths });
    await mute.closeSession((await mute.openSession()).token);
  });
});

/** Runs with other settings on a token role, then puts the old ones back. */
async function withRole(
  name: string,
  change: Record<string, unknown>,
  run: () => Promise<void>,
): Promise<void> {
  const path = `auth/token/roles/${name}`;
  const before = (await subject.server.request('GET', path)).body.data!;
  await subject.server.request('POST', path, { ...before, ...change });
  try {
    await run();
  } finally {
    await subject.server.request('POST', path, before);
  }
}

describe('a session role that breaks the contract', () => {
  test.each<[string, Record<string, unknown>]>([
    ['another period than the leash', { token_period: '10m' }],
    ['no period', { token_period: 0 }],
    ['a child of the login, which dies with it', { orphan: false }],
    ['not renewable', { renewable: false }],
  ])('%s: refused, and no token is left', async (_name, change) => {
    await withRole('tasklease-session', change, async () => {
      const before = await accessors();
      const failure = await refusalOf(subject.vault.openSession());
      expect(failure).toMatchObject({ kind: 'refused' });
      expect(['VAULT_CONTRACT', 'VAULT_DENIED']).toContain(failure.problem.code);
      expect(failure.problem.hint).toBeTruthy();
      expect((await accessors()).toSorted()).toEqual(before.toSorted());
    });
  });

  // Vault does not show a role's max TTL on the token (not even on look-up): only a renewal tells.
  test.each<[string, Record<string, unknown>]>([
    ['of the leash, instead of a period', { token_period: 0, token_ttl: '5m', token_explicit_max_ttl: '5m' }],
    ['beside a period', { token_explicit_max_ttl: '5m' }],
  ])('a max TTL %s: a renewal grants less than the leash', async (_name, change) => {
    await withRole('tasklease-session', change, async () => {
      const session = await subject.vault.openSession();
      await expect
        .poll(() => subject.vault.renewSession(session.token), { timeout: 20_000, interval: 500 })
        .toBeLessThan(300_000 - 1500);
      await subject.vault.closeSession(session.token);
    });
  });

  test('put right again, it works', async () => {
    const session = await subject.vault.openSession();
    await subject.vault.closeSession(session.token);
  });
});

describe('a task token role that breaks the contract', () => {
  test.each<[string, Record<string, unknown>]>([
    ['orphans, which would outlive the agent', { orphan: true }],
    ['a shorter max TTL', { token_explicit_max_ttl: '60s' }],
    ['periodic tokens', { token_period: '1h' }],
  ])('%s: refused, and no token is left', async (_name, change) => {
    const session = await subject.vault.openSession();
    await withRole('tasklease', change, async () => {
      const before = await accessors();
      const request = {
        policies: ['tasklease-report-read'],
        ttlSeconds: 600,
        displayName: 'report-read',
        meta: {},
      };
      expect(await refusalOf(subject.vault.createToken(session.token, request))).toMatchObject(CONTRACT);
      expect((await accessors()).toSorted()).toEqual(before.toSorted());
    });
    await subject.vault.closeSession(session.token);
  });
});

test('a session policy that allows only the four demands on a task token will do', async () => {
  const path = 'sys/policies/acl/tasklease-session';
  const before = (await subject.server.request('GET', path)).body.data!.policy;
  const policy = `
    path "auth/token/create/tasklease" {
      capabilities = ["update"]
      required_parameters = ["policies", "renewable", "type"]
      allowed_parameters = { "policies" = [], "ttl" = [], "renewable" = [false], "type" = ["service"] }
    }
    path "auth/token/renew-self" { capabilities = ["update"] }
    path "auth/token/revoke-self" { capabilities = ["update"] }
    path "auth/token/revoke-accessor" { capabilities = ["update"] }`;
  await subject.server.request('PUT', path, { policy });
  try {
    const vault = subject.connect({});
    const session = await vault.openSession();
    const request = {
      policies: ['tasklease-report-read'],
      ttlSeconds: 60,
      displayName: 'report-read',
      meta: { task: 'tight' },
    };
    // Twice: the second goes straight to what worked.
    for (const _ of [1, 2]) {
      const { accessor, ttlMs } = await vault.createToken(session.token, request);
      expect(ttlMs).toBe(60_000);
      await vault.revokeToken(session.token, accessor);
    }
    await vault.closeSession(session.token);
  } finally {
    await subject.server.request('PUT', path, { policy: before });
  }
});
