// Owns what a profile file takes: the contract's example as far as this version goes, the step to the
// domain's Profile. What it refuses is in profile-faults.test.ts.

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';
import { faultOf, file, MINIMAL, param, policies, secret, withKeys } from './profile-samples.ts';

describe('what parses', () => {
  test('the example of the contract, without what this version refuses', () => {
    const profile = toProfile(
      profileFile.parse(
        parse(String.raw`
profile: report-read
description: Read-only access to the report database for one run
allow:
  uids: [1000]
  gids: []
  where: { exe: [/usr/bin/node], cgroup: "/system.slice/ci-*" }
  when: { window: "01:00-04:00 UTC" }
event: { required: true, types: [pull_request] }
params:
  env: { enum: [staging, prod] }
  customer: { pattern: "c-[0-9]{1,12}", optional: true }
ttl: { default: 10m, max: 1h, grace: 15s, extend: false }
vault:
  mode: child
  policies: [tasklease-report-read]
  entity_alias: "{{params.customer}}"
children: [tool-call]
bind: optional
secrets:
  db:
    path: database/creds/report-{{params.env}}
    files:
      db.env: { format: dotenv, fields: { PGUSER: username, PGPASSWORD: password } }
      db.json: { format: json }
  tls:
    path: pki/issue/report
    method: write
    body: { common_name: "{{task.id}}.report.internal", ttl: "{{task.ttl}}" }
    files:
      tls.pem: { format: template, template: "{{certificate}}\n{{private_key}}\n", mode: "0440" }
on_change: { signal: SIGHUP }
overlap: 30s
`),
      ),
    );
    expect(profile).toEqual({
      name: 'report-read',
      description: 'Read-only access to the report database for one run',
      allow: {
        uids: [1000],
        gids: [],
        where: { exe: ['/usr/bin/node'], cgroup: ['/system.slice/ci-*'] },
        window: { fromMs: 3_600_000, toMs: 14_400_000 },
      },
      event: { required: true, types: ['pull_request'] },
      params: {
        env: { enum: ['staging', 'prod'], optional: false },
        customer: { pattern: 'c-[0-9]{1,12}', optional: true },
      },
      ttl: { defaultMs: 600_000, maxMs: 3_600_000, graceMs: 15_000, extend: false },
      policies: ['tasklease-report-read'],
      entityAlias: '{{params.customer}}',
      children: ['tool-call'],
      onChange: 'SIGHUP',
      overlapMs: 30_000,
      bind: 'optional',
      secrets: [
        {
          name: 'db',
          path: 'database/creds/report-{{params.env}}',
          method: 'read',
          files: [
            { name: 'db.env', format: 'dotenv', fields: { PGUSER: 'username', PGPASSWORD: 'password' } },
            { name: 'db.json', format: 'json' },
          ],
        },
        {
          name: 'tls',
          path: 'pki/issue/report',
          method: 'write',
          body: { common_name: '{{task.id}}.report.internal', ttl: '{{task.ttl}}' },
          files: [
            {
              name: 'tls.pem',
              format: 'template',
              template: '{{certificate}}\n{{private_key}}\n',
              mode: 0o440,
            },
          ],
        },
      ],
    });
  });

  test('name, policy and one secret are enough: nobody listed, 10 minutes of at most an hour, 15 s grace', () => {
    expect(toProfile(profileFile.parse(MINIMAL))).toMatchObject({
      allow: { uids: [], gids: [] },
      event: { required: false, types: [] },
      params: {},
      ttl: { defaultMs: 600_000, maxMs: 3_600_000, graceMs: 15_000, extend: false },
      bind: 'optional',
      children: [],
      overlapMs: 30_000,
    });
    expect(toProfile(profileFile.parse(MINIMAL))).not.toHaveProperty('onChange');
  });

  test('more time, children, a signal and an overlap reach the domain', () => {
    const more = {
      ttl: { extend: true },
      children: ['a', 'b'],
      on_change: { signal: 'SIGUSR1' },
      overlap: '0s',
    };
    expect(toProfile(profileFile.parse(withKeys(more)))).toMatchObject({
      ttl: { extend: true },
      children: ['a', 'b'],
      onChange: 'SIGUSR1',
      overlapMs: 0,
    });
  });

  test.each<readonly [string, unknown]>([
    ['capital letters in a policy', policies('TaskLease-Read')],
    ['escapes that are not needed', param({ pattern: 'c\\-[0-9]+' })],
    ['every slot', secret({ path: 'kv/{{task.id}}/{{task.profile}}/{{ event.id }}/{{task.ttl}}' })],
    [
      'every slot of an alias',
      withKeys({
        vault: { policies: ['a'], entity_alias: 'a-{{task.id}}-{{task.profile}}-{{ event.id }}@b' },
      }),
    ],
    ['a list in a body', secret({ method: 'write', body: { names: ['{{task.id}}', 'x'] } })],
    ['raw', file({ format: 'raw', field: 'password' })],
    ['a file for another owner', file({ format: 'json', owner: { uid: 1001, gid: 1001 } })],
    ['a world-readable file that is meant', file({ format: 'json', mode: '0444', unsafe: true })],
    ['a world-readable profile that is meant', withKeys({ mode: '0444', unsafe: true })],
    ['31 days', withKeys({ ttl: { default: '1d', max: '31d' } })],
    [
      'fields of another secret',
      file({ format: 'template', template: '{{username}} {{other.token}} {{data.x}}' }),
    ],
    ['a certificate that others may read', file({ format: 'ssh-key', part: 'certificate', mode: '0440' })],
    ...[
      { format: 'pgpass' },
      { format: 'netrc' },
      { format: 'npmrc', scope: '@acme', registry: 'https://npm.internal/' },
      { format: 'pem', parts: ['certificate'] },
      { format: 'redis-url', host: '{{task.id}}.internal', tls: true, db: 0 },
      { format: 'aws-credential-process', fields: { access_key: 'id' } },
    ].map((rule) => [JSON.stringify(rule), file(rule)] as const),
    ['a dot file', file({ format: 'json' }, '.pgpass')],
  ])('%s', (_name, value) => {
    expect(faultOf(value)).toBe('no fault');
  });
});
