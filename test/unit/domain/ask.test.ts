// Owns the requests that issue secrets: filled in once from the profile, and with the time that is left at the moment
// they are sent, so that each generation has its own.

import { describe, expect, test } from 'vitest';
import { askOf, timed } from '../../../src/domain/ask.ts';
import type { SecretRule } from '../../../src/domain/profile.ts';

const values = new Map([
  ['task.id', 'build-81'],
  ['params.env', 'prod'],
]);
const rule = (overrides: Partial<SecretRule> = {}): SecretRule => ({
  name: 'tls',
  path: 'pki/issue/{{params.env}}',
  method: 'write',
  files: [{ name: 'tls.pem', format: 'raw', field: 'certificate' }],
  ...overrides,
});

describe('a request', () => {
  test('keeps the TTL open, in path and body alike', () => {
    const ask = askOf(
      rule({ path: 'a/{{task.ttl}}', body: { ttl: '{{task.ttl}}', cn: '{{task.id}}' } }),
      values,
    );
    expect(ask).toMatchObject({ path: 'a/{{task.ttl}}', body: { ttl: '{{task.ttl}}', cn: 'build-81' } });
  });

  test('is sent with the time that is left, in whole seconds, rounded up', () => {
    const ask = askOf(
      rule({ body: { ttl: '{{task.ttl}}', deep: [{ ttl: '{{ task.ttl }}' }], n: 3 } }),
      values,
    );
    expect(timed(ask, 615_000).body).toEqual({ ttl: '615s', deep: [{ ttl: '615s' }], n: 3 });
    expect(timed(ask, 100_001).body).toMatchObject({ ttl: '101s' });
    expect(timed(ask, 40_000).body).toMatchObject({ ttl: '40s' });
  });

  test('never asks for nothing, which Vault takes for its own default', () => {
    expect(timed(askOf(rule({ path: 'a/{{task.ttl}}' }), values), 0).path).toBe('a/1s');
    expect(timed(askOf(rule({ path: 'a/{{task.ttl}}' }), values), -5000).path).toBe('a/1s');
  });

  test('without a TTL is sent as it is, each time', () => {
    const ask = askOf(rule(), values);
    expect(timed(ask, 1000)).toEqual(ask);
    expect(Object.hasOwn(timed(ask, 1000), 'body')).toBe(false);
  });

  test('is not changed by being sent: the next generation has its own time', () => {
    const ask = askOf(rule({ body: { ttl: '{{task.ttl}}' } }), values);
    timed(ask, 1000);
    expect(timed(ask, 2000).body).toEqual({ ttl: '2s' });
  });

  test('has files with what the start chose filled in', () => {
    const files = [{ name: 'p', format: 'pgpass', host: '{{params.env}}.internal' } as const];
    expect(askOf(rule({ files }), values).files).toEqual([
      { name: 'p', format: 'pgpass', host: 'prod.internal' },
    ]);
  });

  test('keeps files and method', () => {
    expect(timed(askOf(rule(), values), 1000)).toMatchObject({
      secret: 'tls',
      method: 'write',
      path: 'pki/issue/prod',
      files: [{ name: 'tls.pem' }],
    });
  });
});
