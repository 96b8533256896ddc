// Owns the small values that configuration, profiles and signals share: what is taken and what is refused.

import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  absolutePath,
  duration,
  fileMode,
  isVaultName,
  unixId,
  vaultName,
} from '../../../src/schema/scalars.ts';
import { firstIssue } from '../../../src/schema/signal.ts';

const messageOf = (schema: z.ZodType, value: unknown): string | null => {
  const parsed = schema.safeParse(value);
  return parsed.success ? null : firstIssue(parsed.error).message;
};

describe('duration', () => {
  test('milliseconds, both bounds included', () => {
    const schema = duration(1000, 60_000);
    expect(schema.parse('1s')).toBe(1000);
    expect(schema.parse('1m')).toBe(60_000);
    expect(schema.parse('1500ms')).toBe(1500);
  });
  test.each([
    ['999ms', 'must be between 1s and 1m'],
    ['61s', 'must be between 1s and 1m'],
    ['soon', 'must be a duration like 90s, 10m or 1h'],
    ['-1s', 'must be a duration like 90s, 10m or 1h'],
    ['', 'must be a duration like 90s, 10m or 1h'],
    [30, 'must be a duration like 90s, 10m or 1h'],
    [null, 'must be a duration like 90s, 10m or 1h'],
  ])('%j: %s', (value, message) => {
    expect(messageOf(duration(1000, 60_000), value)).toBe(message);
  });
  test('without an upper bound it says at least', () => {
    expect(messageOf(duration(1000), '1ms')).toBe('must be at least 1s');
  });
});

describe('fileMode', () => {
  test.each([
    ['0440', 0o440],
    ['440', 0o440],
    ['0000', 0],
    ['0777', 0o777],
  ])('%s', (text, bits) => {
    expect(fileMode.parse(text)).toBe(bits);
  });
  // A YAML 1.2 reader turns an unquoted 0440 into the number 440.
  test.each([440, 288, '0o440', '1777', '4755', '888', '04400', '44', '', 'rw-r-----', '0440\n', null])(
    'refused: %j',
    (value) => {
      expect(messageOf(fileMode, value)).toBe('must be an octal mode in quotes, like "0440"');
    },
  );
});

describe('absolutePath', () => {
  test.each(['/', '/run/tasklease', '/a b/c', '/a/..b/c..', '/tmp/ü'])('%s', (path) => {
    expect(absolutePath.parse(path)).toBe(path);
  });
  test.each([
    ['run/x', 'must be an absolute path'],
    ['', 'must be an absolute path'],
    ['~/x', 'must be an absolute path'],
    ['/a\0b', 'must be an absolute path'],
    [42, 'must be an absolute path'],
    [['/a'], 'must be an absolute path'],
    ['/a/../b', 'must not contain ".."'],
    ['/..', 'must not contain ".."'],
  ])('refused: %j', (value, message) => {
    expect(messageOf(absolutePath, value)).toBe(message);
  });
});

describe('unixId', () => {
  test.each([0, 1000, 65_534, 4_294_967_294])('%i', (id) => {
    expect(unixId.parse(id)).toBe(id);
  });
  // 4294967295 is (uid_t) -1, which chown(2) takes for "leave it".
  test.each([-1, 4_294_967_295, 1.5, '1000', null, Number.NaN])('refused: %j', (value) => {
    expect(messageOf(unixId, value)).not.toBeNull();
  });
});

describe('vaultName', () => {
  test.each(['approle', 'tasklease-session', 'team-a/sub', 'k8s:eu@1', 'a.b', 'v~1=2,3'])('%s', (name) => {
    expect(vaultName.parse(name)).toBe(name);
    expect(isVaultName(name)).toBe(true);
  });
  test.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '..',
    'a/../b',
    'a..b',
    '.',
    'a/./b',
    'a b',
    'a?b',
    'a#b',
    'a*',
    '+',
    'a%2fb',
    'ä',
    'a\n',
    'a\0',
    'a\\b',
    '{{x}}',
    42,
  ])('refused: %j', (value) => {
    expect(messageOf(vaultName, value)).not.toBeNull();
    if (typeof value === 'string') expect(isVaultName(value)).toBe(false);
  });
});
