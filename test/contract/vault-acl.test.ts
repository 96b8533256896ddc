// What src/policy says that policies permit is what a real Vault says and does: paths with `+`, `*`, deny and several
// policies by its capabilities, lists and limits on parameters by requests, templates by a token with an entity alias.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import type { Capability } from '../../src/domain/policy-line.ts';
import { printHcl } from '../../src/policy/hcl-print.ts';
import { readPolicy } from '../../src/policy/hcl-read.ts';
import type { PathRule, Policy } from '../../src/policy/model.ts';
import { type Known, permits } from '../../src/policy/permits.ts';
import { administer } from '../harness/administer.ts';

const dir = mkdtempSync(join(tmpdir(), 'tasklease-acl-'));
let vault: VaultServer;
beforeAll(async () => {
  guardDirectory(dir);
  const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
  vault = await startVault({ binary, dir: join(dir, 'vault'), storage: 'inmem' });
  await root('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '1' } });
});
afterAll(async () => {
  await vault?.kill();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  forgetDirectory(dir);
});

const root = (method: string, path: string, body?: unknown) => administer({ vault }, method, path, body);

const CAPABILITIES: readonly Capability[] = ['create', 'read', 'update', 'delete'];

/** A token with just these policies, which are written as render writes them and read back as every command does. */
async function tokenWith(policies: readonly Policy[], more: Record<string, unknown> = {}): Promise<string> {
  for (const policy of policies)
    await root('PUT', `sys/policies/acl/${policy.name}`, { policy: printHcl(policy) });
  const names = policies.map(({ name }) => name);
  const path = Object.hasOwn(more, 'entity_alias') ? 'auth/token/create/aliased' : 'auth/token/create';
  const { auth } = await root('POST', path, {
    policies: names,
    no_default_policy: true,
    ttl: '10m',
    ...more,
  });
  return auth!.client_token;
}

const readBack = (policies: readonly Policy[]): Policy[] =>
  policies.map((policy) => readPolicy(printHcl(policy), policy.name, policy.name));

/** Where we say something else than Vault does. */
async function differences(
  given: readonly Policy[],
  paths: readonly string[],
  known: Known = {},
  more: Record<string, unknown> = {},
): Promise<string[]> {
  const token = await tokenWith(given, more);
  const policies = readBack(given);
  const { data } = await root('POST', 'sys/capabilities', { token, paths });
  const found: string[] = [];
  for (const path of paths) {
    const has = data![path] as string[];
    for (const capability of CAPABILITIES) {
      const ours = permits(policies, { path, capabilities: [capability] }, known);
      if (ours.permitted !== has.includes(capability))
        found.push(`${capability} ${path}: Vault ${has.join()}, we ${ours.permitted ? 'yes' : ours.why}`);
    }
  }
  for (const path of paths.filter((each) => each.startsWith('kv/'))) {
    const { status } = await vault.request('LIST', path, undefined, token);
    const ours = permits(policies, { path, capabilities: ['list'] }, known);
    if (ours.permitted !== (status !== 403))
      found.push(`list ${path}: Vault ${status}, we ${ours.permitted ? 'yes' : ours.why}`);
  }
  return found;
}

const PATHS = [
  ...['kv', 'kv/a', 'kv/ab', 'kv/b', 'kv/b+', 'kv/a/a', 'kv/a/b', 'kv/a/ab', 'kv/ab/b'],
  ...['kv/a/a/a', 'kv/a/b/ab', 'kv/b/a/b', 'kv/a/b/a/b', 'other/a', 'sys/policies/acl/a'],
];

const rule = (
  path: string,
  capabilities: Capability[] = ['read', 'list'],
  more: Partial<PathRule> = {},
): PathRule => ({
  path,
  capabilities,
  ...more,
});

describe('paths', () => {
  test.each([
    ['an exact path', [[rule('kv/a')]]],
    ['a glob', [[rule('kv/a*')]]],
    ['a glob after a slash', [[rule('kv/a/*')]]],
    ['one segment', [[rule('kv/+')]]],
    ['one segment, then a glob', [[rule('kv/+/a*')]]],
    ['a first segment', [[rule('+/a')]]],
    ['a plus sign within a segment', [[rule('kv/b+'), rule('kv/+/b', ['create'])]]],
    ['a slash at the end', [[rule('kv/a/')]]],
    ['everything', [[rule('*')]]],
    ['the exact before the glob', [[rule('kv/a/*', ['create']), rule('kv/a/b')]]],
    ['the longer glob', [[rule('kv/*', ['create']), rule('kv/a/*')]]],
    ['the later wildcard', [[rule('kv/+/b', ['create']), rule('kv/a/*')]]],
    ['no glob at the end', [[rule('kv/+/*', ['create']), rule('kv/+/b')]]],
    ['fewer plus signs', [[rule('kv/+/+/b', ['create']), rule('kv/+/b/ab')]]],
    ['a deny that is more exact', [[rule('kv/*')], [rule('kv/a/b', ['deny'])]]],
    ['a deny that is less exact', [[rule('kv/a/b')], [rule('kv/*', ['deny'])]]],
    ['a deny for the same path', [[rule('kv/a/b')], [rule('kv/a/b', ['deny'])]]],
    ['two policies for one path', [[rule('kv/a/+', ['read'])], [rule('kv/a/+', ['update'])]]],
    ['a path twice in one policy', [[rule('kv/a/+', ['read']), rule('kv/a/+', ['update'])]]],
  ] as const)('%s', async (_what, lists) => {
    const policies = lists.map((rules, at): Policy => ({ name: `table-${at}`, rules: [...rules] }));
    expect(await differences(policies, PATHS)).toEqual([]);
  });

  const segment = fc.constantFrom('a', 'ab', 'b', '+', 'b+');
  const path = fc
    .tuple(
      fc.constantFrom('kv', 'kv', 'kv', '+'),
      fc.array(segment, { maxLength: 3 }),
      fc.constantFrom('', '', '*', '/*', '/'),
    )
    .map(([mount, segments, end]) => `${[mount, ...segments].join('/')}${end}`)
    // Vault takes no such policy.
    .filter((each) => !each.includes('+*'));
  const capabilities = fc
    .subarray([...CAPABILITIES, 'list'] as Capability[], { minLength: 1 })
    .chain((some) => fc.constantFrom(some, some, some, ['deny'] as Capability[]));
  const rules = fc.uniqueArray(fc.record({ path, capabilities }), {
    minLength: 1,
    maxLength: 5,
    selector: (each) => each.path,
  });

  test('of sixty sets of policies that nobody thought of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rules, { minLength: 1, maxLength: 2 }), async (lists) => {
        const policies = lists.map((some, at): Policy => ({ name: `drawn-${at}`, rules: some }));
        expect(await differences(policies, PATHS)).toEqual([]);
      }),
      { numRuns: 60, seed: 8, endOnFailure: true },
    );
  }, 300_000);

  test('templates have the name of the entity alias, and are nothing for a token without one', async () => {
    await root('POST', 'auth/token/roles/aliased', {
      allowed_policies_glob: ['*'],
      allowed_entity_aliases: ['ab'],
      token_no_default_policy: true,
    });
    const accessor = ((await root('GET', 'sys/auth')).data!['token/'] as { accessor: string }).accessor;
    const template = `identity.entity.aliases.${accessor}.name`;
    const policies: Policy[] = [{ name: 'templated', rules: [rule(`kv/{{${template}}}/b`)] }];
    const identity = (asked: string) => (asked === template ? 'ab' : undefined);
    expect(await differences(policies, PATHS, { identity }, { entity_alias: 'ab' })).toEqual([]);
    expect(await differences(policies, PATHS)).toEqual([]);
  });
});

