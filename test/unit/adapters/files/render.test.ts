// Owns the bytes of delivered files: each format, fields by name and by dotted path, and the refusal where a
// secret lacks a field, which names fields and never their values.

import { describe, expect, test } from 'vitest';
import { render } from '../../../../src/adapters/files/render.ts';
import type { FileRule } from '../../../../src/domain/profile.ts';

const CANARY = 'canary-4711';
const text = (rule: Omit<FileRule, 'name'>, data: Record<string, unknown>): string =>
  render('db', { name: 'f', ...rule }, data).toString('utf8');

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
  test.each<[string, Omit<FileRule, 'name'>]>([
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
