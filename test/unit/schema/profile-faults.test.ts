// Owns the table of what a profile file refuses, with the key and the sentence that the author reads.

import { expect, test } from 'vitest';
import { faultOf, file, param, policies, SECRET, secret, withKeys } from './profile-samples.ts';

const assertion = (changes: Readonly<Record<string, unknown>>) =>
  withKeys({
    allow: {
      assertion: { issuer: 'https://ci.example', audience: 'tasklease', jwks_file: '/k.json', ...changes },
    },
  });

test.each<[string, unknown, string | RegExp]>([
  ['nothing', {}, /^profile must be the name of a profile/],
  ['an unknown key', withKeys({ secret: {} }), 'secret is not a known key'],
  ['a name with a slash', withKeys({ profile: 'a/b' }), /^profile must be the name of a profile/],
  ['uids as text', withKeys({ allow: { uids: ['root'] } }), 'allow.uids.0 must be of type number'],
  ['a negative uid', withKeys({ allow: { uids: [-1] } }), /^allow\.uids\.0 /],
  ['everybody', withKeys({ allow: { uids: '*' } }), 'allow.uids must be of type array'],
  ['an empty allow.where', withKeys({ allow: { where: {} } }), 'allow.where needs exe or cgroup'],
  [
    'a relative exe',
    withKeys({ allow: { where: { exe: ['node'] } } }),
    'allow.where.exe.0 must be an absolute path, where * stops at / and ** does not',
  ],
  [
    'no cgroup at all',
    withKeys({ allow: { where: { cgroup: [] } } }),
    'allow.where.cgroup needs at least one path',
  ],
  [
    'another condition',
    withKeys({ allow: { where: { exe: '/x', user: 'me' } } }),
    'allow.where.user is not a known key',
  ],
  [
    'hours that are none',
    withKeys({ allow: { when: { window: '01:00-25:00 UTC' } } }),
    'allow.when.window must be hours of the day like "01:00-04:00 UTC"',
  ],
  [
    'hours without a zone',
    withKeys({ allow: { when: { window: '01:00-04:00' } } }),
    /^allow\.when\.window must be hours/,
  ],
  ['an assertion without an issuer', assertion({ issuer: undefined }), 'allow.assertion.issuer is missing'],
  [
    'an assertion without an audience',
    assertion({ audience: undefined }),
    'allow.assertion.audience is missing',
  ],
  [
    'an assertion without keys',
    assertion({ jwks_file: undefined }),
    /^allow\.assertion\.jwks_uri is where the keys come from: give it, or jwks_file, or public_key_file/,
  ],
  [
    'an assertion with two sources of keys',
    assertion({ public_key_file: '/k.pem' }),
    /^allow\.assertion\.jwks_uri is where the keys come from/,
  ],
  [
    'keys over plain http',
    assertion({ jwks_file: undefined, jwks_uri: 'http://ci.example/keys' }),
    /^allow\.assertion\.jwks_uri must be https/,
  ],
  [
    'keys by a URL with a password',
    assertion({ jwks_file: undefined, jwks_uri: 'https://me:pw@ci.example/keys' }),
    /^allow\.assertion\.jwks_uri must not hold a user/,
  ],
  [
    'keys by a file URL',
    assertion({ jwks_file: undefined, jwks_uri: 'file:///etc/passwd' }),
    /^allow\.assertion\.jwks_uri must be a URL/,
  ],
  [
    'keys in a relative file',
    assertion({ jwks_file: 'keys.json' }),
    /^allow\.assertion\.jwks_file must be an absolute/,
  ],
  [
    'a CA for no URL',
    assertion({ jwks_ca_file: '/ca.pem' }),
    'allow.assertion.jwks_ca_file belongs to jwks_uri',
  ],
  ['a MAC', assertion({ algorithms: ['HS256'] }), /^allow\.assertion\.algorithms\.0 must be one of RS256/],
  [
    'algorithm none',
    assertion({ algorithms: ['none'] }),
    /^allow\.assertion\.algorithms\.0 must be one of RS256/,
  ],
  ['no algorithm', assertion({ algorithms: [] }), 'allow.assertion.algorithms needs at least one algorithm'],
  [
    'a claim that may have no value',
    assertion({ claims: { ref: [] } }),
    'allow.assertion.claims.ref needs at least one value',
  ],
  [
    'a claim that is an object',
    assertion({ claims: { ref: {} } }),
    /^allow\.assertion\.claims\.ref\.0 must be a text/,
  ],
  ['a pointer to nothing', assertion({ claims: { '/': 'x' } }), /must be a name, or a JSON pointer/],
  [
    'an unknown key of an assertion',
    assertion({ leeway: '5m' }),
    'allow.assertion.leeway is not a known key',
  ],
  ['approval', withKeys({ approval: {} }), 'approval.required must be true or false'],
  [
    'an approver twice',
    withKeys({ approval: { required: true, approvers: [7, 7] } }),
    'approval.approvers names an approver twice',
  ],
  [
    'fewer approvers than approvals',
    withKeys({ approval: { required: true, approvers: [7], count: 2 } }),
    'approval.count is more than there are approvers',
  ],
  [
    'no approvals',
    withKeys({ approval: { required: true, count: 0 } }),
    'approval.count must be a whole number from 1 to 16',
  ],
  [
    'signed approvals',
    withKeys({ approval: { required: true, public_keys: ['k.pem'] } }),
    'approval.public_keys.0 must be an absolute path',
  ],
  ...(
    [
      ['two/segments', /^vault\.entity_alias must be one path segment/],
      ['Capital', /^vault\.entity_alias must be one path segment .*without capital letters/],
      ['*', /^vault\.entity_alias must be one path segment/],
      ['', /^vault\.entity_alias must be one path segment/],
      ['{{params.env', 'vault.entity_alias has braces that are not a {{slot}}'],
      ['{{task.ttl}}', 'vault.entity_alias must not have {{task.ttl}} in it'],
      ['{{caller.uid}}', 'vault.entity_alias uses {{caller.uid}}, which does not exist'],
      ['c-{{params.customer}}', 'vault.entity_alias uses {{params.customer}}, but params has no customer'],
    ] as const
  ).map(([alias, fault]): [string, unknown, string | RegExp] => [
    `the entity alias ${JSON.stringify(alias)}`,
    withKeys({ vault: { policies: ['a'], entity_alias: alias } }),
    fault,
  ]),
  [
    'an entity alias where Vault takes the name from the assertion',
    withKeys({
      vault: { mode: 'jwt', role: 'a', entity_alias: 'x' },
      allow: {
        assertion: {
          issuer: 'https://ci.example',
          jwks_uri: 'https://ci.example/keys',
          audience: 'tasklease',
          algorithms: ['RS256'],
        },
      },
    }),
    'vault.entity_alias belongs to mode: child',
  ],
  [
    'mode: jwt without a role',
    withKeys({ vault: { mode: 'jwt' } }),
    'vault.role is missing: name the role at the jwt mount',
  ],
  [
    'mode: jwt without an assertion',
    withKeys({ vault: { mode: 'jwt', role: 'deploy' } }),
    'vault.mode needs an assertion to log in with: describe it under allow.assertion',
  ],
  ['another mode', withKeys({ vault: { mode: 'root' } }), 'vault.mode must be child or jwt'],
  [
    'a role in mode child',
    withKeys({ vault: { policies: ['a'], role: 'deploy' } }),
    'vault.role belongs to mode: jwt',
  ],
  ['mode child without policies', withKeys({ vault: {} }), 'vault.policies needs at least one policy'],
  [
    'a param from a claim',
    param({ claim: 'repository', pattern: 'x' }),
    'params.env.claim needs an assertion to take it from: describe it under allow.assertion',
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
  ...['HUP', 'SIGSEGV', 'SIGFOO', 'constructor'].map((signal): [string, unknown, RegExp] => [
    `the signal ${signal}`,
    withKeys({ on_change: { signal } }),
    /^on_change\.signal must be one of SIGHUP, SIGUSR1, .*SIGQUIT$/,
  ]),
  ...['SIGKILL', 'SIGSTOP', 'KILL'].map((signal): [string, unknown, string] => [
    `the signal ${signal}`,
    withKeys({ on_change: { signal } }),
    'on_change.signal is a signal that no program can react to: take one like SIGHUP or SIGUSR1',
  ]),
  ['on_change without a signal', withKeys({ on_change: {} }), 'on_change.signal is missing'],
  ['on_change: SIGHUP', withKeys({ on_change: 'SIGHUP' }), 'on_change must be of type object'],
  ['an overlap of a day', withKeys({ overlap: '1d' }), 'overlap must be between 0ms and 1h'],
  ['a child that is no name', withKeys({ children: ['../x'] }), /^children\.0 must be the name of a profile/],
  ['extend: yes', withKeys({ ttl: { extend: 'yes' } }), 'ttl.extend must be of type boolean'],
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
    'a format that there is not',
    file({ format: 'toml' }),
    /^secrets\.db\.files\.f\.format must be one of json, dotenv, raw, template, pgpass, /,
  ],
  [
    'raw without a field',
    file({ format: 'raw' }),
    'secrets.db.files.f.field belongs to format raw, which needs it',
  ],
  [
    'a field without raw',
    file({ format: 'json', field: 'x' }),
    'secrets.db.files.f.field is not an option of format json: it takes fields, mode, owner, unsafe',
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
    'secrets.db.files.f.fields is not an option of format template: it takes template, mode, owner, unsafe',
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
  [
    'a part that the format does not have',
    file({ format: 'pgpass', fields: { user: 'u' } }),
    'secrets.db.files.f.fields.user is not a known key',
  ],
  [
    'an option of another format',
    file({ format: 'netrc', host: 'h' }),
    'secrets.db.files.f.host is not an option of format netrc: it takes fields, username, machine, quoted, mode, owner, unsafe',
  ],
  [
    'a host that is none',
    file({ format: 'pgpass', host: 'a b' }),
    'secrets.db.files.f.host must be a host name or an address',
  ],
  [
    'a slot of an option without its param',
    file({ format: 'pgpass', host: '{{params.host}}' }),
    'secrets.db.files.f.host uses {{params.host}}, but params has no host',
  ],
  [
    'a field as a slot of an option',
    file({ format: 'pgpass', host: '{{hostname}}' }),
    'secrets.db.files.f.host uses {{hostname}}, which does not exist',
  ],
  [
    'broken braces in an option',
    file({ format: 'pgpass', host: '{{params.host}' }),
    'secrets.db.files.f.host has braces that are not a {{slot}}',
  ],
  [
    'a param of a template that is none',
    file({ format: 'template', template: '{{username}} {{params.env}}' }),
    'secrets.db.files.f.template uses {{params.env}}, but params has no env',
  ],
  [
    'a time in a template, which only a request knows',
    file({ format: 'template', template: '{{task.ttl}}' }),
    'secrets.db.files.f.template uses {{task.ttl}}, which does not exist',
  ],
  [
    'a password file that others may read',
    file({ format: 'pgpass', mode: '0440' }),
    'secrets.db.files.f.mode lets others read a pgpass, which its readers then refuse: "0400" or "0600"',
  ],
  [
    'a password file under the mode of its profile',
    { ...file({ format: 'pgpass' }), mode: '0440' },
    'secrets.db.files.f needs a mode of its own: the profile’s lets others read a pgpass, which its readers then refuse',
  ],
  [
    'a key that others may read',
    file({ format: 'ssh-key', mode: '0640' }),
    /^secrets\.db\.files\.f\.mode lets others read a ssh-key/,
  ],
  [
    'two user names',
    file({ format: 'pgpass', username: 'a', fields: { username: 'b' } }),
    'secrets.db.files.f.username stands for fields.username: give one of them',
  ],
  ['a port that is none', file({ format: 'pgpass', port: 65_536 }), 'secrets.db.files.f.port must be a port'],
  ['a kubeconfig without a server', file({ format: 'kubeconfig' }), 'secrets.db.files.f.server is missing'],
  [
    'an authority that is no PEM',
    file({ format: 'kubeconfig', server: 'https://k', ca: 'MIIB' }),
    'secrets.db.files.f.ca must be one or several certificates in PEM',
  ],
  [
    'an encoding that there is not',
    file({ format: 'raw', field: 'a', encoding: 'hex' }),
    'secrets.db.files.f.encoding must be base64',
  ],
  ['a file that is a list', file([]), /^secrets\.db\.files\.f must be /],
  ['a file without a format', file({}), /^secrets\.db\.files\.f\.format must be one of json, /],
  ['a mode without quotes', withKeys({ mode: 440 }), 'mode must be an octal mode in quotes, like "0440"'],
  ['half an owner', withKeys({ owner: { uid: 1 } }), 'owner.gid is missing'],
  ['a file in a directory', file({ format: 'json' }, 'a/b'), /^secrets\.db\.files\.a\/b \S/],
  ['..', file({ format: 'json' }, '..'), /^secrets\.db\.files\.\.\. \S/],
  ['the manifest', file({ format: 'json' }, 'manifest.json'), /^secrets\.db\.files\.manifest\.json \S/],
  [
    'an unknown key of a file',
    file({ format: 'json', group: 'x' }),
    'secrets.db.files.f.group is not an option of format json: it takes fields, mode, owner, unsafe',
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
