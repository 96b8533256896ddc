// `tasklease doctor` on a real Vault: what it sees, what it says of what is wrong, and that it leaves nothing behind.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createWorld, type World } from '../harness/world.ts';

interface Finding {
  id: string;
  severity: 'ok' | 'info' | 'warning' | 'error';
  what: string;
  reason: string | null;
  next: string | null;
}

let world: World;
beforeAll(async () => {
  world = await createWorld({ start: false });
});
afterAll(() => world?.close());

async function doctor(...args: string[]): Promise<{ code: number | null; found: Finding[]; stdout: string }> {
  const { code, stdout, stderr } = await world.cli([
    'doctor',
    '--config',
    world.paths.config,
    '--output',
    'json',
    ...args,
  ]);
  if (stdout === '') throw new Error(stderr);
  return { code, found: (JSON.parse(stdout) as { findings: Finding[] }).findings, stdout };
}
const of = (found: readonly Finding[], id: string) => found.filter((finding) => finding.id === id);
const bad = (found: readonly Finding[]) =>
  found.filter(({ severity }) => severity === 'error' || severity === 'warning');

const accessors = async () => {
  const { body } = await world.vault.request('LIST', 'auth/token/accessors');
  return (body.data!.keys as string[]).sort();
};

test('before the agent ever ran: all is looked at, nothing is made on the host, and nothing stays at Vault', async () => {
  const before = await accessors();
  const { found } = await doctor();
  expect(await accessors()).toEqual(before);
  expect(await world.vaultLeases()).toEqual([]);
  for (const path of [world.paths.state, world.paths.runtime, world.paths.secrets])
    expect(existsSync(path)).toBe(false);
  for (const id of [
    'configuration',
    'vault.reachable',
    'vault.clock',
    'vault.login',
    'vault.session',
    'vault.leash',
    'vault.session-rights',
    'vault.session-breadth',
    'vault.undone',
  ]) {
    expect(of(found, id)).toMatchObject([{ severity: 'ok', reason: null, next: null }]);
  }
  expect(of(found, 'agent.running')).toMatchObject([{ severity: 'info' }]);
  for (const finding of bad(found))
    expect(finding).toMatchObject({ reason: expect.any(String), next: expect.any(String) });
});

test('it shows no credential', async () => {
  const { stdout } = await doctor();
  for (const file of [world.paths.roleId, world.paths.secretId]) {
    expect(stdout).not.toContain(readFileSync(file, 'utf8').trim());
  }
});

test('a profile whose policy or path is wrong is named with the line to add', async () => {
  const { code, found } = await doctor();
  expect(code).toBe(1);
  const [denied] = of(found, 'profile.half-denied.requests').filter(({ severity }) => severity === 'error');
  expect(denied?.next).toContain('path "database/creds/forbidden" { capabilities = ["read"] }');
  expect(of(found, 'profile.foreign-policy.token')).toMatchObject([
    { severity: 'error', next: expect.stringContaining('allowed_policies_glob') },
  ]);
});

test('while an agent runs it says so, reads its journal beside it, and disturbs nothing', async () => {
  await world.agent.start();
  const { found } = await doctor();
  expect(of(found, 'agent.running')).toMatchObject([
    { severity: 'ok', what: expect.stringContaining(`pid ${world.agent.pid}`) },
  ]);
  expect(of(found, 'agent.reachable')).toMatchObject([{ severity: 'ok' }]);
  expect(of(found, 'journal')).toMatchObject([{ severity: 'ok' }]);
  expect((await world.api('GET', '/v1/health?ready')).status).toBe(200);
  await world.agent.term();
});

