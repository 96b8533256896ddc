// The requests that tasks of a profile can make: none missing, none invented.
import { expect, test } from 'vitest';
import { prefixOf, sampleOf } from '../../../src/policy/pattern-text.ts';
import { profileRequests, sampleRequest } from '../../../src/policy/requests.ts';
import { reading, writing } from './samples.ts';

const params = { env: { enum: ['staging', 'prod'] }, customer: { pattern: 'c-[0-9]{1,12}' } };

test('a value of a closed list makes a request each', () => {
  const requests = profileRequests(reading('database/creds/report-{{params.env}}', { params }));
  expect(requests.map(({ path, capabilities }) => [path, capabilities])).toEqual([
    ['database/creds/report-staging', ['read']],
    ['database/creds/report-prod', ['read']],
  ]);
});

test('path and body have the same value of one list', () => {
  const profile = writing(
    'pki/issue/{{ params.env }}',
    { common_name: '{{params.env}}.{{task.id}}.internal' },
    { params },
  );
  expect(profileRequests(profile)).toMatchObject([
    {
      path: 'pki/issue/staging',
      body: { common_name: 'staging.{{task.id}}.internal' },
      capabilities: ['update'],
    },
    { path: 'pki/issue/prod', body: { common_name: 'prod.{{task.id}}.internal' } },
  ]);
});

test('what a start decides stays a slot, until it is given', () => {
  const profile = reading('secret/data/{{params.customer}}/{{task.id}}/{{task.profile}}', { params });
  expect(profileRequests(profile)[0]!.path).toBe('secret/data/{{params.customer}}/{{task.id}}/sample');
  const given = { 'params.customer': 'c-7', 'task.id': 'build-81' };
  expect(profileRequests(profile, given)[0]!.path).toBe('secret/data/c-7/build-81/sample');
});

test('a list whose pattern excludes some of it counts without them', () => {
  const both = { env: { enum: ['staging', 'prod'], pattern: 'p.*' } };
  expect(profileRequests(reading('kv/{{params.env}}', { params: both })).map(({ path }) => path)).toEqual([
    'kv/prod',
  ]);
});

test('lists that would make thousands of paths stay slots', () => {
  const many = {
    a: { enum: Array.from({ length: 60 }, (_, n) => `a${n}`) },
    b: { enum: Array.from({ length: 60 }, (_, n) => `b${n}`) },
  };
  const requests = profileRequests(reading('kv/{{params.a}}/{{params.b}}', { params: many }));
  expect(requests).toHaveLength(60);
  expect(requests[0]!.path).toBe('kv/a0/{{params.b}}');
});

test('a KV version 2 write may make the entry, other writes are updates', () => {
  expect(profileRequests(writing('secret/data/x', { data: { a: 'b' } }))[0]!.capabilities).toEqual([
    'create',
    'update',
  ]);
  expect(profileRequests(writing('pki/issue/x', { common_name: 'b' }))[0]!.capabilities).toEqual(['update']);
});

test('a sample has a value for every slot, one that the profile would take', () => {
  const profile = writing(
    'secret/x-{{params.customer}}',
    { ttl: '{{task.ttl}}', names: ['{{task.id}}'] },
    { params },
  );
  const [request] = profileRequests(profile).map((each) => sampleRequest(profile, each));
  expect(request).toMatchObject({ path: 'secret/x-c-1', body: { ttl: '60s', names: ['sample-1'] } });
});

test.each([
  ['c-[0-9]+', 'c-'],
  ['acme\\.eu-[a-z]', 'acme.eu-'],
  ['ab?c', 'a'],
  ['ab+c', 'a'],
  ['ab{2}', 'a'],
  ['a|b', ''],
  ['.*', ''],
  ['(?:ab)c', ''],
  ['[ab]c', ''],
  ['^x1$', 'x1'],
  ['\\d+', ''],
])('every match of %s begins with %j', (pattern, prefix) => {
  expect(prefixOf(pattern)).toBe(prefix);
});

test.each(['c-[0-9]{1,12}', '[a-z]+', '[A-Z]', 'v[0-9]+\\.x', '[a-z]{3}', '.*', '\\d{4}'])(
  '%s has a sample',
  (pattern) => {
    const value = sampleOf({ pattern, optional: false });
    expect(value).toMatch(pattern.startsWith('v') ? /^v/ : new RegExp(`^(?:${pattern})$`));
  },
);

test('what the agent fills in is part of the request: a policy that lists parameters must allow it', () => {
  const profile = writing('pki/sign/app', { common_name: 'a.b' });
  const [rule] = profile.secrets;
  const secrets = [{ ...rule!, ttlField: 'ttl', key: { type: 'ed25519', as: 'csr' } as const }];
  const [request] = profileRequests({ ...profile, secrets });
  expect(request!.body).toEqual({ common_name: 'a.b', ttl: '{{task.ttl}}', csr: '{{key.csr}}' });
  expect(sampleRequest(profile, request!).body).toMatchObject({ ttl: '60s', csr: expect.any(String) });
});
