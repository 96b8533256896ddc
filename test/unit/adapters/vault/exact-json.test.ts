// Owns the parsing of replies: numbers that JavaScript would change come out as they went in, and everything else is what
// JSON.parse makes of it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactJson } from '../../../../src/adapters/vault/exact-json.ts';
import { written } from '../files/formats/written.ts';

test.each([
  ...[
    '12345678901234567890',
    '-9007199254740993',
    '1.10',
    '1e3',
    '1E+2',
    '-0',
    '0.12345678901234567890123',
    '1e400',
  ],
  ...['7', '-7', '1.5', '0', '9007199254740991'],
])('%s is written as it came, in every format that takes numbers', (number) => {
  const { data } = exactJson(`{"data":{"n":${number},"deep":{"n":[${number}]}}}`) as {
    data: Record<string, unknown>;
  };
  expect(written({ format: 'raw', field: 'n' }, data).toString()).toBe(number);
  expect(written({ format: 'raw', field: 'deep.n.0' }, data).toString()).toBe(number);
  expect(written({ format: 'template', template: '{{n}}' }, data).toString()).toBe(number);
  expect(written({ format: 'dotenv', quoting: 'shell', fields: { N: 'n' } }, data).toString()).toBe(
    `N=${number}\n`,
  );
  expect(written({ format: 'json' }, data).toString()).toBe(
    `{\n  "n": ${number},\n  "deep": {\n    "n": [\n      ${number}\n    ]\n  }\n}\n`,
  );
});

test('a number that JavaScript keeps is a number: what the agent reckons with is not touched', () => {
  expect(
    exactJson('{"lease_duration":3600,"created":"2026-11-22T10:00:00.123456789012345678Z","v":1.5}'),
  ).toEqual({
    ...{ lease_duration: 3600, created: '2026-11-22T10:00:00.123456789012345678Z', v: 1.5 },
  });
});

test('whatever JavaScript can write is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.stringify(exactJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});
