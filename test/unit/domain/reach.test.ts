// Owns which paths a session is asked about: those of the profiles, with every value that a list names.

import { expect, test } from 'vitest';
import type { Profile } from '../../../src/domain/profile.ts';
import { secretPaths } from '../../../src/domain/reach.ts';
import { profile } from './samples.ts';

const paths = (params: Profile['params'], ...templates: string[]): string[] =>
  secretPaths(
    profile({
      params,
      secrets: templates.map((path, i) => ({ name: `s${i}`, path, method: 'read', files: [] })),
    }),
  );

test('a path without slots is itself', () => {
  expect(paths({}, 'database/creds/report', 'pki/issue/app')).toEqual([
    'database/creds/report',
    'pki/issue/app',
  ]);
});

test('every value of a list is tried, in every combination', () => {
  const params = {
    env: { enum: ['staging', 'prod'], optional: false },
    side: { enum: ['a', 'b'], optional: false },
  };
  expect(paths(params, 'kv/data/{{params.env}}/{{ params.side }}')).toEqual([
    'kv/data/staging/a',
    'kv/data/staging/b',
    'kv/data/prod/a',
    'kv/data/prod/b',
  ]);
});

test('where a pattern or the start decides, one value stands for all', () => {
  const params = { customer: { pattern: 'c-[0-9]+', optional: false } };
  expect(paths(params, 'kv/data/{{params.customer}}-{{task.id}}/{{event.id}}')).toEqual(['kv/data/x-x/x']);
});

test('lists that multiply are cut', () => {
  const params = { n: { enum: Array.from({ length: 50 }, (_, i) => `${i}`), optional: false } };
  expect(paths(params, 'kv/{{params.n}}', 'kv/{{params.n}}-{{params.n}}')).toHaveLength(100);
  const two = { a: params.n, b: params.n };
  expect(paths(two, 'kv/{{params.a}}/{{params.b}}')).toHaveLength(64);
});
