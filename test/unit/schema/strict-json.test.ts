// Owns the promises of strict JSON: one document, no name twice at any depth, nothing deep, no prototype;
// and one text for one value.

import { describe, expect, test } from 'vitest';
import { canonical, parseStrict } from '../../../src/schema/strict-json.ts';

const refused = (text: string, detail: string) =>
  expect(() => parseStrict(text)).toThrow(
    expect.objectContaining({ code: 'SIGNAL_INVALID', message: expect.stringContaining(detail) }),
  );

describe('what is read', () => {
  test.each([
    ['{"profile":"report-read","params":{"env":"prod"}}'],
    ['{"a":{"x":1},"b":{"x":1}}'],
    ['[{"a":1},{"a":2}]'],
    ['{"text":"{\\"a\\":1,\\"a\\":2} , : [ ]"}'],
    ['{"a":"a","b":":","c":"\\\\"}'],
    ['{"\\"":1,"\\\\\\"":2}'],
    ['"just a string"'],
    [' {\n"a"\t:\r1 } '],
    ['{"__proto":1,"constructor":2,"toString":3,"hasOwnProperty":4}'],
    ['{"a":[["a","a"],["a"]]}'],
  ])('%s', (text) => {
    expect(parseStrict(text)).toEqual(JSON.parse(text));
  });
});

describe('not JSON', () => {
  test.each([
    '',
    '{',
    "{'a':1}",
    '{"a":1,}',
    '{"a":1} {"b":2}',
    '{"a":1}x',
    'undefined',
    'NaN',
    '{a:1}',
    '// x\n{}',
    '\ufeff{}',
    '{"a":01}',
    '{"a":"\n"}',
  ])('%j', (text) => {
    refused(text, 'is not JSON');
  });
});

describe('a name that stands twice', () => {
  test.each([
    ['{"profile":"a","profile":"b"}', '"profile"'],
    ['{"profile":"a","profile":"a"}', '"profile"'],
    ['{"params":{"env":"staging","env":"prod"}}', '"env"'],
    ['{"a":[{"b":[{"c":1,"c":2}]}]}', '"c"'],
    ['[1,{"x":1,"y":2,"x":3}]', '"x"'],
    ['{"a":1,"\\u0061":2}', '"a"'],
    ['{"\\u0061":1,"\\u0061":2}', '"a"'],
    ['{"p\\u0072ofile":"x","profile":"y"}', '"profile"'],
    ['{"a":{"b":1},"c":2,"a":{"b":1}}', '"a"'],
    ['{"":1,"":2}', '""'],
    ['{"\\ud83d\\ude00":1,"😀":2}', '"😀"'],
    ['{"a\\/b":1,"a/b":2}', '"a/b"'],
    ['{"x":"}","x":"{"}', '"x"'],
  ])('%s', (text, name) => {
    refused(text, `the name ${name} stands twice`);
  });

  test('names that differ in case or form are not the same', () => {
    expect(Object.keys(parseStrict('{"a":1,"A":2,"é":3,"e\\u0301":4}') as object)).toHaveLength(4);
  });
});

describe('depth', () => {
  const nested = (levels: number, open: string, close: string) =>
    `${open.repeat(levels)}1${close.repeat(levels)}`;

  test.each([
    ['{"a":', '}'],
    ['[', ']'],
  ])('8 levels of %s are read, 9 are refused', (open, close) => {
    expect(() => parseStrict(nested(8, open, close))).not.toThrow();
    refused(nested(9, open, close), 'nested deeper than 8');
  });

  test('30 000 levels are refused without harm', () => {
    expect(() => parseStrict(nested(30_000, '[', ']'))).toThrow(
      expect.objectContaining({ code: 'SIGNAL_INVALID' }),
    );
  });

  test('what is wide is not deep', () => {
    const wide = `{${Array.from({ length: 5000 }, (_, n) => `"k${n}":{"a":[1]}`).join(',')}}`;
    expect(() => parseStrict(wide)).not.toThrow();
  });
});

test.each([
  '{"__proto__":1}',
  '{"a":{"__proto__":{"uid":0}}}',
  '{"\\u005f_proto__":1}',
  '[{"__proto__":[]}]',
])('the prototype is nobody’s member: %s', (text) => {
  refused(text, '__proto__');
});

test('a refusal repeats no value', () => {
  for (const text of [
    '{"a":"canary-4711","a":1}',
    '{"canary":"canary-4711"',
    '{"__proto__":"canary-4711"}',
  ]) {
    expect(() => parseStrict(text)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('canary-4711') }),
    );
  }
});

describe('canonical', () => {
  test.each([
    ['{"b":1,"a":{"d":2,"c":[3,{"f":4,"e":5}]}}', '{"a":{"c":[3,{"e":5,"f":4}],"d":2},"b":1}'],
    [' { "a" : "\\u0041" } ', '{"a":"A"}'],
    ['{"a":1.0,"b":1e2,"c":null,"d":true}', '{"a":1,"b":100,"c":null,"d":true}'],
    ['{"10":1,"9":2,"a":3}', '{"10":1,"9":2,"a":3}'],
    ['[]', '[]'],
    ['{}', '{}'],
  ])('%s', (text, expected) => {
    expect(canonical(JSON.parse(text))).toBe(expected);
  });

  test('the order of names does not matter, the order of a list does', () => {
    expect(canonical({ a: 1, b: 2 })).toBe(canonical({ b: 2, a: 1 }));
    expect(canonical([1, 2])).not.toBe(canonical([2, 1]));
  });

  test('different values never share a text', () => {
    const texts = [{ a: '1' }, { a: 1 }, { a: [1] }, { a: { 1: 1 } }, { 'a":1,"b': 1 }, { a: 1, b: 1 }].map(
      canonical,
    );
    expect(new Set(texts).size).toBe(texts.length);
  });
});
