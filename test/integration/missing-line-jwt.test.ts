// The same for vault.mode: jwt, where a role gives the task its policies: one line removed, and explain, policy test and
// the hint and the log of what was refused name it; the session of such an agent lacks one, and doctor names it too.

import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { administer } from '../harness/administer.ts';
import { AUDIENCE, assertionOf, ISSUER, pem, signingKey } from '../harness/issuer.ts';
import type { Json } from '../harness/socket-api.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const key = signingKey('ES256');
let world: World;
let rootToken = '';
const env = () => ({ VAULT_ADDR: world.vault.address, VAULT_TOKEN: world.vault.rootToken });
const root = (method: string, path: string, body?: unknown) => administer(world, method, path, body);

beforeAll(async () => {
  world = await createWorld({ start: false, leash: '10s' });
  rootToken = `${world.paths.scratch}/root-token`;
  const keyFile = `${world.paths.scratch}/issuer.pem`;
  await writeFile(rootToken, world.vault.rootToken, { mode: 0o600 });
  await writeFile(keyFile, pem(key));
  const allow = {
    uids: [process.getuid!()],
    assertion: {
      issuer: ISSUER,
      public_key_file: keyFile,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      claims: { repository: 'acme/shop' },
    },
  };
  const profiles = `${world.paths.scratch}/profiles`;
  await mkdir(profiles);
  for (const [name, policies] of [
    ['named', ['tasklease-named']],
    ['open', []],
  ] as const) {
    const login = { mode: 'jwt', role: name, claims: ['customer'], ...(policies.length > 0 && { policies }) };
    const files = { 'it.json': { format: 'json' } };
    await writeFile(
      `${profiles}/${name}.yaml`,
      stringify({
        profile: name,
        allow,
        params: { customer: { claim: 'customer', pattern: 'c-[0-9]+' } },
        vault: login,
        secrets: { it: { path: `secret/data/${name}/{{params.customer}}`, files } },
      }),
    );
  }
  await world.configure((config) => {
    config.profiles_dir = profiles;
  });
  await root('POST', 'sys/auth/jwt', { type: 'jwt' });
  await root('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem(key)] });
  for (const name of ['named', 'open']) await root('POST', `secret/data/${name}/c-1`, { data: { a: 'b' } });
  const applied = await world.cli(['policy', 'apply', '--yes', '--config', world.paths.config], {
    env: env(),
  });
  expect(applied.code, applied.stderr).toBe(0);
  await world.agent.start();
}, 300_000);
afterAll(() => world?.close());

const put = (task: string, profile: string) =>
  world.api('PUT', `/v1/tasks/${task}`, {
    profile,
    assertion: assertionOf(key, { customer: 'c-1', sub: task }),
  });
const logs = () => world.logs().replaceAll('\\"', '"');
const added = async (profile: string): Promise<string[]> => {
  const { stdout } = await world.cli([
    ...['explain', '--config', world.paths.config, '--profile', profile, '--param', 'customer=c-1'],
    ...['--output', 'json', '--token-file', rootToken],
  ]);
  return (JSON.parse(stdout) as { requests: { add: string | null; into: string }[] }).requests.flatMap(
    ({ add, into }) => (add === null ? [] : [`add to ${into}: ${add}`]),
  );
};
const errors = async (...more: string[]): Promise<(string | null)[]> => {
  const { stdout } = await world.cli([
    ...['doctor', '--config', world.paths.config, '--output', 'json'],
    ...more,
  ]);
  const { findings } = JSON.parse(stdout) as { findings: { severity: string; next: string | null }[] };
  return findings.filter(({ severity }) => severity === 'error').map(({ next }) => next);
};
const refused = async (profile: string, ...more: string[]): Promise<string[]> => {
  const { stdout } = await world.cli(
    ['policy', 'test', '--config', world.paths.config, '--profile', profile, '--output', 'json', ...more],
    { env: env() },
  );
  const { results } = JSON.parse(stdout) as { results: { expect: string; found: string; says: string }[] };
  return results
    .filter(({ expect: should, found }) => should !== found)
    .map(({ says }) => says.slice(Math.max(0, says.indexOf('add to '))));
};
async function lacking(path: string, less: Json, meanwhile: () => Promise<void>): Promise<void> {
  const whole = (await root('GET', path)).data;
  await root('POST', path, { ...whole, ...less });
  await meanwhile().finally(() => root('POST', path, whole));
}

test('as applied nothing is missing, on the Vault in use and on a throw-away one, where tasks log in with an assertion', async () => {
  for (const profile of ['named', 'open']) {
    expect(await added(profile)).toEqual([]);
    expect(await refused(profile)).toEqual([]);
    expect(await refused(profile, '--throw-away')).toEqual([]);
  }
  expect(await errors('--token-file', rootToken)).toEqual([]);
  await startTask(world, 'well', 'open', { assertion: assertionOf(key, { customer: 'c-1', sub: 'well' }) });
  await stopTask(world, 'well');
});

test.each(['named', 'open'])('a line of the policy of %s', async (profile) => {
  const line = (customer: string) => `path "secret/data/${profile}/${customer}" { capabilities = ["read"] }`;
  const into = `policy tasklease-${profile}`;
  await lacking(`sys/policies/acl/tasklease-${profile}`, { policy: '# nothing' }, async () => {
    const { status, body } = await put(`line-${profile}`, profile);
    expect([status, body.code, body.hint]).toEqual([502, 'VAULT_DENIED', `add to ${into}: ${line('c-1')}`]);
    expect(logs()).toContain(`add to ${into}: ${line('c-1')}`);
    expect(await added(profile)).toEqual([`add to ${into}: ${line('c-1')}`]);
    expect(await errors('--token-file', rootToken)).toContain(`add to ${into}: ${line('x')}`);
    expect(await refused(profile)).toEqual([`add to ${into}: ${line('x')}`]);
  });
});

test('a policy in the list of the role', async () => {
  const next = 'add to role auth/jwt/role/named: token_policies = ["tasklease-named"]';
  await lacking('auth/jwt/role/named', { token_policies: ['tasklease-open'] }, async () => {
    const { status, body } = await put('role', 'named');
    expect([status, body.hint]).toEqual([502, next]);
    expect(logs()).toContain(next);
    expect(await added('named')).toEqual([next]);
    expect(await errors('--token-file', rootToken)).toContain(next);
    expect(await refused('named')).toEqual([next]);
  });
});

test('a line of the session, which makes no tokens here', async () => {
  const path = 'auth/token/renew-accessor';
  const next = `add to policy tasklease-session-jwt: path "${path}" { capabilities = ["update"] }`;
  const acl = 'sys/policies/acl/tasklease-session-jwt';
  const { policy } = (await root('GET', acl)).data;
  const less = policy.replace(new RegExp(`path "${path}" \\{(?:[^{}]|\\{[^{}]*\\})*\\}`), '');
  expect(less).not.toBe(policy);
  await startTask(world, 'kept', 'open', { assertion: assertionOf(key, { customer: 'c-1', sub: 'kept' }) });
  await lacking(acl, { policy: less }, async () => {
    await until('the log names the line', () => logs().includes(next));
    expect(await added('open')).toEqual([next]);
    expect(await errors()).toContain(next);
    expect(await refused('open')).toEqual([next]);
  });
  await stopTask(world, 'kept');
});
