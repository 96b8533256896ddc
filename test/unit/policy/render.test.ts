// Profiles become the least that Vault has to allow: what is written here is what an administrator would have to review.
import { describe, expect, test } from 'vitest';
import type { Profile } from '../../../src/domain/profile.ts';
import { printHcl } from '../../../src/policy/hcl-print.ts';
import { readPolicy } from '../../../src/policy/hcl-read.ts';
import { renderKit } from '../../../src/policy/kit.ts';
import { DEFAULT_NAMES, policiesOf } from '../../../src/policy/names.ts';
import { permits } from '../../../src/policy/permits.ts';
import { profileRequests, sampleRequest } from '../../../src/policy/requests.ts';
import { printTerraform } from '../../../src/policy/terraform.ts';
import { profileOf, reading, writing } from './samples.ts';

const kitOf = (...profiles: Profile[]) =>
  renderKit(profiles, { names: DEFAULT_NAMES, accessors: { token: 'auth_token_1' } });
const rulesOf = (profile: Profile, name = `tasklease-${profile.name}`) =>
  kitOf(profile)
    .policies.find(({ policy }) => policy.name === name)!
    .policy.rules.map(({ comment: _comment, ...rule }) => rule);
const role = (profiles: Profile[], file: string) =>
  kitOf(...profiles).roles.find((each) => each.file === file)!.body;

const customer = { customer: { pattern: 'c-[0-9]{1,12}' } };
const assertion = {
  issuer: 'https://ci.example',
  audience: 'tasklease',
  algorithms: ['ES256'],
  public_key_file: '/k.pem',
  claims: { repository: 'acme/shop', ref: 'refs/heads/**' },
};

describe('paths', () => {
  test('a closed list is written out', () => {
    const paths = rulesOf(
      reading('database/creds/report-{{params.env}}', { params: { env: { enum: ['staging', 'prod'] } } }),
    );
    expect(paths.map(({ path }) => path)).toEqual([
      'database/creds/report-staging',
      'database/creds/report-prod',
    ]);
  });

  test.each([
    ['secret/data/{{params.customer}}/x', 'secret/data/+/x'],
    ['secret/data/{{params.customer}}', 'secret/data/+'],
    ['secret/data/x-{{task.id}}', 'secret/data/x-*'],
    ['secret/data/x-{{task.id}}/y', 'secret/data/+/y'],
    ['secret/data/x-{{params.customer}}', 'secret/data/x-c-*'],
    ['secret/data/{{task.profile}}', 'secret/data/sample'],
  ])('%s is %s, and a comment says what Vault cannot tell apart', (path, written) => {
    const { policy } = kitOf(reading(path, { params: customer })).policies.at(-1)!;
    expect(policy.rules[0]!.path).toBe(written);
    expect(policy.rules[0]!.comment!.join(' ').includes('Vault cannot see')).toBe(
      written.includes('+') || written.includes('*'),
    );
  });

  test('what the entity alias pins is a template, wherever it stands', () => {
    const profile = (path: string, entity_alias: string) =>
      reading(path, { params: customer, vault: { policies: ['tasklease-sample'], entity_alias } });
    expect(
      rulesOf(profile('secret/data/customers/{{ params.customer }}', '{{params.customer}}'))[0]!.path,
    ).toBe('secret/data/customers/{{identity.entity.aliases.auth_token_1.name}}');
    expect(
      rulesOf(profile('secret/data/cust-{{params.customer}}-x', 'cust-{{params.customer}}'))[0]!.path,
    ).toBe('secret/data/{{identity.entity.aliases.auth_token_1.name}}-x');
    expect(rulesOf(profile('secret/data/{{params.customer}}', 'fixed'))[0]!.path).toBe('secret/data/+');
  });

  test('in jwt mode a claim that is mapped as it is, is a template on the metadata', () => {
    const profile = reading('secret/data/{{params.team}}/{{params.repo}}', {
      allow: { assertion },
      params: {
        team: { claim: 'team', pattern: '[a-z]+' },
        repo: { claim: 'repository', pattern: 'acme/([a-z]+)' },
      },
      vault: { mode: 'jwt', role: 'sample', policies: ['tasklease-sample'], claims: ['team'] },
    });
    const kit = renderKit([profile], { names: DEFAULT_NAMES, accessors: { jwt: 'auth_jwt_1' } });
    expect(kit.policies.at(-1)!.policy.rules[0]!.path).toBe(
      'secret/data/{{identity.entity.aliases.auth_jwt_1.metadata.team}}/+',
    );
    expect(kit.roles.find(({ path }) => path === 'auth/jwt/role/sample')!.body).toEqual({
      role_type: 'jwt',
      user_claim: 'jti',
      bound_audiences: ['tasklease'],
      bound_claims_type: 'glob',
      bound_claims: { iss: 'https://ci.example', repository: 'acme/shop', ref: 'refs/heads/*' },
      claim_mappings: { team: 'team' },
      token_type: 'service',
      token_policies: ['tasklease-sample'],
      token_no_default_policy: true,
      token_ttl: '5m',
      token_max_ttl: '1h1m15s',
    });
    expect(kit.policies.map(({ policy }) => policy.name)).toEqual([
      'tasklease-session-jwt',
      'tasklease-login',
      'tasklease-sample',
    ]);
  });
});

