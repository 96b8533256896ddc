// Narrowness that Vault itself enforces: with the very tokens that tasks had, as Vault's audit device wrote them in
// clear, a task reads its own customer's record and is answered 403 for the neighbour's.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { customerPolicy, customerRecords } from '../harness/customers.ts';
import { profile } from '../harness/sample-profiles.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const customer = (path: string, alias = '{{params.customer}}') =>
  profile({
    params: { customer: { pattern: '[^/]*' }, other: { pattern: 'c-[0-9]+', optional: true } },
    vault: { policies: ['tasklease-customer'], entity_alias: alias },
    secrets: { record: { path, files: { 'record.json': { format: 'json' } } } },
  });

const ROLE = 'auth/token/roles/tasklease';
const SHIPPED_SESSION = 'sys/policies/acl/tasklease-session';

let world: World;
beforeAll(async () => {
  world = await createWorld({
    audit: true,
    profiles: {
      customer: customer('secret/data/customers/{{params.customer}}'),
      // What a profile must not be written like, and what Vault holds against it.
      curious: customer('secret/data/customers/{{params.other}}'),
    },
  });
  const policy = await customerPolicy(world.vault);
  await admin('PUT', 'sys/policies/acl/tasklease-customer', { policy });
  await customerRecords(world.vault, ['c-1', 'c-2']);
  const { allowed_policies_glob } = (await admin('GET', ROLE)).data!;
  await admin('POST', ROLE, {
    allowed_policies_glob: [...(allowed_policies_glob as string[]), 'tasklease-customer'],
  });
});
beforeEach(() => admin('POST', ROLE, { allowed_entity_aliases: ['c-*'] }));
afterAll(() => world?.close());

const admin = (method: string, path: string, body?: unknown) => administer(world, method, path, body);

const start = (task: string, profile: string, params: Record<string, string>) =>
  world.api('PUT', `/v1/tasks/${task}`, { profile, params });

interface Made {
  readonly token: string;
  readonly alias: unknown;
  readonly entity: string;
}

/** The tokens that were made for a task, in order, from Vault's audit device. */
const tokensOf = (task: string): Made[] =>
  readFileSync(world.paths.audit, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ type, request, response }) => {
      const made = type === 'response' && request.path === 'auth/token/create/tasklease';
      return made && response?.auth !== undefined && request.data.meta?.task === task;
    })
    .map(({ request, response }) => ({
      token: response.auth.client_token,
      alias: request.data.entity_alias,
      entity: response.auth.entity_id,
    }));

const readAs = (token: string, path: string) => world.vault.request('GET', path, undefined, token);
const record = (of: string): string => `secret/data/customers/${of}`;

test("two tasks for two customers at once: each token reads its own record, and gets 403 for the neighbour's", async () => {
  await Promise.all([
    startTask(world, 'of-one', 'customer', { params: { customer: 'c-1' } }),
    startTask(world, 'of-two', 'customer', { params: { customer: 'c-2' } }),
  ]);
  expect(JSON.parse(await world.file('of-one', 'record.json'))).toEqual({ owner: 'c-1' });
  expect(JSON.parse(await world.file('of-two', 'record.json'))).toEqual({ owner: 'c-2' });
  const [[one], [two]] = [tokensOf('of-one'), tokensOf('of-two')];
  for (const [made, own, neighbour] of [
    [one, 'c-1', 'c-2'],
    [two, 'c-2', 'c-1'],
  ] as const) {
    expect(made!.alias).toBe(own);
    const mine = await readAs(made!.token, record(own));
    expect(mine.status, JSON.stringify(mine.body)).toBe(200);
    expect(mine.body.data).toMatchObject({ data: { owner: own } });
    expect((await readAs(made!.token, record(neighbour))).status).toBe(403);
    expect((await readAs(made!.token, record(`${own}/deeper`))).status).toBe(403);
    expect((await readAs(made!.token, 'secret/metadata/customers?list=true')).status).toBe(403);
  }
  expect(one!.entity).not.toBe(two!.entity);
  await Promise.all(['of-one', 'of-two'].map((task) => stopTask(world, task)));
  for (const { token } of [one!, two!]) {
    expect((await readAs(token, 'auth/token/lookup-self')).status).toBe(403);
  }
});

test('a profile whose path goes elsewhere than its alias gets nothing: Vault itself refuses it', async () => {
  const reply = await start('curious', 'curious', { customer: 'c-1', other: 'c-2' });
  const problem = expectProblem(reply, 502, 'VAULT_DENIED');
  expect(problem.detail).toContain(`${record('c-2')} was answered 403`);
  await world.untilNothingLeft();
  const same = await start('curious', 'curious', { customer: 'c-1', other: 'c-1' });
  expect(same.status, same.text).toBe(201);
  await stopTask(world, 'curious');
});