describe('parameters', () => {
  type Limits = Partial<Pick<PathRule, 'allowed' | 'denied' | 'required'>>;
  const BODIES: Record<string, unknown>[] = [
    {},
    ...[
      'x',
      'y',
      'a.x',
      'xa',
      '',
      '*',
      true,
      false,
      5,
      ['x'],
      ['x', 'y'],
      { k: 'x' },
      'x,y',
      'y, x',
      ' ',
      [],
      [''],
      null,
    ].map((n) => ({ n })),
    { m: 'x' },
    { n: 'x', m: 'x' },
    { N: 'x' },
    { n: 'x', Name: 'x' },
  ];

  async function compared(limits: readonly Limits[]): Promise<string[]> {
    const policies = limits.map(
      (more, at): Policy => ({
        name: `limits-${at}`,
        rules: [rule('kv/limited', ['create', 'update'], more)],
      }),
    );
    const token = await tokenWith(policies);
    const found: string[] = [];
    for (const body of BODIES) {
      const { status } = await vault.request('POST', 'kv/limited', body, token);
      const asked = { path: 'kv/limited', capabilities: ['update'] as const, body };
      const ours = permits(readBack(policies), asked);
      if (ours.permitted !== (status !== 403))
        found.push(`${JSON.stringify(body)}: Vault ${status}, we ${ours.permitted ? 'yes' : ours.why}`);
    }
    return found;
  }

  test.each([
    [[{ allowed: { n: ['*x'] } }]],
    [[{ allowed: { n: ['x*'] } }]],
    [[{ allowed: { n: ['*x*'] } }]],
    [[{ allowed: { n: ['*'] } }]],
    [[{ allowed: { n: [''] } }]],
    [[{ allowed: { n: [] } }]],
    [[{ allowed: { n: ['x'], '*': [] } }]],
    [[{ allowed: { '*': [] } }]],
    [[{ allowed: { n: [true] } }]],
    [[{ allowed: { n: [5] } }]],
    [[{ allowed: { n: [['x', 'y']] } }]],
    [[{ allowed: { N: ['x'] } }]],
    [[{ denied: { '*': [] } }]],
    [[{ denied: { n: ['x', false] } }]],
    [[{ denied: { n: [] } }]],
    [[{ required: ['n'] }]],
    [[{ required: ['Name'] }]],
    [[{ required: ['n'], allowed: { n: ['x'], m: [] } }]],
    [[{ allowed: { n: ['x'] } }, { allowed: { m: [] } }]],
    [[{ allowed: { n: ['x'] } }, { denied: { n: ['x'] } }]],
    [[{ allowed: { n: ['x'] } }, {}]],
    [[{ required: ['n'] }, { required: ['m'] }]],
  ] as [Limits[]][])('%j', async (limits) => {
    expect(await compared(limits)).toEqual([]);
  });

  const value = fc.constantFrom<unknown>('x', 'y', '*x', 'x*', true, ['x']);
  const values = fc.array(value, { maxLength: 2 });
  const names = fc.constantFrom('n', 'm', '*');
  const limit = fc.dictionary(names, values, { minKeys: 1, maxKeys: 2 });
  const drawn: fc.Arbitrary<Limits> = fc.record(
    { allowed: limit, denied: limit, required: fc.subarray(['n', 'm'], { minLength: 1 }) },
    { requiredKeys: [] },
  );

  test('of sixty limits that nobody thought of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(drawn, { minLength: 1, maxLength: 2 }), async (limits) => {
        expect(await compared(limits)).toEqual([]);
      }),
      { numRuns: 60, seed: 8, endOnFailure: true },
    );
  }, 300_000);
});
