// Profiles that nobody has seen before become policies by the command, are applied as they are, and carry the task on a
// real agent and Vault; with the task's own token, as Vault's audit device wrote it, everything beside it is refused.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { administer } from '../harness/administer.ts';
import { AUDIENCE, assertionOf, ISSUER, pem, signingKey } from '../harness/issuer.ts';
import type { Json } from '../harness/socket-api.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

const key = signingKey('ES256');
const files = { 'it.json': { format: 'json' } };
const uids = [process.getuid!()];

const PROFILES: Record<string, Json> = {
  'env-in-path': {
    params: { env: { enum: ['staging', 'prod'] }, customer: { pattern: 'c-[0-9]{1,12}', optional: true } },
    ttl: { default: '2m', max: '1h', grace: '15s' },
    vault: { policies: ['tasklease-env-in-path'] },
    secrets: { db: { path: 'database/creds/report-{{params.env}}', files } },
  },
  'named-certificate': {
    vault: { policies: ['odd.Name-policy'] },
    secrets: {
      tls: {
        path: 'pki/issue/app',
        method: 'write',
        body: { common_name: '{{task.id}}.report.internal', ttl: '{{task.ttl}}', exclude_cn_from_sans: true },
        files,
      },
    },
  },
  'one-customer': {
    params: { customer: { pattern: 'c-[0-9]{1,12}' } },
    vault: { policies: ['tasklease-one-customer'], entity_alias: '{{params.customer}}' },
    secrets: { record: { path: 'secret/data/customers/{{params.customer}}/record', files } },
  },
  'by-assertion': {
    params: { team: { claim: 'team', pattern: '[a-z]+' } },
    vault: { mode: 'jwt', role: 'by-assertion', policies: ['tasklease-by-assertion'], claims: ['team'] },
    secrets: { plan: { path: 'secret/data/teams/{{params.team}}', files } },
  },
};

let world: World;
const admin = (method: string, path: string, body?: unknown) => administer(world, method, path, body);
const policy = (...args: string[]) =>
  world.cli(['policy', ...args, '--config', world.paths.config], {
    env: { VAULT_ADDR: world.vault.address, VAULT_TOKEN: world.vault.rootToken },
  });

beforeAll(async () => {
  world = await createWorld({ audit: true, start: false });
  const dir = join(world.paths.scratch, 'profiles');
  const keyFile = join(world.paths.scratch, 'issuer.pem');
  await mkdir(dir);
  await writeFile(keyFile, pem(key));
  for (const [name, body] of Object.entries(PROFILES)) {
    const assertion = {
      issuer: ISSUER,
      public_key_file: keyFile,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      claims: { repository: 'acme/shop', ref: 'refs/heads/**' },
    };
    const allow = { uids, ...(name === 'by-assertion' ? { assertion } : {}) };
    await writeFile(join(dir, `${name}.yaml`), stringify({ profile: name, allow, ...body }));
  }
  await world.configure((config) => {
    config.profiles_dir = dir;
  });
  for (const env of ['staging', 'prod', 'admin']) {
    const { data } = await admin('GET', 'database/roles/report');
    const { creation_statements, db_name } = data;
    await admin('POST', `database/roles/report-${env}`, {
      creation_statements,
      db_name,
      default_ttl: '1h',
      max_ttl: '2h',
    });
  }
  for (const path of ['customers/c-1/record', 'customers/c-2/record', 'teams/blue', 'teams/red']) {
    await admin('POST', `secret/data/${path}`, { data: { of: path } });
  }
  await admin('POST', 'sys/auth/jwt', { type: 'jwt' });
  await admin('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem(key)] });
  const applied = await policy('apply', '--yes');
  expect(applied.code, applied.stderr + applied.stdout).toBe(0);
  await world.agent.start();
});
afterAll(() => world?.close());

test('what was applied is there: a second diff has nothing to change, a second apply nothing to do, lint nothing to say', async () => {
  const diff = await policy('diff');
  expect(diff.stdout).toContain('nothing to change');
  expect(diff.code, diff.stderr).toBe(0);
  expect((await policy('apply')).code).toBe(0);
  const lint = await policy('lint', '--live');
  expect(lint.stdout).toContain('nothing found');
  expect(lint.code, lint.stderr).toBe(0);
});

/** The tokens of a task, and of a login, from Vault's audit device. */
const tokens = (matches: (line: Json) => boolean): string[] =>
  readFileSync(world.paths.audit, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ type, response }) => type === 'response' && response?.auth?.client_token !== undefined)
    .filter(matches)
    .map(({ response }) => response.auth.client_token);
const tokenOf = (task: string): string => {
  const made = tokens(({ request }) =>
    request.path === 'auth/jwt/login' ? task === 'jwt' : request.data?.meta?.task === task,
  );
  return made.at(-1)!;
};

type Neighbour = readonly [method: string, path: string, body?: Json];

