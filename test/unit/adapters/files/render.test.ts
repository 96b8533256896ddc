// Owns the bytes of delivered files: each format, fields by name and by dotted path, and the refusal where a
// secret lacks a field, which names fields and never their values.

import { describe, expect, test } from 'vitest';
import { type Rule, written } from './formats/written.ts';

const CANARY = 'canary-4711';
const text = (rule: Rule, data: Record<string, unknown>, others = {}): string =>
  written(rule, data, 'f', others).toString('utf8');

const DATA = { username: 'v-1', password: CANARY };
/** As KV version 2 answers and as a profile may name it. */
const KV = {
  data: { db: { password: CANARY }, 'a.b': 'dotted' },
  metadata: { version: 3 },
  list: ['x', 'y'],
};

describe('json', () => {
  test('all fields, as given, with a final newline', () => {
    const out = text({ format: 'json' }, { ...DATA, n: 7, deep: { a: [null, true] } });
    expect(JSON.parse(out)).toEqual({ ...DATA, n: 7, deep: { a: [null, true] } });
    expect(out.endsWith('}\n')).toBe(true);
  });
  test('only the fields asked for, under the names asked for', () => {
    expect(JSON.parse(text({ format: 'json', fields: { pass: 'password' } }, DATA))).toEqual({
      pass: CANARY,
    });
  });
  test('bytes that are not ASCII are UTF-8', () => {
    expect(JSON.parse(text({ format: 'json' }, { p: 'grün 😀 \u0000' }))).toEqual({ p: 'grün 😀 \u0000' });
  });
});

describe('raw', () => {
  test('the field, byte for byte, nothing added', () => {
    expect(text({ format: 'raw', field: 'password' }, DATA)).toBe(CANARY);
    expect(text({ format: 'raw', field: 'p' }, { p: ' a\n\n' })).toBe(' a\n\n');
    expect(text({ format: 'raw', field: 'p' }, { p: '' })).toBe('');
  });
  test('what is no text is JSON', () => {
    expect(text({ format: 'raw', field: 'p' }, { p: 42 })).toBe('42');
    expect(text({ format: 'raw', field: 'p' }, { p: { a: 1 } })).toBe('{"a":1}');
    expect(text({ format: 'raw', field: 'p' }, { p: null })).toBe('null');
  });
});

describe('template', () => {
  test('fields are put in as they are, however often', () => {
    expect(text({ format: 'template', template: '{{username}}:{{ password }}@{{username}}\n' }, DATA)).toBe(
      `v-1:${CANARY}@v-1\n`,
    );
  });
  test('a value that looks like a slot or a replacement pattern is put in as it is', () => {
    const data = { a: '{{b}}', b: "$& $1 $$ $' $`" };
    expect(text({ format: 'template', template: '<{{a}}|{{b}}>' }, data)).toBe("<{{b}}|$& $1 $$ $' $`>");
  });
  test('a text without slots stays as it is', () => {
    expect(text({ format: 'template', template: 'ssl = on\n' }, {})).toBe('ssl = on\n');
  });
});

describe('fields by dotted path', () => {
  test.each([
    ['data.db.password', CANARY],
    ['metadata.version', '3'],
    ['list.1', 'y'],
    ['list', '["x","y"]'],
  ])('%s', (field, value) => {
    expect(text({ format: 'raw', field }, KV)).toBe(value);
  });

  test('a field whose own name has dots goes before a path', () => {
    expect(text({ format: 'raw', field: 'a.b' }, { 'a.b': 'own', a: { b: 'path' } })).toBe('own');
  });

  test('in every format', () => {
    expect(text({ format: 'dotenv', fields: { P: 'data.db.password' } }, KV)).toBe(`P=${CANARY}\n`);
    expect(text({ format: 'template', template: '{{data.db.password}}' }, KV)).toBe(CANARY);
    expect(text({ format: 'json', fields: { p: 'data.db' } }, KV)).toBe(
      `{\n  "p": {\n    "password": "${CANARY}"\n  }\n}\n`,
    );
  });
});

describe('a field that the secret does not have', () => {
  test.each<[string, Rule]>([
    ['raw', { format: 'raw', field: 'token' }],
    ['json', { format: 'json', fields: { a: 'password', b: 'token' } }],
    ['dotenv', { format: 'dotenv', fields: { A: 'token' } }],
    ['template', { format: 'template', template: '{{password}} {{token}}' }],
  ])('%s: refused by name, with the names that there are', (_name, rule) => {
    expect(() => text(rule, DATA)).toThrow(
      expect.objectContaining({
        code: 'DELIVERY_FAILED',
        message: 'secret db has no field token, which f needs',
        hint: 'it has password, username',
      }),
    );
  });

  test.each([
    'data.password',
    'data.db.password.length',
    'list.2',
    'constructor',
    '__proto__',
    'toString',
    '',
  ])('%j is none, whatever JavaScript says', (field) => {
    expect(() => text({ format: 'raw', field }, KV)).toThrow(/has no field/);
  });
});

