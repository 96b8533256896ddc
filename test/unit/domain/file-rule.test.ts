// Owns what a start may fill in of a file's rule, what an option can be, and which other secrets a file shows.

import { describe, expect, test } from 'vitest';
import { drawnFrom, type FileRule, optionFault, plannedFile } from '../../../src/domain/file-rule.ts';
import { isWithin } from '../../../src/domain/narrower.ts';
import { PLAN } from './samples.ts';

const values = new Map([
  ['params.env', 'prod'],
  ['params.host', 'db1.internal'],
  ['params.evil', 'a@b:1'],
  ['task.id', 'build-81'],
  ['event.id', 'acme/shop#412'],
]);
const planned = (rule: object) => plannedFile({ name: 'f', ...rule } as FileRule, (name) => values.get(name));

describe('a start fills in', () => {
  test('the slots of options and of templates, and leaves those that the secret fills', () => {
    expect(
      planned({ format: 'pgpass', host: 'db-{{params.env}}.internal', database: '{{ task.id }}' }),
    ).toEqual({
      ...{ name: 'f', format: 'pgpass', host: 'db-prod.internal', database: 'build-81' },
    });
    expect(
      planned({ format: 'template', template: '{{username}}@{{params.host}} {{api.token}} {{task.id}}' }),
    ).toEqual({
      ...{ name: 'f', format: 'template', template: '{{username}}@db1.internal {{api.token}} build-81' },
    });
  });

  test('nothing that is no slot of a start: fields, names, modes', () => {
    const rule = { format: 'dotenv', fields: { A: '{{params.env}}' }, mode: 0o400 };
    expect(planned(rule)).toEqual({ name: 'f', ...rule });
    expect(planned({ format: 'raw', field: '{{params.env}}' })).toMatchObject({ field: '{{params.env}}' });
  });

  test('no value that is none for its place', () => {
    expect(() => planned({ format: 'redis-url', host: '{{params.evil}}' })).toThrow(
      expect.objectContaining({
        code: 'SIGNAL_INVALID',
        message: 'host of the file f would be "a@b:1": it must be a host name or an address',
      }),
    );
    expect(() => planned({ format: 'template', template: '{{params.nobody}}' })).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringContaining('params.nobody') }),
    );
    // It could hold braces.
    expect(() => planned({ format: 'template', template: '{{event.id}}' })).toThrow(/event\.id is not/);
  });
});

describe('options', () => {
  test.each([
    ...[
      ['host', 'db.internal'],
      ['host', '10.0.0.1'],
      ['host', '::1'],
      ['host', 'fd00::12:1'],
      ['database', 'app_$1'],
    ],
    ...[
      ['vhost', 'jobs/de'],
      ['server', 'https://k.internal:6443'],
      ['registry', 'http://127.0.0.1:4873/npm/'],
    ],
    ...[
      ['url', 'https://git.example/acme/app.git'],
      ['scope', '@acme'],
      ['username', 'x-access-token'],
    ],
    ...[
      ['region', 'eu-central-1'],
      ['profile', 'deploy'],
      ['namespace', 'team-a'],
      ['sslmode', 'verify-full'],
    ],
  ])('%s: %s', (option, value) => {
    expect(optionFault(option, value)).toBeNull();
  });

  test.each([
    ...[
      ['host', ''],
      ['host', 'a b'],
      ['host', 'a\nb'],
      ['host', 'a:b'],
      ['host', 'u@h'],
      ['host', 'h/x'],
      ['host', '[::1]'],
    ],
    ...[
      ['database', 'a\nb'],
      ['database', 'a:b'],
      ['vhost', 'a b'],
      ['server', 'ftp://h'],
      ['server', 'https://u:p@h'],
    ],
    ...[
      ['url', 'https://u@h'],
      ['url', 'https://h?x'],
      ['url', 'git@h:a/b'],
      ['registry', 'h'],
      ['scope', 'acme'],
    ],
    ...[
      ['username', 'a b'],
      ['username', 'a\n'],
      ['region', 'x y'],
      ['profile', 'a]'],
      ['namespace', 'A'],
      ['sslmode', 'on'],
    ],
  ])('%s: not %j', (option, value) => {
    expect(optionFault(option, value)).toMatch(/^must be \S/);
  });
});

describe('the other secrets that a file shows', () => {
  const others = ['api', 'tls'];
  test.each<[string, object, string[]]>([
    [
      'a template',
      { format: 'template', template: '{{a}} {{tls.key}} {{api.x}} {{api.y}} {{no.z}}' },
      ['api', 'tls'],
    ],
    ['slots of the start', { format: 'template', template: '{{params.api}}' }, []],
    ['fields', { format: 'dotenv', fields: { A: 'api.x', B: 'b' } }, ['api']],
    ['raw', { format: 'raw', field: 'tls.key' }, ['tls']],
    ['parts', { format: 'pgpass', fields: { password: 'api.x' } }, ['api']],
    ['a name without a dot', { format: 'raw', field: 'api' }, []],
    ['all fields', { format: 'json' }, []],
  ])('%s', (_name, rule, drawn) => {
    expect(drawnFrom({ name: 'f', ...rule } as FileRule, others)).toEqual(drawn);
  });

  test('count for what an approved task may get: a reader who is shown one more secret has more', () => {
    const plan = (template: string) => ({
      ...PLAN,
      asks: [
        {
          ...PLAN.asks[0]!,
          files: [{ name: 'f', format: 'template' as const, template, owner: { uid: 7, gid: 7 } }],
        },
        { ...PLAN.asks[0]!, secret: 'api', path: 'kv/api' },
      ],
    });
    const approved = plan('{{username}}');
    expect(isWithin(plan('{{password}} for {{username}}'), approved), 'nor one more field').toBe(false);
    expect(isWithin(plan('{{username}} {{api.token}}'), approved)).toBe(false);
    expect(isWithin(approved, plan('{{username}} {{api.token}}')), 'one who is shown less has less').toBe(
      true,
    );
  });
});
