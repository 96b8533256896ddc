// What policies permit, by Vault's rules.
import { describe, expect, test } from 'vitest';
import type { Capability } from '../../../src/domain/policy-line.ts';
import type { PathRule, Policy } from '../../../src/policy/model.ts';
import { permits } from '../../../src/policy/permits.ts';

const rule = (
  path: string,
  capabilities: Capability[] = ['read'],
  more: Partial<PathRule> = {},
): PathRule => ({
  path,
  capabilities,
  ...more,
});
const policy = (...rules: PathRule[]): Policy => ({ name: 'p', rules });
const allowed = (
  policies: Policy[],
  path: string,
  capability: Capability = 'read',
  body?: Record<string, unknown>,
) => permits(policies, { path, capabilities: [capability], ...(body && { body }) });

describe('paths', () => {
  test.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b', 'a', false],
    ['a/*', 'a/b/c', true],
    ['a/*', 'a/', true],
    ['a/*', 'a', false],
    ['a/b*', 'a/bc/d', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a/b/c', false],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c*', 'a/b/cd/e', true],
    ['a/+/c*', 'a/b/d', false],
    ['a/b+', 'a/bc', false],
    ['+/b', 'a/b', true],
    ['a*b', 'a*b', true],
    ['a*b', 'axb', false],
  ])('%s is about %s: %s', (path, asked, yes) => {
    expect(allowed([policy(rule(path))], asked).permitted).toBe(yes);
  });

  test.each([
    ['the exact path', ['a/*', 'a/+', 'a/b'], 'a/b'],
    ['the wildcard that comes later', ['a/+/c', 'a/b/*'], 'a/b/*'],
    ['no glob at the end', ['a/+/*', 'a/+/c'], 'a/+/c'],
    ['fewer plus signs', ['a/+/+/d', 'a/+/c/d'], 'a/+/c/d'],
    ['the longer one', ['a/*', 'a/b/c/*'], 'a/b/c/*'],
  ])('%s decides', (_what, paths, winner) => {
    const asked = paths.includes('a/b')
      ? 'a/b'
      : paths.some((path) => path.endsWith('d'))
        ? 'a/b/c/d'
        : paths.includes('a/b/c/*')
          ? 'a/b/c/x'
          : 'a/b/c';
    const verdict = allowed([policy(...paths.map((path) => rule(path)))], asked);
    expect(verdict.by.map((found) => found.rule.path)).toEqual([winner]);
  });

  test('deny wins over another policy of the same path, and only there', () => {
    const denying = { name: 'd', rules: [rule('a/b', ['deny']), rule('a/*', ['deny'])] };
    expect(allowed([policy(rule('a/b')), denying], 'a/b').permitted).toBe(false);
    expect(allowed([policy(rule('a/c')), denying], 'a/c').permitted).toBe(true);
  });

  test('a template has the value that Vault knows, and is left out where it knows none', () => {
    const templated = policy(rule('a/{{identity.entity.aliases.auth_1.name}}'));
    const identity = (template: string) => (template.endsWith('auth_1.name') ? 'c-1' : undefined);
    const ask = { path: 'a/c-1', capabilities: ['read'] as const };
    expect(permits([templated], ask, { identity }).permitted).toBe(true);
    expect(permits([templated], { ...ask, path: 'a/c-2' }, { identity }).permitted).toBe(false);
    expect(permits([templated], ask).permitted).toBe(false);
  });
});

describe('parameters', () => {
  const write = (more: Partial<PathRule>, body: Record<string, unknown>) =>
    allowed([policy(rule('a', ['update'], more))], 'a', 'update', body).permitted;

  test.each([
    [{ allowed: { n: ['*.x'] } }, { n: 'a.x' }, true],
    [{ allowed: { n: ['*.x'] } }, { n: 'a.y' }, false],
    [{ allowed: { n: ['x*'] } }, { n: 'xa' }, true],
    [{ allowed: { n: ['*x*'] } }, { n: 'axb' }, true],
    [{ allowed: { n: [] } }, { n: 'a' }, true],
    [{ allowed: { n: [] } }, { m: 'a' }, false],
    [{ allowed: { n: ['x'], '*': [] } }, { m: 'a' }, true],
    [{ allowed: { n: [true] } }, { n: true }, true],
    [{ allowed: { n: [true] } }, { n: 'true' }, false],
    [{ allowed: { n: [5] } }, { n: 5 }, false],
    [{ allowed: { n: [['a', 'b']] } }, { n: ['a', 'b'] }, true],
    [{ allowed: { n: [['a', 'b']] } }, { n: ['b', 'a'] }, false],
    [{ denied: { '*': [] } }, {}, true],
    [{ denied: { '*': [] } }, { a: 1 }, false],
    [{ denied: { a: ['x'] } }, { a: 'y' }, true],
    [{ denied: { a: ['x'] } }, { a: 'x' }, false],
    [{ required: ['a'] }, {}, false],
    [{ required: ['a'] }, { a: '' }, true],
    [{ required: ['Name'] }, { Name: 'x' }, false],
    [{ allowed: { Name: ['x'] } }, { Name: 'x' }, true],
  ] as const)('%j with %j: %s', (limits, body, yes) => {
    expect(write(limits, body)).toBe(yes);
  });

  test('limits of two policies for one path are put together as Vault does', () => {
    const one = policy(rule('a', ['update'], { allowed: { n: ['x'] } }));
    const two = policy(rule('a', ['update'], { allowed: { n: ['y'], m: [] } }));
    const asks = (body: Record<string, unknown>) => allowed([one, two], 'a', 'update', body).permitted;
    expect([asks({ n: 'x' }), asks({ n: 'y', m: 'z' }), asks({ n: 'z' }), asks({ o: 'z' })]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

test('a refusal says which line is at fault and which would permit it', () => {
  const listing = { name: 'p', file: 'p.hcl', rules: [rule('a/b', ['list'], { line: 3 })] };
  expect(allowed([listing], 'a/b')).toMatchObject({
    permitted: false,
    why: 'p.hcl:3 (path "a/b") does not allow read',
    missing: 'path "a/b" { capabilities = ["read"] }',
  });
  expect(allowed([listing], 'a/c')).toMatchObject({ why: 'no line of p is about this path' });
  expect(allowed([], 'a/c')).toMatchObject({ why: 'there is no policy' });
});
