// Owns what a profile file takes: the contract's example as far as this version goes, the step to the
// domain's Profile, and a table of faults with the key and the sentence that the author reads.

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';
import { firstIssue } from '../../../src/schema/signal.ts';

const FILES = { 'db.json': { format: 'json' } };
const SECRET = { path: 'database/creds/report', files: FILES };
const MINIMAL = {
  profile: 'report-read',
  vault: { policies: ['tasklease-report-read'] },
  secrets: { db: SECRET },
};

const faultOf = (value: unknown): string => {
  const parsed = profileFile.safeParse(value);
  if (parsed.success) return 'no fault';
  const { path, message } = firstIssue(parsed.error);
  return `${path.join('.')} ${message}`;
};

const withKeys = (change: Record<string, unknown>) => ({ ...MINIMAL, ...change });
const secret = (change: Record<string, unknown>) => withKeys({ secrets: { db: { ...SECRET, ...change } } });
const file = (rule: unknown, name = 'f') => secret({ files: { [name]: rule } });
const param = (rule: unknown) => withKeys({ params: { env: rule } });
const policies = (...names: string[]) => withKeys({ vault: { policies: names } });

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
event: { required: true, types: [pull_request] }
params:
  env: { enum: [staging, prod] }
  customer: { pattern: "c-[0-9]{1,12}", optional: true }
ttl: { default: 10m, max: 1h, grace: 15s, extend: false }
vault:
  mode: child
  policies: [tasklease-report-read]
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
      allow: { uids: [1000], gids: [] },
      event: { required: true, types: ['pull_request'] },
      params: {
        env: { enum: ['staging', 'prod'], optional: false },
        customer: { pattern: 'c-[0-9]{1,12}', optional: true },
      },
      ttl: { defaultMs: 600_000, maxMs: 3_600_000, graceMs: 15_000 },
      policies: ['tasklease-report-read'],
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
      ttl: { defaultMs: 600_000, maxMs: 3_600_000, graceMs: 15_000 },
      bind: 'optional',
    });
  });

  test.each([
    ['capital letters in a policy', policies('TaskLease-Read')],
    ['escapes that are not needed', param({ pattern: 'c\\-[0-9]+' })],
    ['every slot', secret({ path: 'kv/{{task.id}}/{{task.profile}}/{{ event.id }}/{{task.ttl}}' })],
    ['a list in a body', secret({ method: 'write', body: { names: ['{{task.id}}', 'x'] } })],
    ['raw', file({ format: 'raw', field: 'password' })],
    ['a file for another owner', file({ format: 'json', owner: { uid: 1001, gid: 1001 } })],
    ['a world-readable file that is meant', file({ format: 'json', mode: '0444', unsafe: true })],
    ['a world-readable profile that is meant', withKeys({ mode: '0444', unsafe: true })],
    ['31 days', withKeys({ ttl: { default: '1d', max: '31d' } })],
    ['a dot file', file({ format: 'json' }, '.pgpass')],
  ])('%s', (_name, value) => {
    expect(faultOf(value)).toBe('no fault');
  });
});

