// One line removed from a policy or a role: explain, doctor, policy test and the hint and the log of what was refused name
// the same missing line, and where it goes.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../harness/socket-api.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let rootToken = '';
beforeAll(async () => {
  world = await createWorld();
  rootToken = `${world.paths.scratch}/root-token`;
  await writeFile(rootToken, world.vault.rootToken, { mode: 0o600 });
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

const TASKS: Case[] = [
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
];
const SESSION: Case[] = [
  'auth/token/create/tasklease',
  'sys/leases/revoke',
  'sys/leases/lookup',
  'auth/token/revoke-accessor',
].map((path) => ({ policy: 'tasklease-session', path, profile: 'database', capability: 'update' }));
const LOGIN: Case = {
  policy: 'tasklease-login',
  path: 'auth/token/create/tasklease-session',
  profile: 'database',
  capability: 'update',
};

const lineOf = ({ path, capability }: Case) => `path "${path}" { capabilities = ["${capability}"] }`;
const nextOf = (one: Case) => `add to policy ${one.policy}: ${lineOf(one)}`;

const explain = ({ profile, params = {} }: Case, ...more: string[]) =>
  world.cli([
    ...['explain', '--config', world.paths.config, '--profile', profile, '--output', 'json'],
    ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]),
    ...more,
  ]);
/** What explain says to add, and where. */
const added = (stdout: string): string[] =>
  (JSON.parse(stdout) as { requests: { add: string | null; into: string }[] }).requests.flatMap(
    ({ add, into }) => (add === null ? [] : [`add to ${into}: ${add}`]),
  );
const errorsOf = async (...more: string[]): Promise<(string | null)[]> => {
  const { code, stdout } = await world.cli([
    ...['doctor', '--config', world.paths.config, '--output', 'json'],
    ...more,
  ]);
  expect(code).toBe(1);
  const { findings } = JSON.parse(stdout) as { findings: { severity: string; next: string | null }[] };
  return findings.filter(({ severity }) => severity === 'error').map(({ next }) => next);
};
/** What policy test says of the requests that should be allowed. */
const refusedBy = async (profile: string, ...more: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await world.cli(
    ['policy', 'test', '--config', world.paths.config, '--profile', profile, '--output', 'json', ...more],
    { env: { VAULT_ADDR: world.vault.address, VAULT_TOKEN: world.vault.rootToken } },
  );
  expect(code, stdout + stderr).toBe(1);
  const { results } = JSON.parse(stdout) as { results: { expect: string; found: string; says: string }[] };
  return results
    .filter(({ expect: should, found }) => should === 'allowed' && found === 'denied')
    .map(({ says }) => says.slice(says.indexOf('add to ')));
};
const logs = () => world.logs().replaceAll('\\"', '"');

/** The agent's policies as Vault has them now, as files. */
async function asFiles(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = `${world.paths.scratch}/policies`;
  await mkdir(dir);
  const { body } = await world.vault.request('LIST', 'sys/policies/acl');
  for (const name of (body.data!.keys as string[]).filter((each) => each.startsWith('tasklease-'))) {
    const { body: one } = await world.vault.request('GET', `sys/policies/acl/${name}`);
    await writeFile(`${dir}/${name}.hcl`, one.data!.policy as string);
  }
  await use(dir).finally(() => rm(dir, { recursive: true }));
}

/** Takes the line out for the tests of the describe around it. */
function lacking({ policy, path }: Case): void {
  const acl = `sys/policies/acl/${policy}`;
  let text = '';
  beforeAll(async () => {
    text = (await world.vault.request('GET', acl)).body.data!.policy as string;
    const less = without(text, path);
    expect(less).not.toBe(text);
    await world.vault.request('PUT', acl, { policy: less === '' ? '# nothing' : less });
  });
  afterAll(() => world.vault.request('PUT', acl, { policy: text }));
}

describe.each([...TASKS, ...SESSION.slice(0, 2)])('$policy without $path', (one) => {
  lacking(one);

  test('explain names it, by what Vault says of a token', async () => {
    const { code, stdout } = await explain(one);
    expect(code).toBe(1);
    expect(added(stdout)).toEqual([nextOf(one)]);
  });

  test("explain names it, by the policies that an operator's token reads, and by files", async () => {
    expect(added((await explain(one, '--token-file', rootToken)).stdout)).toEqual([nextOf(one)]);
    await asFiles(async (dir) => {
      const files = await explain(one, '--offline', '--policies', dir);
      expect(files.code).toBe(1);
      expect(added(files.stdout)).toEqual([nextOf(one)]);
    });
  });

  test('doctor names it', async () => {
    expect(await errorsOf()).toContain(nextOf(one));
  });

  test('policy test names it, and no other, on the Vault in use', async () => {
    expect(new Set(await refusedBy(one.profile))).toEqual(new Set([nextOf(one)]));
  });
});