/** Beside one path: its siblings, what is below and above, every other verb, every other parameter. */
const around = (path: string, siblings: readonly string[], write: Json | null): Neighbour[] => {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return [
    ...siblings.flatMap((other): Neighbour[] => [
      ['GET', other],
      ['POST', other, write ?? {}],
    ]),
    ...[`${path}/deeper`, `${path}x`, parent, `${path}/deeper/still`].flatMap((other): Neighbour[] => [
      ['GET', other],
      ['POST', other, {}],
    ]),
    ...['DELETE', 'LIST'].map((method): Neighbour => [method, path]),
    ['GET', `${parent}/?list=true`],
    ...(write === null
      ? ([
          ['POST', path, {}],
          ['POST', path, { x: '1' }],
          ['PUT', path, { data: {} }],
          ['GET', `${path}?version=1`],
        ] as const)
      : ([
          ['GET', path],
          ['POST', path, {}],
          ['POST', path, { ...write, alt_names: 'x.example' }],
          ['POST', path, { ...write, common_name: 'evil.example' }],
          ['POST', path, { ...write, exclude_cn_from_sans: false }],
        ] as const)),
  ];
};

const VAULTS_OWN: Neighbour[] = [
  ...['lookup-self', 'accessors', 'roles'].map((what): Neighbour => ['GET', `auth/token/${what}`]),
  ...['create', 'create-orphan', 'create/tasklease', 'renew-self', 'revoke-self', 'revoke-accessor'].map(
    (what): Neighbour => ['POST', `auth/token/${what}`, {}],
  ),
  ...['policies/acl', 'auth', 'mounts', 'audit', 'leases', 'policies/acl/root'].map(
    (what): Neighbour => ['GET', `sys/${what}`],
  ),
  ...[
    'leases/lookup',
    'leases/renew',
    'leases/revoke',
    'leases/revoke-prefix/database',
    'capabilities',
    'wrapping/wrap',
    'tools/random',
  ].map((what): Neighbour => ['POST', `sys/${what}`, { lease_id: 'x' }]),
  ...[
    'sys/policies/acl/mine',
    'sys/mounts/mine',
    'sys/auth/mine',
    'auth/approle/role/tasklease',
    'auth/token/roles/tasklease',
  ].map((path): Neighbour => ['POST', path, {}]),
  ['PUT', 'sys/seal', {}],
  ['GET', 'identity/entity/id?list=true'],
  ['POST', 'identity/entity', { name: 'x' }],
  ['GET', 'cubbyhole/x'],
  ['POST', 'cubbyhole/x', { a: 'b' }],
  ...[
    'database/config/sample',
    'database/roles/report',
    'database/creds/report',
    'ssh/roles/otp',
    'pki/roles/app',
  ].map((path): Neighbour => ['GET', path]),
  ...[
    'pki/sign/app',
    'pki/sign-verbatim',
    'pki/root/generate/internal',
    'pki/revoke',
    'ssh/creds/otp',
    'database/rotate-root/sample',
    'tasklease-uses/data/x',
  ].map((path): Neighbour => ['POST', path, {}]),
  ...[
    'secret/metadata/app',
    'secret/data/app/prod',
    'secret/data/app/staging',
    'secret/metadata/customers?list=true',
    'secret/config',
    'tasklease-uses/data/x',
  ].map((path): Neighbour => ['GET', path]),
  ...[
    'secret/delete/app/prod',
    'secret/destroy/app/prod',
    'secret/undelete/app/prod',
    'secret/metadata/app/prod',
  ].map((path): Neighbour => ['POST', path, { versions: [1] }]),
];

const OTHERS = [
  'database/creds/report-prod',
  'secret/data/customers/c-1/record',
  'secret/data/teams/blue',
  'pki/issue/app',
];

const CASES: readonly (readonly [
  profile: string,
  path: string,
  siblings: readonly string[],
  body: Json,
  write: Json | null,
])[] = [
  [
    'env-in-path',
    'database/creds/report-prod',
    ['database/creds/report-admin', 'database/creds/report', 'database/creds/report-'],
    { params: { env: 'prod' } },
    null,
  ],
  [
    'named-certificate',
    'pki/issue/app',
    ['pki/issue/other', 'pki/sign/app', 'pki/issue'],
    {},
    { common_name: 'named-certificate.report.internal', ttl: '60s', exclude_cn_from_sans: true },
  ],
  [
    'one-customer',
    'secret/data/customers/c-1/record',
    ['secret/data/customers/c-2/record', 'secret/data/customers/c-10/record', 'secret/data/customers/c-1'],
    { params: { customer: 'c-1' } },
    null,
  ],
  [
    'by-assertion',
    'secret/data/teams/blue',
    ['secret/data/teams/red', 'secret/data/teams/bluex', 'secret/data/teams'],
    {},
    null,
  ],
];

