// Policies as Vault takes them are read, and what is written is read again as the same.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { printHcl, printJson } from '../../../src/policy/hcl-print.ts';
import { readPolicy } from '../../../src/policy/hcl-read.ts';
import type { PathRule } from '../../../src/policy/model.ts';
import { ROOT } from '../../architecture/sources.ts';

const read = (text: string) => readPolicy(text, 'p', 'p.hcl');

test('comments, limits, old and block syntax, trailing commas', () => {
  const policy = read(`// head
# more

/* own */
path "a/b" {
  capabilities = ["read", "update",] # why
  allowed_parameters = { "x" = ["*.y", true, 5], z = [] }
  denied_parameters { "*" = [] }
  required_parameters = ["x"]
  min_wrapping_ttl = "1s"
}
path "c" { policy = "write" }
`);
  expect(policy.comment).toEqual(['head', 'more']);
  expect(policy.rules).toEqual([
    {
      path: 'a/b',
      capabilities: ['read', 'update'],
      allowed: { x: ['*.y', true, 5], z: [] },
      denied: { '*': [] },
      required: ['x'],
      other: { min_wrapping_ttl: '1s' },
      comment: ['own'],
      line: 5,
    },
    { path: 'c', capabilities: ['create', 'read', 'update', 'delete', 'list'], line: 12 },
  ]);
});

test('JSON policies are read too', () => {
  expect(read('{"path":{"a":{"capabilities":["read"]}}}').rules).toMatchObject([
    { path: 'a', capabilities: ['read'] },
  ]);
});

test.each([
  [
    'path "a" {\n  capabilities = ["raed"]\n}',
    'p.hcl:1: path "a" has the capability raed, which does not exist',
  ],
  [
    'path "a" {\n alowed_parameters = {}\n}',
    'p.hcl:1: path "a" has alowed_parameters, which Vault does not know',
  ],
  ['\n\npath "a {\n}', 'p.hcl:3: a text does not end on its line: close it with a quote'],
  ['path "a" {', 'p.hcl:1: expected a name and a value, found the end of the file'],
  ['path a {}', 'p.hcl:1: expected the path in quotes, found "a"'],
  ['path "a" { capabilities ["read"] }', 'p.hcl:1: expected = after capabilities, found "["'],
  ['path "a/+*" { capabilities = ["read"] }', 'p.hcl:1: path "a/+*" has +* in it, which Vault refuses'],
  ['path "a" { capabilities = ["read" "list"] }', 'p.hcl:1: expected , or ], found "list"'],
  ['path "a" { capabilities = "read" }', 'p.hcl:1: path "a" has capabilities that are no list of texts'],
  ['path "a" { capabilities = ["read"]\n capabilities = [] }', 'p.hcl:2: capabilities is there twice'],
  ['{"pth":{}}', 'p.hcl:1: has no "path" with the paths in it'],
  ['{', 'p.hcl:1: is not JSON'],
])('%j is a fault with its line', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

const bare = (rules: readonly PathRule[]) => rules.map(({ line: _line, comment: _comment, ...rest }) => rest);

describe('what is written is read again', () => {
  const shipped = readdirSync(join(ROOT, 'vault-policies')).filter((name) => name.endsWith('.hcl'));
  test.each(shipped)('%s', (name) => {
    const policy = read(readFileSync(join(ROOT, 'vault-policies', name), 'utf8'));
    expect(bare(read(printHcl(policy)).rules)).toEqual(bare(policy.rules));
    expect(bare(read(printJson(policy)).rules)).toEqual(bare(policy.rules));
    expect(printHcl(read(printHcl(policy)))).toBe(printHcl(policy));
  });

  test('odd texts, lists and objects', () => {
    const rules: PathRule[] = [
      {
        path: 'a"b\\c',
        capabilities: ['read'],
        allowed: { 'x y': [{ a: 'b' }, ['c', 'd'], 1.5, false, 'z\n'] },
        comment: ['', 'why'],
      },
      {
        path: 'long',
        capabilities: ['update'],
        allowed: { n: Array.from({ length: 40 }, (_, n) => `value-${n}`) },
      },
    ];
    const text = printHcl({ name: 'p', rules });
    expect(bare(read(text).rules)).toEqual(bare(rules));
  });
});
