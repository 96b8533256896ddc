// Owns what a profile may say under `ready`: every kind with what it needs and nothing that would be ignored, and
// addresses whose slots cannot send a credential elsewhere.

import { describe, expect, test } from 'vitest';
import type { TaskId } from '../../../src/domain/ids.ts';
import { credentialOf, PROBES, type ProbeKind, targetOf } from '../../../src/domain/probe.ts';
import { Problem } from '../../../src/domain/problem.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';
import { at, caller } from '../domain/samples.ts';
import { faultOf, withKeys } from './profile-samples.ts';

const ready = (rule: Record<string, unknown>) => withKeys({ ready: rule });
const of = (rule: Record<string, unknown>) => toProfile(profileFile.parse(ready(rule))).ready!;
const DB = { probe: 'postgres', secret: 'db', address: 'db.internal:5432/app' };

test('what the README shows: PostgreSQL with the fields that Vault gives', () => {
  expect(of({ ...DB, timeout: '20s' })).toEqual({
    kind: 'postgres',
    secret: 'db',
    address: 'db.internal:5432/app',
    timeoutMs: 20_000,
    tls: false,
    fields: { username: 'username', password: 'password' },
  });
  expect(of(DB).timeoutMs).toBe(10_000);
});

test.each<[ProbeKind, string, Record<string, unknown>, string]>([
  ['tcp', '[::1]:7', {}, '::1:7/'],
  ['tls', 'api.internal:443', { ca_file: '/ca.pem', server_name: 'api' }, 'api.internal:443/'],
  ['postgres', 'db.internal', { secret: 'db' }, 'db.internal:5432/'],
  ['mysql', 'db.internal/app', { secret: 'db', tls: true }, 'db.internal:3306/app'],
  ['redis', 'cache/3', { secret: 'db' }, 'cache:6379/3'],
  ['amqp', 'mq/app', { secret: 'db' }, 'mq:5672/app'],
  ['amqp', 'mq', { secret: 'db', tls: true }, 'mq:5671/'],
  ['ldap', 'directory', { secret: 'db', tls: true }, 'directory:636/'],
  ['http', 'https://api.internal/v1/me?x=1', { secret: 'db', auth: 'bearer' }, 'api.internal:443//v1/me?x=1'],
  ['http', 'http://10.0.0.1:8080', {}, '10.0.0.1:8080//'],
])('%s at %s', (probe, address, more, target) => {
  const rule = of({ probe, address, ...more });
  const { host, port, name } = targetOf(rule)!;
  expect(`${host}:${port}/${name}`).toBe(target);
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ['no kind', { address: 'a:1' }, /^ready\.probe must be one of tcp, tls, http, postgres/],
  ['an unknown kind', { probe: 'oracle', address: 'a:1' }, /^ready\.probe must be one of/],
  ['no address', { probe: 'tcp' }, /^ready\.address is missing/],
  ['no port', { probe: 'tcp', address: 'a' }, /^ready\.address must be host:port/],
  ['a port beyond all', { probe: 'tcp', address: 'a:65536' }, /^ready\.address must be/],
  ['a user in a URL', { probe: 'http', address: 'http://u:p@a/' }, /^ready\.address must be a URL/],
  [
    'a name where Redis has numbers',
    { probe: 'redis', secret: 'db', address: 'a/app' },
    /^ready\.address must be/,
  ],
  ['no secret', { probe: 'postgres', address: 'a/app' }, /^ready\.secret is missing: whose fields postgres/],
  [
    'a secret that nobody reads',
    { ...DB, secret: 'other' },
    /^ready\.secret names secret other, which is not/,
  ],
  [
    'a secret where nobody logs in',
    { probe: 'tcp', secret: 'db', address: 'a:1' },
    /^ready\.secret is not used/,
  ],
  [
    'a field that is not used',
    { ...DB, fields: { user: 'x' } },
    /^ready\.fields has user: this probe uses username, pass/,
  ],
  ['a CA without TLS', { ...DB, ca_file: '/ca.pem' }, /^ready\.ca_file belongs to tls: true/],
  ['tls for http', { probe: 'http', address: 'http://a/', tls: true }, /^ready\.tls is said by https:/],
  ['a status for a database', { ...DB, status: 200 }, /^ready\.status belongs to probe: http/],
  [
    'a header without its name',
    { probe: 'http', secret: 'db', address: 'http://a/', auth: 'header' },
    /^ready\.header belongs/,
  ],
  [
    'a slot that is none',
    { ...DB, address: '{{params.x}}/app' },
    /^ready\.address uses \{\{params\.x\}\}, but params has no x/,
  ],
  ['stray braces', { ...DB, address: '{{db/app' }, /^ready\.address has braces/],
  ['too long a wait', { ...DB, timeout: '1h' }, /^ready\.timeout must be between 100ms and 5m/],
  ['an unknown key', { ...DB, retries: 3 }, /^ready\.retries is not a known key/],
])('%s is refused', (_what, rule, fault) => {
  expect(faultOf(ready(rule))).toMatch(fault);
});

describe('slots of an address', () => {
  const params = { db: { pattern: '.*' } };
  const address = (value: string, template = '{{params.db}}.internal:5432/app') => {
    const file = withKeys({ params, ready: { ...DB, address: template } });
    const profile = toProfile(profileFile.parse(file));
    return settle('t' as TaskId, profile, { profile: profile.name, params: { db: value } }, caller(), at(0))
      .plan.ready!.address;
  };

  test('are filled in', () => {
    expect(address('customers')).toBe('customers.internal:5432/app');
  });

  test.each(['evil.example:1', 'u@evil.example', '../x', 'a,b', 'a=b'])('never with %s', (value) => {
    expect(() => address(value)).toThrow(Problem);
  });
});

describe('the fields of a secret', () => {
  const rule = of({ ...DB, fields: { username: 'data.user' } });

  test('are taken by name, or by a dotted path', () => {
    expect(credentialOf(rule, { data: { user: 'u' }, password: 'p' })).toEqual({
      username: 'u',
      password: 'p',
    });
  });

  test.each<[string, Record<string, unknown>]>([
    ['static', { dn: 'cn=a', username: 'x', password: 'p' }],
    ['dynamic', { distinguished_names: ['cn=a', 'cn=b'], username: 'x', password: 'p' }],
  ])('of a %s account of a directory are its distinguished name', (_kind, data) => {
    const ldap = of({ probe: 'ldap', secret: 'db', address: 'a' });
    expect(credentialOf(ldap, data)).toEqual({ username: 'cn=a', password: 'p' });
  });

  test('that are not there are told by name, never with a value', () => {
    expect(() => credentialOf(rule, { password: 'hunter2' })).toThrow(
      /^secret db has no field data\.user, which ready/,
    );
    expect(() => credentialOf(rule, { data: { user: {} }, password: 'p' })).toThrow(/no field data\.user/);
  });
});

test('every kind has words for its address', () => {
  for (const probe of Object.keys(PROBES)) {
    expect(faultOf(ready({ probe, secret: 'db', address: '' }))).toMatch(/^ready\./);
    expect(faultOf(ready({ probe, address: 'a b' }))).toMatch(/^ready\.(?:address must be|secret)/);
  }
});
