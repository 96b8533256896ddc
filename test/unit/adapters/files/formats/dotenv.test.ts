// Owns the format dotenv: what a POSIX shell, a dotenv library and Node's own reader make of it is the value, byte for
// byte; for what they would not read alike there is a spelling for shells alone.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'dotenv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { written } from './written.ts';

let file = '';
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-dotenv-'));
  file = join(dir, 'x.env');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const portable = (fields: Record<string, unknown>) => written({ format: 'dotenv' }, fields, 'x.env');
const forShells = (fields: Record<string, unknown>) =>
  written({ format: 'dotenv', quoting: 'shell' }, fields, 'x.env');

/** What `sh` finds in a variable after it has read the file; the variable before and after must be whole too. */
const inShell = (value: string): string => {
  writeFileSync(file, forShells({ BEFORE: 'b', X: value, AFTER: 'a' }));
  const script = 'set -eu; . "$1"; printf "%s|%s|%s" "$BEFORE" "$X" "$AFTER"';
  const out = execFileSync('sh', ['-c', script, 'sh', file], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  expect(out.startsWith('b|')).toBe(true);
  expect(out.endsWith('|a')).toBe(true);
  return out.slice(2, -2);
};

const NASTY = [
  'plain',
  '',
  ' ',
  ' leading and trailing ',
  'a b',
  '"double"',
  "it's",
  `both ' and "`,
  "'",
  "''",
  '"',
  '\\',
  '\\\\',
  "\\'",
  'trailing\\',
  "it's trailing\\",
  '$HOME',
  "$HOME isn't",
  '$(touch /tmp/never)',
  "$(echo 'no')",
  '`id`',
  "`echo 'id'`",
  '\x24{X:-no}',
  "it's \x24{X} $1 $$ $?",
  'line one\nline two\n',
  "it's\nthree\n\nlines",
  '\n',
  'tab\tand\rreturn',
  '# no comment',
  'a#b',
  'a=b=c',
  '; false',
  '& | < > ( )',
  '*?[a-z]',
  '~',
  '~root',
  '!history',
  "don't!",
  '{a,b}',
  '%s%n%d',
  '\\n\\t\\x41\\u0041',
  'grün ß € 😀 日本',
  "l'été à 5 € `$x`",
  '\u2028\u00a0\u200b',
  'x'.repeat(20_000),
  '-----BEGIN PRIVATE KEY-----\nMIIE+/=\n-----END PRIVATE KEY-----\n',
  `A${'~!@#$%^&*()_+`-={}|[]\\:";\'<>?,./'}`,
];

describe('with quoting: shell, a shell reads back what was written', () => {
  test.each(NASTY.map((value) => [value.slice(0, 40), value]))('%j', (_name, value) => {
    expect(inShell(value)).toBe(value);
  });

  test('each single character of ASCII but NUL', () => {
    for (let code = 1; code < 128; code += 1) {
      const char = String.fromCharCode(code);
      for (const value of [char, `a${char}`, `'${char}"`])
        expect([code, inShell(value)]).toEqual([code, value]);
    }
  });

  test('exported with set -a', () => {
    writeFileSync(file, forShells({ PGPASSWORD: 'a b$c' }));
    const script = 'set -a; . "$1"; exec env';
    expect(execFileSync('sh', ['-c', script, 'sh', file], { encoding: 'utf8' })).toContain(
      'PGPASSWORD=a b$c\n',
    );
  });
});

describe('a shell, a dotenv library and Node’s reader read back what was written, or it is refused', () => {
  test.each(NASTY.map((value) => [value.slice(0, 40), value]))('%j', (_name, value) => {
    const fields = { BEFORE: 'b', X: value, AFTER: 'a' };
    let out: Buffer;
    try {
      out = portable(fields);
    } catch (error) {
      expect(value).toMatch(/\r|\\$|'[\s\S]*[\\"$`]|[\\"$`][\s\S]*'/);
      expect(error).toMatchObject({
        code: 'DELIVERY_FAILED',
        message: expect.stringMatching(/^x\.env cannot be written: field X of secret db (?:holds|ends in) /),
        hint: 'set quoting: shell where only shells read the file, else use format json',
      });
      return;
    }
    writeFileSync(file, out);
    expect(parse(out)).toEqual(fields);
    expect(parseEnv(out.toString())).toEqual(fields);
    expect(execFileSync('sh', ['-c', '. "$1"; printf %s "$X"', 'sh', file], { encoding: 'utf8' })).toBe(
      value,
    );
  });
});

test('what is no text is JSON', () => {
  expect(parseEnv(portable({ N: 5432, T: true, O: { a: 'b' }, Z: null }).toString())).toEqual({
    N: '5432',
    T: 'true',
    O: '{"a":"b"}',
    Z: 'null',
  });
});

test.each(['1A', 'a-b', 'a.b', 'a b', '', 'ä', 'X;id', 'X\nY', '$X'])('the name %j is refused', (name) => {
  expect(() => portable({ [name]: 'canary-4711' })).toThrow(
    expect.objectContaining({
      code: 'DELIVERY_FAILED',
      message: expect.not.stringContaining('canary'),
      hint: 'map it to a variable name under fields:',
    }),
  );
});

test('NUL cannot be in a variable: refused', () => {
  expect(() => portable({ X: 'a\0b' })).toThrow(expect.objectContaining({ code: 'DELIVERY_FAILED' }));
});
