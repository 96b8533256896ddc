// Owns the story of vault.mode: jwt, on a real Vault: tasks log in with their own assertions, Vault itself keeps two
// customers apart, and the agent's session could not read a secret if it wanted to.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { AUDIENCE, assertionOf, ISSUER, pem, signingKey } from '../harness/issuer.ts';
import { otherUser } from '../harness/other-user.ts';
import type { Json } from '../harness/socket-api.ts';
import { expectProblem, showTask, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const key = signingKey('ES256');
/** Approvals are given by somebody else than who asks. */
const requester = otherUser(1000, 1000);
const uids = [process.getuid!()];
let world: World;
let keyFile = '';

const admin = (method: string, path: string, body?: unknown) => administer(world, method, path, body);
const role = {
  ...JSON.parse(readFileSync('vault-policies/jwt-role.json', 'utf8')),
  token_policies: ['tasklease-report-read', 'customers'],
  token_ttl: '10s',
};
const writeRole = (name: string, changes: Json = {}) =>
  admin('POST', `auth/jwt/role/${name}`, { ...role, ...changes });
const profile = (roleName: string, more: Json = {}): Json => ({
  allow: {
    uids,
    assertion: {
      issuer: ISSUER,
      public_key_file: keyFile,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      claims: { repository: 'acme/shop' },
    },
  },
  params: { customer: { claim: 'customer', pattern: 'c-[0-9]+|.*' } },
  vault: { mode: 'jwt', role: roleName, claims: ['customer'] },
  secrets: {
    record: {
      path: 'secret/data/customers/{{params.customer}}',
      files: { 'record.json': { format: 'json' } },
    },
  },
  ...more,
});
const database = { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } };

