// A session token in a thief's hands, on a real Vault with the shipped policies and with rendered ones.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readProfile } from '../../src/adapters/settings/profile-files.ts';
import { provision } from '../../src/dev/provision.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import { printHcl } from '../../src/policy/hcl-print.ts';
import { renderKit } from '../../src/policy/kit.ts';
import { DEFAULT_NAMES } from '../../src/policy/names.ts';
import { administer } from '../harness/administer.ts';

const dir = mkdtempSync(join(tmpdir(), 'tasklease-stolen-'));
let vault: VaultServer;
const sessions: Record<string, string> = {};

beforeAll(async () => {
  const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
  vault = await startVault({ binary, dir, storage: 'inmem' });
  await provision({ vault, approle: false });
  const session = async () =>
    (await administer({ vault }, 'POST', 'auth/token/create/tasklease-session', {})).auth
      .client_token as string;
  sessions.shipped = await session();
  const profile = readProfile('src/dev/sample/report-read.yaml');
  const kit = renderKit([profile], { names: DEFAULT_NAMES });
  const { policy } = kit.policies.find(({ file }) => file === 'session.hcl')!;
  await administer({ vault }, 'PUT', 'sys/policies/acl/tasklease-session-narrow', {
    policy: printHcl(policy),
  });
  await administer({ vault }, 'POST', 'auth/token/roles/narrow', {
    ...kit.roles[0]!.body,
    allowed_policies: ['tasklease-session-narrow'],
  });
  sessions.rendered = (await administer({ vault }, 'POST', 'auth/token/create/narrow', {})).auth.client_token;
});
afterAll(async () => {
  await vault?.kill();
  rmSync(dir, { recursive: true, force: true });
});

const good = {
  policies: ['tasklease-report-read'],
  ttl: '60s',
  renewable: false,
  type: 'service',
  no_default_policy: true,
};
const create = async (
  which: string,
  change: Record<string, unknown>,
  path = 'auth/token/create/tasklease',
) => {
  const body = Object.fromEntries(
    Object.entries({ ...good, ...change }).filter(([, value]) => value !== undefined),
  );
  return (await vault.request('POST', path, body, sessions[which])).status;
};

test.each(['shipped', 'rendered'])(
  "%s: a stolen session of mode child makes task tokens in the agent's shape only",
  async (which) => {
    expect(await create(which, {})).toBe(200);
    for (const change of [
      { renewable: true },
      { renewable: undefined },
      { type: 'batch' },
      { type: undefined },
      { no_default_policy: false },
      { no_default_policy: undefined },
      { policies: undefined },
      { policies: [] },
      { ttl: undefined },
      { period: '1h' },
      { num_uses: 1 },
      { no_parent: true },
      { id: 'mine' },
      { explicit_max_ttl: '1h' },
    ]) {
      expect(await create(which, change), JSON.stringify(change)).toBe(403);
    }
    for (const path of [
      'auth/token/create',
      'auth/token/create-orphan',
      'auth/token/create/tasklease-session',
      'auth/token/create/narrow',
    ]) {
      expect(await create(which, {}, path), path).toBe(403);
    }
    expect(await create(which, { policies: ['root'] })).toBeGreaterThanOrEqual(400);
    // The rendered one has no other list of policies than a profile has; the shipped one leaves that to the token role.
    expect(await create(which, { policies: ['tasklease-app-config'] })).toBe(
      which === 'rendered' ? 403 : 200,
    );
  },
);

test.each(['shipped', 'rendered'])('%s: a stolen session reads no secret by itself', async (which) => {
  const asked = [
    ...[
      'secret/data/app/prod',
      'secret/metadata/app',
      'pki/roles/app',
      'sys/auth',
      'sys/mounts',
      'sys/policies/acl',
      'identity/entity/id',
      'auth/token/accessors',
      'auth/token/roles/tasklease',
    ].map((path) => ['GET', path] as const),
    ...[
      'pki/issue/app',
      'ssh/creds/otp',
      'secret/data/app/prod',
      'sys/policies/acl/x',
      'sys/capabilities',
      'sys/leases/revoke-prefix/pki',
      'auth/token/roles/tasklease',
      'sys/seal',
    ].map((path) => ['POST', path] as const),
    ['LIST', 'sys/leases/lookup/pki'] as const,
  ];
  for (const [method, path] of asked) {
    const { status } = await vault.request(method, path, method === 'POST' ? {} : undefined, sessions[which]);
    expect(status, `${method} ${path}`).toBe(403);
  }
});