describe.each([...TASKS, SESSION[0]!])('a start with $policy without $path', (one) => {
  lacking(one);

  test('is refused with that line in its hint and in the log', async () => {
    const { status, body } = await world.api('PUT', `/v1/tasks/missing-${one.policy}`, {
      profile: one.profile,
      params: one.params ?? {},
    });
    expect(status).toBe(502);
    expect(body).toMatchObject({ code: 'VAULT_DENIED', retryable: false, hint: nextOf(one) });
    expect(logs()).toContain(nextOf(one));
  });
});

describe.each(SESSION.slice(1))('a stop with $policy without $path', (one) => {
  const task = `stopping-${one.path.replaceAll('/', '-')}`;
  const acl = `sys/policies/acl/${one.policy}`;

  test('goes on and names that line in the log, until it is added', async () => {
    const text = (await world.vault.request('GET', acl)).body.data!.policy as string;
    await startTask(world, task, one.profile);
    await world.vault.request('PUT', acl, { policy: without(text, one.path) });
    try {
      expect((await world.api('DELETE', `/v1/tasks/${task}`)).status).toBe(202);
      await until('the log names the line', () => logs().includes(nextOf(one)), 30_000);
    } finally {
      await world.vault.request('PUT', acl, { policy: text });
    }
    await stopTask(world, task);
  });
});

test.each([TASKS[0]!, SESSION[1]!, LOGIN])(
  'policy test names $path of $policy on a throw-away Vault, by real requests with the files',
  async (one) => {
    const acl = `sys/policies/acl/${one.policy}`;
    const text = (await world.vault.request('GET', acl)).body.data!.policy as string;
    await world.vault.request('PUT', acl, { policy: without(text, one.path) });
    try {
      await asFiles(async (dir) => {
        expect(await refusedBy(one.profile, '--throw-away', '--policies', dir)).toEqual([nextOf(one)]);
      });
    } finally {
      await world.vault.request('PUT', acl, { policy: text });
    }
  },
);

describe('the login without the line that makes the session', () => {
  lacking(LOGIN);
  const unsure = `if policy tasklease-login lacks it, add: ${lineOf(LOGIN)}; whether it does is not known`;

  test('the agent says so in its log and its readiness', async () => {
    await world.agent.term();
    await world.agent.launch();
    await until('the log names the line', () => logs().includes(unsure), 30_000);
    const { status, body } = await world.api('GET', '/v1/health?ready');
    expect(status).toBe(503);
    expect(JSON.stringify(body).replaceAll('\\"', '"')).toContain('auth/token/create/tasklease-session');
  });

  test('explain, doctor and policy test name it; with the text of the policy they are sure', async () => {
    expect(added((await explain(LOGIN)).stdout)).toEqual([nextOf(LOGIN)]);
    expect(added((await explain(LOGIN, '--token-file', rootToken)).stdout)).toEqual([nextOf(LOGIN)]);
    expect((await errorsOf()).join()).toContain(unsure);
    expect(await errorsOf('--token-file', rootToken)).toContain(nextOf(LOGIN));
    expect(await refusedBy('database')).toEqual([nextOf(LOGIN)]);
  });
});

describe('a token role that does not list the policy of a profile', () => {
  const path = 'auth/token/roles/tasklease';
  const next = `add to role ${path}: allowed_policies_glob = ["tasklease-test-otp"]`;
  const one = TASKS[3]!;
  let role: Json = {};
  beforeAll(async () => {
    role = (await world.vault.request('GET', path)).body.data!;
    const globs = role.allowed_policies_glob.filter((glob: string) => glob !== one.policy);
    await world.vault.request('POST', path, { ...role, allowed_policies_glob: globs });
    await world.agent.ready();
  });
  afterAll(() => world.vault.request('POST', path, role));

  test('all of them name what the role has to list', async () => {
    const { status, body } = await world.api('PUT', '/v1/tasks/role-line', { profile: one.profile });
    expect([status, body.hint]).toEqual([502, next]);
    expect(logs()).toContain(next);
    expect(added((await explain(one)).stdout)).toEqual([next]);
    expect(added((await explain(one, '--token-file', rootToken)).stdout)).toEqual([next]);
    expect(await errorsOf()).toContain(next);
    expect(await errorsOf('--token-file', rootToken)).toContain(next);
    expect(await refusedBy(one.profile)).toEqual([next]);
  });
});