describe('parameters', () => {
  test('a body is limited to what the profile can say, and all of it is required', () => {
    const body = {
      common_name: '{{task.id}}.x.internal',
      ttl: '{{task.ttl}}',
      format: 'pem',
      exclude_cn_from_sans: true,
      bits: 2048,
      ips: ['a', 'b'],
      CamelCase: 'x',
      uri: 'spiffe://x/{{params.customer}}/y',
      own: '{{params.customer}}',
    };
    expect(rulesOf(writing('pki/issue/x', body, { params: customer }))).toEqual([
      {
        path: 'pki/issue/x',
        capabilities: ['update'],
        required: ['common_name', 'ttl', 'format', 'exclude_cn_from_sans', 'bits', 'ips', 'uri', 'own'],
        allowed: {
          common_name: ['*.x.internal'],
          ttl: [],
          format: ['pem'],
          exclude_cn_from_sans: [true],
          bits: [],
          ips: [['a', 'b']],
          CamelCase: ['x'],
          uri: ['spiffe://x/c-*'],
          own: ['c-*'],
        },
      },
    ]);
  });

  test('what has no body takes no parameter: not a write, and not a read', () => {
    const denied = { '*': [] };
    expect(rulesOf(writing('transit/x', undefined))).toEqual([
      { path: 'transit/x', capabilities: ['update'], denied },
    ]);
    expect(rulesOf(reading('secret/data/x'))).toEqual([
      { path: 'secret/data/x', capabilities: ['read'], denied },
    ]);
  });

  test('requests of one path become one line that permits each', () => {
    const files = (name: string) => ({ [name]: { format: 'json' } });
    const profile = profileOf('sample', {
      secrets: {
        a: { path: 'x/y', method: 'write', body: { n: 'one', m: 'z' }, files: files('a') },
        b: { path: 'x/y', method: 'write', body: { n: 'two' }, files: files('b') },
        c: { path: 'x/y', files: files('c') },
      },
    });
    expect(rulesOf(profile)).toEqual([
      { path: 'x/y', capabilities: ['update', 'read'], allowed: { n: ['one', 'two'], m: ['z'] } },
    ]);
  });
});

