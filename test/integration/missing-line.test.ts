// One capability removed from a policy: explain, doctor and the hint of the refused start name the same missing line.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

/** The policy with one of its blocks taken out. */
const without = (policy: string, path: string): string =>
  policy.replace(new RegExp(`path "${path}" \\{(?:[^{}]|\\{[^{}]*\\})*\\}`), '');

interface Case {
  readonly policy: string;
  readonly path: string;
  readonly profile: string;
  readonly capability: string;
  readonly params?: Record<string, string>;
}

const CASES: Case[] = [
  { policy: 'tasklease-report-read', path: 'database/creds/report', profile: 'database', capability: 'read' },
  { policy: 'tasklease-deploy-cert', path: 'pki/issue/app', profile: 'certificate', capability: 'update' },
  {
    policy: 'tasklease-app-config',
    path: 'secret/data/app/prod',
    profile: 'key-value',
    capability: 'read',
    params: { env: 'prod' },
  },
  { policy: 'tasklease-test-otp', path: 'ssh/creds/otp', profile: 'one-time-password', capability: 'update' },
  {
    policy: 'tasklease-session',
    path: 'auth/token/create/tasklease',
    profile: 'database',
    capability: 'update',
  },
];

describe.each(CASES)('$policy without $path', ({ policy, path, profile, capability, params = {} }) => {
  const line = `path "${path}" { capabilities = ["${capability}"] }`;
  let text = '';
  const acl = `sys/policies/acl/${policy}`;
  beforeAll(async () => {
    text = (await world.vault.request('GET', acl)).body.data!.policy as string;
    const less = without(text, path);
    expect(less).not.toBe(text);
    await world.vault.request('PUT', acl, { policy: less === '' ? '# nothing' : less });
  });
  afterAll(() => world.vault.request('PUT', acl, { policy: text }));

  const explain = (...more: string[]) =>
    world.cli([
      ...['explain', '--config', world.paths.config, '--profile', profile, '--output', 'json'],
      ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]),
      ...more,
    ]);
  const added = (stdout: string) =>
    (JSON.parse(stdout) as { requests: { add: string | null; policies: string[] }[] }).requests.filter(
      ({ add }) => add !== null,
    );

  test('the refused start names it, and the log does', async () => {
    const id = `missing-${profile}-${policy}`;
    const { status, body } = await world.api('PUT', `/v1/tasks/${id}`, { profile, params });
    expect(status).toBe(502);
    expect(body).toMatchObject({ code: 'VAULT_DENIED', retryable: false });
    expect(body.hint).toContain(line);
    if (policy !== 'tasklease-session') expect(body.hint).toBe(`add to policy ${policy}: ${line}`);
    expect(world.logs().replaceAll('\\"', '"')).toContain(line);
  });

  test('explain names it, by what Vault says of a token', async () => {
    const { code, stdout } = await explain();
    expect(code).toBe(1);
    expect(added(stdout)).toMatchObject([{ add: line, policies: [policy] }]);
  });

  test("explain names it, by the policies that an operator's token reads, and by files", async () => {
    const token = `${world.paths.scratch}/root-token`;
    await writeFile(token, world.vault.rootToken, { mode: 0o600 });
    const live = await explain('--token-file', token);
    expect(added(live.stdout)).toMatchObject([{ add: line, policies: [policy] }]);
    const dir = `${world.paths.scratch}/policies`;
    await mkdir(dir);
    const { body } = await world.vault.request('LIST', 'sys/policies/acl');
    for (const name of (body.data!.keys as string[]).filter((each) => each.startsWith('tasklease-'))) {
      const { body: one } = await world.vault.request('GET', `sys/policies/acl/${name}`);
      await writeFile(`${dir}/${name}.hcl`, one.data!.policy as string);
    }
    const files = await explain('--offline', '--policies', dir);
    expect(files.code).toBe(1);
    expect(added(files.stdout)).toMatchObject([{ add: line, policies: [policy] }]);
    await rm(dir, { recursive: true });
  });

  test('doctor names it', async () => {
    const { code, stdout } = await world.cli(['doctor', '--config', world.paths.config, '--output', 'json']);
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as { findings: { severity: string; next: string | null }[] };
    expect(
      findings.filter(
        ({ severity, next }) => severity === 'error' && next === `add to policy ${policy}: ${line}`,
      ).length,
    ).toBeGreaterThan(0);
  });
});