describe('a mistake in a role is found before a start meets it', () => {
  const SESSION = 'auth/token/roles/tasklease-session';
  const TASK = 'auth/token/roles/tasklease';
  const operator = () => `${world.paths.scratch}/root-token`;
  const undo: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0)) await step();
  });
  const change = async (path: string, body: Record<string, unknown>) => {
    const { body: was } = await world.vault.request('GET', path);
    const before = was.data as Record<string, unknown>;
    undo.push(() => world.vault.request('POST', path, before));
    const { status } = await world.vault.request('POST', path, { ...before, ...body });
    expect(status).toBeLessThan(300);
  };

  test.each<[string, string, Record<string, unknown>, string, RegExp]>([
    [
      'a period that is not the leash',
      SESSION,
      { token_period: 60 },
      'vault.leash',
      /leash is 5m, but .* says 1m/,
    ],
    [
      'a session that dies with the login',
      SESSION,
      { orphan: false },
      'vault.session',
      /dies with the login/,
    ],
    ['renewable task tokens', TASK, { renewable: true }, 'vault.token-role', /renewable=true/],
    [
      'a default policy',
      TASK,
      { token_no_default_policy: false },
      'vault.token-role',
      /lacks token_no_default_policy/,
    ],
    [
      'a TTL ceiling below the profile',
      TASK,
      { token_explicit_max_ttl: 600 },
      'profile.certificate.token',
      /lives at most 10m/,
    ],
    [
      'a policy that is not allowed',
      TASK,
      { allowed_policies_glob: ['tasklease-app-config'] },
      'profile.certificate.token',
      /403|400/,
    ],
  ])('%s', async (_what, path, body, id, words) => {
    await change(path, body);
    await writeFile(operator(), world.vault.rootToken, { mode: 0o600 });
    const { found } = await doctor('--token-file', operator());
    const [finding] = of(found, id);
    expect(finding?.what).toMatch(words);
  });

  test('a session that may read a secret', async () => {
    await world.vault.request('PUT', 'sys/policies/acl/broad', {
      policy: 'path "pki/issue/*" { capabilities = ["update"] }',
    });
    await change(SESSION, { allowed_policies: ['tasklease-session', 'broad'] });
    const { found } = await doctor();
    expect(of(found, 'vault.session-breadth')).toMatchObject([
      { severity: 'error', what: expect.stringContaining('pki/issue/app') },
    ]);
  });
});

test('a wrapped secret id is left for the agent, and doctor says that it did not log in', async () => {
  const was = readFileSync(world.paths.secretId, 'utf8');
  await writeFile(world.paths.secretId, await world.provisioned.wrappedSecretId(), { mode: 0o600 });
  await world.configure((config) => {
    config.vault.auth.secret_id_wrapped = true;
  });
  const { found } = await doctor();
  expect(of(found, 'vault.login')).toMatchObject([
    { severity: 'info', reason: expect.stringContaining('wrapped') },
  ]);
  await world.agent.start();
  expect((await world.api('GET', '/v1/health?ready')).status).toBe(200);
  // It asks with the running agent's own session what that may do.
  const beside = await doctor();
  expect(of(beside.found, 'vault.session-rights')).toMatchObject([{ severity: 'ok' }]);
  await world.agent.term();
  await world.configure((config) => {
    delete config.vault.auth.secret_id_wrapped;
  });
  await writeFile(world.paths.secretId, was, { mode: 0o600 });
});

test('a credential that others can read, and a directory that others can change', async () => {
  await chmod(world.paths.secretId, 0o644);
  await chmod(world.paths.state, 0o777);
  const { found } = await doctor();
  expect(of(found, 'credential.secret_id_file')).toMatchObject([
    { severity: 'error', next: `chmod 0600 ${world.paths.secretId}` },
  ]);
  expect(of(found, 'directory.state_dir')).toMatchObject([
    { severity: 'error', next: `chmod go-w ${world.paths.state}` },
  ]);
  await chmod(world.paths.secretId, 0o600);
  await chmod(world.paths.state, 0o700);
});

test('without Vault it says so, and what can be seen without is seen', async () => {
  const { address } = world.vault;
  await world.configure((config) => {
    config.vault.address = 'http://127.0.0.1:1';
  });
  const { code, found } = await doctor();
  expect(code).toBe(1);
  expect(of(found, 'vault.reachable')).toMatchObject([
    { severity: 'error', what: expect.stringContaining('ECONNREFUSED') },
  ]);
  expect(of(found, 'configuration')).toMatchObject([{ severity: 'ok' }]);
  await world.configure((config) => {
    config.vault.address = address;
  });
});

test('exit codes: 2 for a wrong command line, 78 for a configuration that cannot be read', async () => {
  expect((await world.cli(['doctor', '--output', 'xml'])).code).toBe(2);
  expect((await world.cli(['doctor', '--config', '/nowhere.yaml'])).code).toBe(78);
  const bad = `${world.paths.scratch}/bad.yaml`;
  await writeFile(bad, 'sockets: {}\nvault: { address: "http://v:8200" }\nadress: x\n');
  const { code, stderr } = await world.cli(['doctor', '--config', bad]);
  expect(code).toBe(78);
  expect(stderr).toMatch(/bad\.yaml:\d+: \S+/);
});