test('Vault keeps one entity a name, however many tasks there were', async () => {
  const entities = async (): Promise<unknown[]> =>
    ((await world.vault.request('GET', 'identity/entity/id?list=true')).body.data?.keys ?? []) as unknown[];
  const before = await entities();
  for (const [i, name] of ['c-1', 'c-2', 'c-1', 'c-2'].entries()) {
    await startTask(world, `again-${i}`, 'customer', { params: { customer: name } });
    await stopTask(world, `again-${i}`);
  }
  expect(await entities()).toHaveLength(before.length);
});

test.each(['C-1', 'c-*', 'c-+', '..', 'c-1/../c-2', 'c 1', '', 'c-1\n', '{{x}}', '%2e'])(
  'the name %j is refused before Vault is asked, and says what it has to be',
  async (name) => {
    const problem = expectProblem(await start('odd', 'customer', { customer: name }), 400, 'SIGNAL_INVALID');
    expect(problem.hint).toMatch(/\S/);
    expect(tokensOf('odd')).toEqual([]);
  },
);

test('what the agent keeps away: Vault gives C-1 the rights of c-1', async () => {
  const token = await admin('POST', 'auth/token/create/tasklease', {
    policies: ['tasklease-customer'],
    entity_alias: 'C-1',
  });
  expect((await readAs(token.auth!.client_token, record('c-1'))).status).toBe(200);
  expect((await readAs(token.auth!.client_token, record('C-1'))).status).toBe(403);
  await admin('POST', 'auth/token/revoke', { token: token.auth!.client_token });
});

test('a token role that does not allow the alias: VAULT_DENIED, and the hint names the setting', async () => {
  for (const allowed of [[], ['d-*', 'c']]) {
    await admin('POST', ROLE, { allowed_entity_aliases: allowed });
    const problem = expectProblem(await start('no', 'customer', { customer: 'c-1' }), 502, 'VAULT_DENIED');
    expect(problem.hint).toMatch(/token role tasklease .*allowed_entity_aliases/);
  }
  await world.untilNothingLeft();
});

test('a session policy without entity_alias: VAULT_DENIED, never a token without the alias', async () => {
  const { policy } = (await admin('GET', SHIPPED_SESSION)).data as { policy: string };
  const without = policy.replace(/^\s*"entity_alias".*\n/m, '');
  expect(without).not.toBe(policy);
  await admin('PUT', SHIPPED_SESSION, { policy: without });
  try {
    const problem = expectProblem(await start('mute', 'customer', { customer: 'c-1' }), 502, 'VAULT_DENIED');
    expect(problem.hint).toContain('entity_alias');
    expect(tokensOf('mute')).toEqual([]);
  } finally {
    await admin('PUT', SHIPPED_SESSION, { policy });
  }
});

test('an entity with a policy of its own: the token has more than the profile gives, so it is not used', async () => {
  await startTask(world, 'before-more', 'customer', { params: { customer: 'c-2' } });
  const [made] = tokensOf('before-more');
  await stopTask(world, 'before-more');
  await admin('POST', `identity/entity/id/${made!.entity}`, { policies: ['tasklease-app-config'] });
  try {
    const problem = expectProblem(
      await start('more', 'customer', { customer: 'c-2' }),
      502,
      'VAULT_CONTRACT',
    );
    expect(problem.detail).toContain('tasklease-app-config');
    expect((await readAs(tokensOf('more')[0]!.token, record('c-2'))).status).toBe(403);
  } finally {
    await admin('POST', `identity/entity/id/${made!.entity}`, { policies: [] });
  }
});

test('a profile that comes to make another alias: its living tasks keep theirs, new ones have the new one', async () => {
  await startTask(world, 'keeps', 'customer', { params: { customer: 'c-1' } });
  await world.writeProfile('customer', { ...customer(record('c-2'), 'c-2'), overlap: '1s' });
  await until('the new version is in force', async () => world.logs().includes('living tasks keep what'));
  await startTask(world, 'new', 'customer', { params: { customer: 'c-1' } });
  expect(JSON.parse(await world.file('new', 'record.json'))).toEqual({ owner: 'c-2' });
  expect(JSON.parse(await world.file('keeps', 'record.json'))).toEqual({ owner: 'c-1' });
  expect([...tokensOf('keeps'), ...tokensOf('new')].map(({ alias }) => alias)).toEqual(['c-1', 'c-2']);
  await stopTask(world, 'keeps');
  await stopTask(world, 'new');
  await world.untilNothingLeft();
});