test.each(CASES)(
  '%s runs with what was rendered, and its token is refused a hundred neighbours of %s',
  async (profile, path, siblings, body, write) => {
    const signed = profile === 'by-assertion' ? { assertion: assertionOf(key, { team: 'blue' }) } : {};
    await startTask(world, profile, profile, { ...body, ...signed });
    expect(JSON.parse(await world.file(profile, 'it.json'))).toBeTypeOf('object');
    const token = tokenOf(profile === 'by-assertion' ? 'jwt' : profile);
    const neighbours = [
      ...around(path, siblings, write),
      ...VAULTS_OWN,
      ...Array.from({ length: 24 }, (_, n): Neighbour => ['GET', `${path}-${n}`]),
      ...OTHERS.filter((other) => other !== path).map((other): Neighbour => ['GET', other]),
    ];
    expect(neighbours.length).toBeGreaterThanOrEqual(100);
    const passed: string[] = [];
    for (const [method, to, sent] of neighbours) {
      const { status } = await world.vault.request(method, to, sent, token);
      if (status !== 403) passed.push(`${method} ${to} ${JSON.stringify(sent ?? null)}: ${status}`);
    }
    expect(passed).toEqual([]);
    // The token is alive, and good for what the profile says: it was the policy that refused.
    const [method, sent] = write === null ? ['GET'] : ['POST', write];
    expect((await world.vault.request(method as string, path, sent, token)).status).toBe(200);
    await stopTask(world, profile);
  },
);

test('policy test finds all as it has to be, and names the line when one capability is taken away', async () => {
  const well = await policy('test');
  expect(well.stdout).toMatch(/env-in-path +3 of 3 +(\d+) of \1\n/);
  expect(well.code, well.stdout + well.stderr).toBe(0);
  const path = 'sys/policies/acl/tasklease-env-in-path';
  const { policy: text } = (await admin('GET', path)).data as { policy: string };
  await admin('PUT', path, { policy: text.replace('["read"]', '["list"]') });
  const ill = await policy('test', '--profile', 'env-in-path');
  expect(ill.code).toBe(1);
  expect(ill.stdout).toContain(
    'add to policy tasklease-env-in-path: path "database/creds/report-staging" { capabilities = ["read"] }',
  );
  expect(ill.stdout).toContain('list database/creds/report-staging is allowed, not denied');
  expect((await policy('test', '--profile', 'env-in-path', '--output', 'junit')).stdout).toContain(
    '<failure ',
  );
  const diff = await policy('diff');
  expect(diff.code).toBe(1);
  expect(diff.stdout).toContain('change policy tasklease-env-in-path');
  const unasked = await policy('apply');
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toContain('there is no terminal');
  expect((await policy('apply', '--yes')).code).toBe(0);
  expect((await policy('test', '--profile', 'env-in-path')).code).toBe(0);
});

test('a policy of the same name that somebody else wrote is kept, until it is said that it may go', async () => {
  const path = 'sys/policies/acl/tasklease-env-in-path';
  const foreign = 'path "database/creds/report-staging" { capabilities = ["deny"] }';
  await admin('PUT', path, { policy: foreign });
  const kept = await policy('apply', '--yes');
  expect(kept.stdout).toContain('keep policy tasklease-env-in-path, which was not made by tasklease');
  expect((await admin('GET', path)).data.policy).toBe(foreign);
  expect((await policy('apply', '--yes', '--take-over')).code).toBe(0);
  expect((await admin('GET', path)).data.policy).toContain('# Policy "tasklease-env-in-path"');
});

test('a role that was made wider by hand is set back, and nothing that is not ours is touched', async () => {
  const role = 'auth/token/roles/tasklease';
  await admin('POST', role, { allowed_policies: ['admin'], token_num_uses: 3, renewable: true });
  await admin('PUT', 'sys/policies/acl/somebody-else', { policy: 'path "x" { capabilities = ["read"] }' });
  expect((await policy('lint', '--live')).stdout).toMatch(/TL029[\s\S]*TL031/);
  expect((await policy('apply', '--yes')).code).toBe(0);
  expect((await admin('GET', role)).data).toMatchObject({ allowed_policies: [], renewable: false });
  expect((await admin('GET', 'sys/policies/acl/somebody-else')).data.policy).toContain('path "x"');
});

test('where Vault refuses a step, what is done and what is not is told', async () => {
  await admin('POST', 'auth/token/roles/tasklease', { renewable: true });
  await admin('PUT', 'sys/policies/acl/half', {
    policy:
      'path "sys/policies/acl/*" { capabilities = ["read", "update", "create"] }\npath "*" { capabilities = ["read", "list"] }',
  });
  const token = (await admin('POST', 'auth/token/create', { policies: ['half'] })).auth!.client_token;
  await admin('PUT', 'sys/policies/acl/tasklease-login', { policy: '# Policy "tasklease-login"\n' });
  const env = { VAULT_ADDR: world.vault.address, VAULT_TOKEN: token };
  const half = await world.cli(['policy', 'apply', '--yes', '--config', world.paths.config], { env });
  expect(half.code).toBe(1);
  expect(half.stdout).toContain('done policy tasklease-login');
  expect(half.stderr).toContain('1 of 2 steps are done; not done: role auth/token/roles/tasklease');
  expect(half.stdout + half.stderr).not.toContain(token);
  expect((await policy('apply', '--yes')).code).toBe(0);
  expect((await policy('diff')).code).toBe(0);
});
