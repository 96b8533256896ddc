// Owns what may come out of a template: a path keeps the segments its profile wrote, whatever a start says.

import { describe, expect, test } from 'vitest';
import { isProfileName, isSegment, isTaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import {
  hasBrokenSlot,
  hasStrayBraces,
  renderSegments,
  renderText,
  slots,
} from '../../../src/domain/template.ts';

/** Values that must never reach Vault (README, Profiles, one segment only). */
const HOSTILE = [
  '..',
  '.',
  'a/b',
  '/',
  '../sys',
  'a..b',
  '%2e',
  '%2e%2e',
  '%2F',
  'a?b',
  'a#b',
  'a*',
  '*',
  '+',
  'a+b',
  'a\nb',
  'a\n',
  '\r',
  'a b',
  ' a',
  '\t',
  '\u0000',
  'a\\b',
  '{{task.id}}',
  'ä',
  '\u2025',
  '\uff0e\uff0e',
  '',
  'a;b',
  'a&b',
  '"',
  "'",
  'a'.repeat(256),
];

describe('segments', () => {
  test.each(HOSTILE.map((value) => [JSON.stringify(value).slice(0, 24), value]))(
    'refused: %s',
    (_name, value) => {
      expect(isSegment(value)).toBe(false);
      expect(() => renderSegments('database/creds/{{params.env}}', () => value)).toThrow(Problem);
    },
  );

  test.each([
    'prod',
    'c-42',
    'a.b',
    'x_y~z',
    'me@host',
    'a:b',
    'k=v',
    'a,b',
    '.hidden',
    '-',
    'a'.repeat(255),
  ])('taken as it is: %s', (value) => {
    expect(renderSegments('a/{{v}}/b', () => value)).toBe(`a/${value}/b`);
  });
});

describe('renderSegments', () => {
  test('fills every slot, blanks inside the braces allowed', () => {
    const values = new Map([
      ['params.env', 'prod'],
      ['task.id', 'build-81'],
    ]);
    expect(renderSegments('a/{{params.env}}/{{ task.id }}-{{params.env}}', (name) => values.get(name))).toBe(
      'a/prod/build-81-prod',
    );
  });

  test('a value that this start does not have: SIGNAL_INVALID, named', () => {
    expect(() => renderSegments('a/{{params.customer}}', () => undefined)).toThrow(
      expect.objectContaining({
        code: 'SIGNAL_INVALID',
        message: expect.stringContaining('params.customer'),
      }),
    );
  });

  test('a value is not rendered a second time', () => {
    expect(() => renderSegments('{{a}}', () => '{{b}}')).toThrow(Problem);
  });

  test('replacement patterns of String.replace have no meaning', () => {
    expect(() => renderSegments('{{a}}', () => '$&')).toThrow(Problem);
    expect(renderText('{{a}}', () => '$&$1')).toBe('$&$1');
  });
});

describe('slots and braces', () => {
  test('names in order', () => {
    expect(slots('{{a}}/{{ b.c }}/{{a}}')).toEqual(['a', 'b.c', 'a']);
    expect(slots('no slots {a} }}{{')).toEqual([]);
  });

  test('stray braces are seen', () => {
    expect(hasStrayBraces('{{a}}/x')).toBe(false);
    expect(hasStrayBraces('{{a}/x')).toBe(true);
    expect(hasStrayBraces('{{a b}}')).toBe(true);
    expect(hasStrayBraces('x}}')).toBe(true);
  });

  test.each([
    ['{"auths":{"r":{"user":"{{username}}","ports":{{ports}}}}}', false],
    ['{a: {b: {}}}', false],
    ['{{{x}}}', false],
    ['{{x', true],
    ['{x}}', true],
    ['{{a b}}', true],
    ['{{#each x}}', true],
    ['{{{{x}}', true],
    ['{{}}', true],
  ])('a file’s template %j: broken %s', (template, broken) => {
    expect(hasBrokenSlot(template)).toBe(broken);
  });

  test('file templates take values as they are and leave unknown slots alone', () => {
    expect(
      renderText('{{certificate}}\n{{gone}}\n', (name) => (name === 'certificate' ? 'A/B+C=' : undefined)),
    ).toBe('A/B+C=\n{{gone}}\n');
  });
});

describe('ids', () => {
  test.each(['build-81', 'a', '0', 'A.b_c-d', 'a'.repeat(128)])('a task id: %s', (id) => {
    expect(isTaskId(id)).toBe(true);
  });

  test.each([
    '',
    '.',
    '..',
    '-a',
    '_a',
    '.a',
    'a/b',
    'a b',
    'a\n',
    'a%2e',
    'a?',
    'a#',
    'a*',
    'a+',
    'ä',
    'a'.repeat(129),
  ])('not a task id: %j', (id) => {
    expect(isTaskId(id)).toBe(false);
  });

  test('a profile name names a file', () => {
    expect(isProfileName('report-read')).toBe(true);
    for (const name of ['', '../x', 'a/b', '.a', 'a\n', 'a'.repeat(64)])
      expect(isProfileName(name)).toBe(false);
  });
});