describe('faults', () => {
  test.each<[string, unknown, string | RegExp]>([
    ['nothing', {}, /^profile must be the name of a profile/],
    ['an unknown key', withKeys({ secret: {} }), 'secret is not a known key'],
    ['a name with a slash', withKeys({ profile: 'a/b' }), /^profile must be the name of a profile/],
    ['uids as text', withKeys({ allow: { uids: ['root'] } }), 'allow.uids.0 must be of type number'],
    ['a negative uid', withKeys({ allow: { uids: [-1] } }), /^allow\.uids\.0 /],
    ['everybody', withKeys({ allow: { uids: '*' } }), 'allow.uids must be of type array'],
    [
      'allow.where',
      withKeys({ allow: { uids: [1], where: { exe: ['/usr/bin/node'] } } }),
      'allow.where is not in this version: conditions on the caller',
    ],
    [
      'allow.when',
      withKeys({ allow: { when: { window: 'x' } } }),
      'allow.when is not in this version: time windows',
    ],
    [
      'allow.assertion',
      withKeys({ allow: { assertion: {} } }),
      'allow.assertion is not in this version: task assertions',
    ],
    ['approval', withKeys({ approval: { required: true } }), 'approval is not in this version: approvals'],
    ['ready', withKeys({ ready: { probe: 'postgres' } }), 'ready is not in this version: readiness probes'],
    [
      'an entity alias',
      withKeys({ vault: { policies: ['a'], entity_alias: 'x' } }),
      'vault.entity_alias is not in this version: entity aliases',
    ],
    [
      'mode: jwt',
      withKeys({ vault: { mode: 'jwt', policies: ['a'] } }),
      'vault.mode must be child (jwt is not in this version)',
    ],
    [
      'a param from a claim',
      param({ claim: 'repository', pattern: 'x' }),
      'params.env.claim is not in this version: params from claims',
    ],
    ['a param of anything', param({ optional: true }), 'params.env needs an enum or a pattern'],
    ['an empty enum', param({ enum: [] }), /^params\.env\.enum /],
    ['an enum of two segments', param({ enum: ['a/b'] }), 'params.env.enum.0 must be one path segment'],
    ['an enum that climbs', param({ enum: ['ok', '..'] }), 'params.env.enum.1 must be one path segment'],
    ['a pattern that is none', param({ pattern: '(' }), 'params.env.pattern must be a regular expression'],
    [
      'a pattern that breaks out of a group',
      param({ pattern: 'a)|(b' }),
      'params.env.pattern must be a regular expression',
    ],
    ['a param with a space', withKeys({ params: { 'a b': { enum: ['x'] } } }), /^params\.a b /],
    ['no policy', policies(), 'vault.policies needs at least one policy'],
    ['no vault', withKeys({ vault: undefined }), 'vault is missing'],
    ['the root policy', policies('root'), 'vault.policies.0 must be a policy of its own'],
    ['the default policy', policies('a', 'default'), 'vault.policies.1 must be a policy of its own'],
    [
      'a default over the max',
      withKeys({ ttl: { default: '2h', max: '1h' } }),
      'ttl.default is longer than max',
    ],
    ['a TTL of nothing', withKeys({ ttl: { default: '0s' } }), /^ttl\.default must be /],
    ['32 days', withKeys({ ttl: { max: '32d' } }), /^ttl\.max must be between 1s and /],
    ['a grace of a day', withKeys({ ttl: { grace: '1d' } }), 'ttl.grace must be between 0ms and 1h'],
    ['bind: always', withKeys({ bind: 'always' }), 'bind must be optional or required'],
    ['a signal', withKeys({ on_change: { signal: 'HUP' } }), 'on_change.signal must be a signal like SIGHUP'],
    ['no secret', withKeys({ secrets: {} }), 'secrets needs at least one secret'],
    ['a secret without files', secret({ files: {} }), 'secrets.db.files needs at least one file'],
    [
      'sys/',
      secret({ path: 'sys/mounts' }),
      'secrets.db.path must not point into sys/, auth/, identity/ or cubbyhole/',
    ],
    ['auth/', secret({ path: 'auth/token/create' }), /^secrets\.db\.path must not point into /],
    ['a path that climbs', secret({ path: 'kv/../sys/mounts' }), /^secrets\.db\.path must be a Vault path/],
    ['a glob', secret({ path: 'kv/*' }), /^secrets\.db\.path must be a Vault path/],
    ['a query', secret({ path: 'kv/a?list=true' }), /^secrets\.db\.path must be a Vault path/],
    ['a leading slash', secret({ path: '/kv/a' }), /^secrets\.db\.path must be a Vault path/],
    [
      'a broken slot',
      secret({ path: 'kv/{{params.env' }),
      'secrets.db.path has braces that are not a {{slot}}',
    ],
    [
      'an unknown slot',
      secret({ path: 'kv/{{caller.uid}}' }),
      'secrets.db.path uses {{caller.uid}}, which does not exist',
    ],
    [
      'a slot without its param',
      secret({ path: 'kv/{{params.region}}' }),
      'secrets.db.path uses {{params.region}}, but params has no region',
    ],
    [
      'a param named like a built-in',
      secret({ path: 'kv/{{params.constructor}}' }),
      'secrets.db.path uses {{params.constructor}}, but params has no constructor',
    ],
    [
      'an unknown slot deep in the body',
      secret({ method: 'write', body: { a: [{ b: '{{task.name}}' }] } }),
      'secrets.db.body uses {{task.name}}, which does not exist',
    ],
    ['a body that is read', secret({ body: { a: 1 } }), 'secrets.db.body needs method: write'],
    ['method: delete', secret({ method: 'delete' }), 'secrets.db.method must be read or write'],
    [
      'a format of later',
      file({ format: 'pgpass' }),
      /^secrets\.db\.files\.f\.format must be json, dotenv, raw or template/,
    ],
    [
      'raw without a field',
      file({ format: 'raw' }),
      'secrets.db.files.f.field belongs to format raw, which needs it',
    ],
    [
      'a field without raw',
      file({ format: 'json', field: 'x' }),
      'secrets.db.files.f.field belongs to format raw, which needs it',
    ],
    [
      'a template without text',
      file({ format: 'template' }),
      'secrets.db.files.f.template belongs to format template, which needs it',
    ],
    [
      'logic in a template',
      file({ format: 'template', template: '{{#if a}}x{{/if}}' }),
      /^secrets\.db\.files\.f\.template has braces that are not a /,
    ],
    [
      'fields of a template',
      file({ format: 'template', template: 'x', fields: { A: 'b' } }),
      'secrets.db.files.f.fields belongs to formats json and dotenv',
    ],
    [
      'a world-readable file',
      file({ format: 'json', mode: '0444' }),
      /^secrets\.db\.files\.f\.mode is readable by everybody: say unsafe: true/,
    ],
    [
      'a world-readable profile',
      withKeys({ mode: '0644' }),
      'mode is readable by everybody: say unsafe: true if that is meant',
    ],
    ['a mode without quotes', withKeys({ mode: 440 }), 'mode must be an octal mode in quotes, like "0440"'],
    ['half an owner', withKeys({ owner: { uid: 1 } }), 'owner.gid is missing'],
    ['a file in a directory', file({ format: 'json' }, 'a/b'), /^secrets\.db\.files\.a\/b \S/],
    ['..', file({ format: 'json' }, '..'), /^secrets\.db\.files\.\.\. \S/],
    ['the manifest', file({ format: 'json' }, 'manifest.json'), /^secrets\.db\.files\.manifest\.json \S/],
    [
      'an unknown key of a file',
      file({ format: 'json', group: 'x' }),
      'secrets.db.files.f.group is not a known key',
    ],
    [
      'one file of two secrets',
      withKeys({ secrets: { a: SECRET, b: SECRET } }),
      'secrets.b.files.db.json is made by another secret too',
    ],
  ])('%s', (_name, value, fault) => {
    if (typeof fault === 'string') expect(faultOf(value)).toBe(fault);
    else expect(faultOf(value)).toMatch(fault);
  });
});