describe('the agent', () => {
  const child = reading(
    'database/creds/{{params.db}}',
    { params: { db: { enum: ['a', 'b'] } }, ttl: { default: '10m', max: '2h', grace: '15s' } },
    'one',
  );
  const pinned = reading(
    'secret/data/{{params.customer}}',
    {
      params: customer,
      vault: { policies: ['tasklease-two', 'extra'], entity_alias: '{{params.customer}}' },
    },
    'two',
  );

  test('its session makes tokens with the lists of the profiles only, and touches their leases only', () => {
    const [create, ...rest] = rulesOf(child, 'tasklease-session');
    expect(create!.allowed).toEqual({
      policies: [['tasklease-one']],
      ttl: [],
      renewable: [false],
      type: ['service'],
      no_default_policy: [true],
      display_name: [],
      meta: [],
    });
    for (const path of ['sys/leases/lookup', 'sys/leases/renew', 'sys/leases/revoke']) {
      expect(rest.find((rule) => rule.path === path)!.allowed!.lease_id).toEqual([
        'database/creds/a/*',
        'database/creds/b/*',
      ]);
    }
    expect(rest.map(({ path }) => path)).not.toContain('auth/token/renew-accessor');
  });

  test('an alias is limited in the session and in the token role', () => {
    const kit = kitOf(child, pinned);
    const session = kit.policies.find(({ policy }) => policy.name === 'tasklease-session')!.policy;
    expect(session.rules[0]!.allowed).toMatchObject({
      policies: [['tasklease-one'], ['tasklease-two', 'extra']],
      entity_alias: ['c-*'],
    });
    expect(role([child, pinned], 'token-role.json')).toEqual({
      orphan: false,
      token_type: 'service',
      renewable: false,
      token_no_default_policy: true,
      token_explicit_max_ttl: '2h1m15s',
      allowed_policies_glob: ['tasklease-one', 'tasklease-two', 'extra'],
      allowed_entity_aliases: ['c-*'],
    });
    expect(kit.notes).toEqual([
      'policy extra of profile two is not made here: its requests are permitted by tasklease-two alone',
    ]);
  });

  test('a policy that two profiles share permits both, and a note says so', () => {
    const kit = kitOf(
      reading('a/b', { vault: { policies: ['shared'] } }, 'one'),
      reading('c/d', { vault: { policies: ['shared'] } }, 'two'),
    );
    expect(
      kit.policies.find(({ policy }) => policy.name === 'shared')!.policy.rules.map(({ path }) => path),
    ).toEqual(['a/b', 'c/d']);
    expect(kit.notes[0]).toMatch(/^policy shared is shared by the profiles one, two/);
  });

  test('of several policies, the lines go into the one that fewest others have', () => {
    const kit = kitOf(
      reading('a/b', { vault: { policies: ['common', 'own-1'] } }, 'one'),
      reading('c/d', { vault: { policies: ['common', 'own-2'] } }, 'two'),
    );
    expect(kit.policies.map(({ policy }) => policy.name)).toEqual([
      'tasklease-session',
      'tasklease-login',
      'own-1',
      'own-2',
    ]);
  });
});

describe('in every case', () => {
  const params = { env: { enum: ['a', 'b'] }, ...customer };
  const cases = [
    reading('kv/{{params.env}}/{{params.customer}}/z', { params }),
    writing(
      'pki/issue/{{params.env}}',
      { common_name: '{{params.customer}}.{{params.env}}', ttl: '{{task.ttl}}', n: 5, o: { p: 'q' } },
      { params },
    ),
    writing('secret/data/{{task.id}}', { data: { a: '{{params.customer}}' } }, { params }),
    writing('transit/datakey/plaintext/k', undefined),
  ];
  test.each(cases)('each request is permitted by what is made for it (%#)', (profile) => {
    const policies = kitOf(profile).policies.map(({ file, policy }) =>
      readPolicy(printHcl(policy), policy.name, file),
    );
    const own = policies.filter(({ name }) => policiesOf(profile).includes(name));
    for (const request of profileRequests(profile).map((each) => sampleRequest(profile, each))) {
      expect(permits(own, request), request.path).toMatchObject({ permitted: true });
      expect(permits(own, { ...request, path: `${request.path}x/y` }), request.path).toMatchObject({
        permitted: false,
      });
    }
  });

  test('the order of the profiles does not matter', () => {
    const [a, b] = [reading('a/b', {}, 'one'), reading('c/d', {}, 'two')];
    expect(kitOf(a, b)).toEqual(kitOf(b, a));
  });
});

test('Terraform gets the accessor from Vault and takes no text of a policy for its own', () => {
  const pinned = reading('secret/data/{{params.customer}}', {
    params: customer,
    description: 'costs $' + '{x}',
    vault: { policies: ['tasklease-p'], entity_alias: '{{params.customer}}' },
  });
  const text = printTerraform(renderKit([pinned], { names: DEFAULT_NAMES }));
  expect(text).toContain('data "vault_auth_backend" "token" {\n  path = "token"\n}');
  expect(text).toContain(['aliases.$', '{data.vault_auth_backend.token.accessor}.name}}'].join(''));
  expect(text).toContain(['costs $$', '{x}'].join(''));
  expect(text).toMatch(/resource "vault_token_auth_backend_role" "tasklease" \{\n {2}role_name +=/);
  expect(text).toMatch(/token_period +=\s300/);
  expect(text).toContain('resource "vault_approle_auth_backend_role" "tasklease" {\n  backend ');
});