describe('fields of other secrets of the task', () => {
  const others = { api: { token: 't-1', data: { deep: 7 } }, tls: { 'ca.crt': 'PEM' } };

  test('in every format that names fields', () => {
    expect(
      text({ format: 'template', template: '{{username}} {{api.token}} {{tls.ca.crt}}' }, DATA, others),
    ).toBe('v-1 t-1 PEM');
    expect(text({ format: 'dotenv', fields: { T: 'api.token', U: 'username' } }, DATA, others)).toBe(
      'T=t-1\nU=v-1\n',
    );
    expect(JSON.parse(text({ format: 'json', fields: { t: 'api.data' } }, DATA, others))).toEqual({
      t: { deep: 7 },
    });
    expect(text({ format: 'raw', field: 'api.data.deep' }, DATA, others)).toBe('7');
    expect(text({ format: 'netrc', machine: 'h', fields: { password: 'api.token' } }, DATA, others)).toBe(
      'machine h login v-1 password t-1\n',
    );
  });

  test('a name with another secret’s name before the dot is that secret’s, whatever the own one holds', () => {
    const data = { api: { token: 'own' } };
    expect(text({ format: 'raw', field: 'api.token' }, data, others)).toBe('t-1');
    expect(text({ format: 'raw', field: 'db.api.token' }, data, others)).toBe('own');
    expect(text({ format: 'raw', field: 'api.token' }, data)).toBe('own');
    expect(() => text({ format: 'raw', field: 'api.x' }, { api: { x: 'own' } }, others)).toThrow(
      expect.objectContaining({
        message: 'secret api has no field x, which f needs',
        hint: 'it has data, token',
      }),
    );
  });

  test('the own secret’s name may stand before its fields', () => {
    expect(text({ format: 'raw', field: 'db.username' }, DATA)).toBe('v-1');
    expect(text({ format: 'raw', field: 'db.username' }, { db: { username: 'nested' } })).toBe('nested');
    expect(() => text({ format: 'raw', field: 'db.x' }, { db: { x: 'nested' }, x: 'own' })).toThrow(
      /^db\.x in f can be two fields of secret db$/,
    );
  });

  test('what is neither a secret nor a nested field is named with what there is', () => {
    expect(() => text({ format: 'template', template: '{{apl.token}}' }, DATA, others)).toThrow(
      expect.objectContaining({
        message: 'secret db has no field apl.token, which f needs',
        hint: 'it has password, username; other secrets are api, tls',
      }),
    );
  });

  test('where a ready-made format usually finds a part is never another secret', () => {
    expect(() =>
      text({ format: 'kubeconfig', server: 'https://k' }, DATA, { service_account_token: {} }),
    ).toThrow(/^secret db has nothing in service_account_token or token, which f \(kubeconfig\) needs$/);
  });
});

describe('bytes, and what is no text', () => {
  test('base64 is decoded with encoding: base64, however its lines are wrapped', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const wrapped = `${bytes.toString('base64').replace(/(.{76})/g, '$1\n')}\n`;
    const rule: Rule = { format: 'raw', field: 'p', encoding: 'base64' };
    expect(written(rule, { p: wrapped }).equals(bytes)).toBe(true);
    expect(written(rule, { p: '' }).length).toBe(0);
  });
  test.each(['a', 'ab', 'YQ', 'YQ=', 'YQ===', 'Y-__', 'YR==', 'YQ==YQ==', '{}', 'YQ==\u00a0'])(
    '%j is not base64: refused',
    (p) => {
      expect(() => text({ format: 'raw', field: 'p', encoding: 'base64' }, { p })).toThrow(
        /is not base64 with padding/,
      );
    },
  );
  test.each<[string, Rule]>([
    ['raw', { format: 'raw', field: 'p' }],
    ['template', { format: 'template', template: '{{p}}' }],
    ['dotenv', { format: 'dotenv', fields: { P: 'p' } }],
    ['pgpass', { format: 'pgpass', username: 'a', fields: { password: 'p' } }],
  ])('half a character has no bytes: refused in %s', (_name, rule) => {
    expect(() => text(rule, { p: 'a\ud800' })).toThrow(
      expect.objectContaining({
        code: 'DELIVERY_FAILED',
        message: expect.stringContaining('field p of secret db holds half a character'),
      }),
    );
  });
  test.each([2 ** 53, -(2 ** 60), Number.POSITIVE_INFINITY, { deep: [JSON.parse('12345678901234567890')] }])(
    'a number that lost digits on its way from Vault is refused: %j',
    (p) => {
      for (const rule of [
        { format: 'raw', field: 'p' },
        { format: 'json' },
        { format: 'dotenv', fields: { P: 'p' } },
      ] as const) {
        expect(() => text(rule, { p })).toThrow(/is a number that lost digits on its way/);
      }
    },
  );
});