beforeAll(async () => {
  world = await createWorld({
    audit: true,
    start: false,
    leash: '10s',
    config: { socket: { mode: '0666' } },
  });
  keyFile = `${world.paths.scratch}/issuer.pem`;
  const { writeFile } = await import('node:fs/promises');
  await writeFile(keyFile, pem(key));
  await admin('POST', 'sys/auth/jwt', { type: 'jwt' });
  await admin('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem(key)] });
  const accessor = (await admin('GET', 'sys/auth')).data['jwt/'].accessor;
  await admin('PUT', 'sys/policies/acl/customers', {
    policy: `path "secret/data/customers/{{identity.entity.aliases.${accessor}.metadata.customer}}" { capabilities = ["read"] }`,
  });
  for (const customer of ['c-1', 'c-2']) {
    await admin('POST', `secret/data/customers/${customer}`, { data: { owner: customer } });
  }
  await writeRole('deploy');
  await writeRole('with-default', { token_no_default_policy: false });
  await writeRole('too-long', { token_ttl: '1h' });
  await writeRole('batch', { token_type: 'batch' });
  await writeRole('maps-more', { claim_mappings: { customer: 'customer', ref: 'branch' } });
  // The session of an agent that has such profiles alone: it makes no tokens.
  await admin('POST', 'auth/token/roles/tasklease-session', {
    ...JSON.parse(readFileSync('vault-policies/session-role.json', 'utf8')),
    token_period: '10s',
    allowed_policies: ['tasklease-session-jwt'],
  });
  for (const name of ['deploy', 'with-default', 'too-long', 'batch', 'maps-more']) {
    await world.writeProfile(name, profile(name));
  }
  await world.writeProfile(
    'named',
    profile('deploy', { vault: { mode: 'jwt', role: 'deploy', policies: ['customers'] } }),
  );
  const approved = profile('deploy', { approval: { required: true, ttl: '2m' } });
  approved.allow.uids = [1000];
  await world.writeProfile('approved', approved);
  await world.writeProfile('query', profile('deploy', { secrets: database }));
  await world.agent.start();
}, 300_000);
afterAll(() => world?.close());
beforeEach(() => expect(world.agent.running).toBe(true));

const audited = (): Json[] =>
  readFileSync(world.paths.audit, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const logins = () =>
  audited().filter(({ type, request }) => type === 'response' && request.path === 'auth/jwt/login');
const tokens = (): string[] => logins().flatMap(({ response }) => response?.auth?.client_token ?? []);
const assertion = (customer: string, sub: string, changes: Json = {}) =>
  assertionOf(key, { customer, sub, ...changes });
const put = (task: string, name: string, jwt: string) =>
  world.api('PUT', `/v1/tasks/${task}`, { profile: name, assertion: jwt });
/** A read with this token, as a thief would make it. */
const readAs = async (token: string, path: string): Promise<number> =>
  (await world.vault.request('GET', path, undefined, token)).status;

test('two tasks for two customers: each reads its own record, and Vault itself refuses the other’s', async () => {
  await startTask(world, 'one', 'deploy', { assertion: assertion('c-1', 'job-1') });
  const [first] = tokens().slice(-1);
  await startTask(world, 'two', 'deploy', { assertion: assertion('c-2', 'job-2') });
  const [second] = tokens().slice(-1);
  expect(JSON.parse(await world.file('one', 'record.json'))).toEqual({ owner: 'c-1' });
  expect(JSON.parse(await world.file('two', 'record.json'))).toEqual({ owner: 'c-2' });
  for (const [token, own, other] of [
    [first!, 'c-1', 'c-2'],
    [second!, 'c-2', 'c-1'],
  ] as const) {
    expect(await readAs(token, `secret/data/customers/${own}`)).toBe(200);
    expect(await readAs(token, `secret/data/customers/${other}`)).toBe(403);
  }
  for (const task of ['one', 'two']) await stopTask(world, task);
  for (const token of [first!, second!]) expect(await readAs(token, 'secret/data/customers/c-1')).toBe(403);
});

test('a second start with the same sub and another customer is refused while the first one lives', async () => {
  await startTask(world, 'holder', 'deploy', { assertion: assertion('c-1', 'shared') });
  const before = logins().length;
  const refused = expectProblem(
    await put('rival', 'deploy', assertion('c-2', 'shared')),
    403,
    'PROFILE_DENIED',
  );
  expect(refused).toMatchObject({
    retryable: true,
    detail: expect.stringMatching(/same sub and other claims/),
  });
  expect(logins().length, 'Vault was not asked').toBe(before);
  // The same customer again changes nothing for the first.
  await startTask(world, 'twin', 'deploy', { assertion: assertion('c-1', 'shared') });
  for (const task of ['holder', 'twin']) await stopTask(world, task);
  await startTask(world, 'rival', 'deploy', { assertion: assertion('c-2', 'shared') });
  await stopTask(world, 'rival');
});

test.each(['*', '+', 'c-1/..', 'c-1/x', 'c 1', '..', ''])(
  'a claim %j that policies would see is refused before any login',
  async (customer) => {
    const before = logins().length;
    const jwt = assertion(customer, 'job-w');
    expect([403]).toContain((await put('wild', 'deploy', jwt)).status);
    expect(logins().length).toBe(before);
  },
);

test('a sub with a wildcard is refused before any login', async () => {
  const before = logins().length;
  expectProblem(await put('wild-sub', 'deploy', assertion('c-1', 'job-*')), 403, 'PROFILE_DENIED');
  expect(logins().length).toBe(before);
});

test.each([
  ['with-default', 'VAULT_CONTRACT', /token_no_default_policy=true/],
  ['too-long', 'VAULT_CONTRACT', /token_ttl=10s or less/],
  ['batch', 'VAULT_CONTRACT', /token_type=service/],
  ['maps-more', 'PROFILE_DENIED', /maps branch/],
  ['named', 'VAULT_CONTRACT', /gives the policies/],
])(
  'a role that is not as it must be (%s) gives nothing, and its token is revoked',
  async (name, code, why) => {
    const task = `bad-${name}`;
    const reply = await put(task, name, assertion('c-1', `job-${name}`));
    expectProblem(reply, code === 'PROFILE_DENIED' ? 403 : 502, code);
    expect(reply.body.detail).toMatch(why);
    const [token] = tokens().slice(-1);
    // A batch token cannot be revoked: it ends by its TTL, which is why it is refused.
    if (name === 'batch') return;
    await until(
      'its token is revoked',
      async () => (await readAs(token!, 'secret/data/customers/c-1')) === 403,
    );
  },
);

test('an assertion that Vault does not take is refused with Vault’s own reason, and nothing is left', async () => {
  const other = assertion('c-1', 'job-x', { repository: 'acme/shop' });
  await writeRole('strict', { bound_claims: { repository: 'acme/other' } });
  await world.writeProfile('strict', profile('strict'));
  const reply = await until('the profile is read', async () => {
    const got = await put('strict', 'strict', other);
    return got.status !== 404 && got;
  });
  expectProblem(reply, 502, 'VAULT_DENIED');
  expect(reply.body.hint).toMatch(/bound_claims/);
});

describe('a task that lives longer than its token', () => {
  test('is kept alive by renewals, and ends proved', async () => {
    await startTask(world, 'long', 'query', { assertion: assertion('c-1', 'job-long') });
    const token = tokens().at(-1)!;
    await new Promise((resolve) => setTimeout(resolve, 14_000));
    expect(await showTask(world, 'long')).toMatchObject({ state: 'active', generation: 1 });
    expect(await readAs(token, 'database/creds/report')).toBe(200);
    const receipt = await stopTask(world, 'long');
    expect(receipt.leases).toMatchObject([{ secret: 'db', proof: 'revoked' }]);
    expect(await readAs(token, 'database/creds/report')).toBe(403);
    await world.untilNothingLeft();
  });

  test('is taken over by the next agent after kill -9, which renews its token', async () => {
    await startTask(world, 'adopted', 'query', { assertion: assertion('c-1', 'job-adopted') });
    await world.agent.kill9();
    await world.agent.start();
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    expect(await showTask(world, 'adopted')).toMatchObject({ state: 'active', generation: 1 });
    await stopTask(world, 'adopted');
    await world.untilNothingLeft();
  });

  test('ends within the leash when no agent comes back', async () => {
    await startTask(world, 'alone', 'query', { assertion: assertion('c-1', 'job-alone') });
    expect(await world.pgRoles()).toHaveLength(1);
    await world.agent.kill9();
    await until('Vault has dropped the role', async () => (await world.pgRoles()).length === 0, 25_000);
    await world.agent.start();
    await world.untilNothingLeft();
  });
});

test('with the agent’s session in hand nobody reads a secret, makes a token or widens anything', async () => {
  await startTask(world, 'beside', 'query', { assertion: assertion('c-1', 'job-beside') });
  const session = readFileSync(`${world.paths.runtime}/session-token`, 'utf8').trim();
  const token = /hvs\.[A-Za-z0-9_-]+/.exec(session)![0];
  const as = async (method: string, path: string, body?: Json) =>
    (await world.vault.request(method, path, body, token)).status;
  expect(await as('GET', 'auth/token/lookup-self')).toBe(200);
  for (const path of [
    ...['secret/data/customers/c-1', 'secret/metadata/customers?list=true', 'secret/data/app/prod'],
    ...[
      'database/creds/report',
      'database/config/app',
      'cubbyhole/x',
      'sys/mounts',
      'sys/policies/acl/customers',
    ],
    ...['sys/auth', 'auth/jwt/role/deploy', 'auth/token/accessors?list=true', 'identity/entity/id?list=true'],
    ...['sys/raw/core', 'sys/audit', 'sys/internal/ui/mounts/secret', 'auth/token/roles/tasklease'],
  ]) {
    expect(await as('GET', path), path).toBe(403);
  }
  for (const [path, body] of [
    ['auth/token/create', {}],
    ['auth/token/create-orphan', {}],
    ['auth/token/create/tasklease', { policies: ['tasklease-report-read'], ttl: '1m' }],
    ['auth/token/create/tasklease-session', {}],
    ['pki/issue/app', { common_name: 'a.app.internal' }],
    ['secret/data/customers/c-1', { data: {} }],
    ['sys/policies/acl/mine', { policy: '' }],
    ['auth/jwt/role/deploy', role],
    ['sys/leases/revoke-prefix/database', {}],
    ['sys/wrapping/wrap', { a: 1 }],
    ['identity/entity', {}],
  ] as const) {
    expect(await as('POST', path, body), path).toBe(403);
  }
  await stopTask(world, 'beside');
});

describe('with approval', () => {
  const ask = (task: string, jwt: string) =>
    requester.call(world.paths.socket, 'PUT', `/v1/tasks/${task}`, { profile: 'approved', assertion: jwt });
  const asAdmin = { api: (...call: Parameters<World['admin']>) => world.admin(...call) };
  const approve = (task: string) => world.admin('POST', `/v1/tasks/${task}/approval`, { approve: true });

  test('nobody logs in before the approval, and afterwards it is the assertion that was shown', async () => {
    const before = logins().length;
    const asked = await ask('asks', assertion('c-1', 'asks'));
    expect(asked.status).toBe(202);
    expect(asked.body).toMatchObject({ state: 'pending_approval' });
    expect(logins().length, 'Vault was not asked').toBe(before);
    expect((await approve('asks')).status).toBe(200);
    await until('the task is active', async () => (await showTask(asAdmin, 'asks')).state === 'active');
    expect(logins().length).toBe(before + 1);
    expect(JSON.parse(await world.file('asks', 'record.json'))).toEqual({ owner: 'c-1' });
    await stopTask(asAdmin, 'asks');
  });

  test('a request does not outlive its agent, whose memory held the assertion: it is asked for anew', async () => {
    const jwt = assertion('c-1', 'waits');
    expect((await ask('waits', jwt)).status).toBe(202);
    await world.agent.kill9();
    await world.agent.start();
    expectProblem(await approve('waits'), 400, 'SIGNAL_INVALID');
    expect((await ask('waits', jwt)).status, 'nothing is spent').toBe(202);
    expect((await approve('waits')).status).toBe(200);
    await until('the task is active', async () => (await showTask(asAdmin, 'waits')).state === 'active');
    await stopTask(asAdmin, 'waits');
  });
});
