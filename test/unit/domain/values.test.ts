// Owns the small values of the domain: durations, times, secrets and problems, as users and logs see them.

import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration, wholeSeconds } from '../../../src/domain/duration.ts';
import { instantOf, rfc3339 } from '../../../src/domain/instant.ts';
import { CATALOGUE, Problem, type ProblemCode } from '../../../src/domain/problem.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { at } from './samples.ts';

describe('durations', () => {
  test.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1.5s', 1500],
    ['1d', 86_400_000],
    ['0s', 0],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    '',
    '10',
    's',
    '-5s',
    '10 m',
    '1h 30m',
    '5m\n',
    '1e3s',
    '10M',
    'five',
    '99999d',
    '1s;',
    '.5s',
    '9'.repeat(40),
  ])('not a duration: %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test.each([
    [250, '250ms'],
    [1000, '1s'],
    [65_000, '1m5s'],
    [3_900_000, '1h5m'],
    [86_400_000, '24h'],
  ])('%i ms for people', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('whole seconds round up and are never 0', () => {
    expect([0, 1, 1000, 1001].map(wholeSeconds)).toEqual([1, 1, 1, 2]);
  });
});

describe('times', () => {
  test('a boot-clock instant is shown in UTC and read back', () => {
    const now = at(0);
    expect(rfc3339(now.at + 1500, now)).toBe('2026-11-22T10:00:01.500Z');
    expect(instantOf('2026-11-22T11:00:01.500+01:00', now)).toBe(now.at + 1500);
  });
  test('a text that is no time is NaN', () => {
    expect(instantOf('soon', at(0))).toBeNaN();
  });
});

describe('Secret', () => {
  const canary = 'hvs.canary-4711';
  const secret = () => new Secret(Buffer.from(canary));

  test('no way of printing shows it', () => {
    const shown = [
      String(secret()),
      `${secret()}`,
      JSON.stringify({ secret: secret() }),
      inspect(secret(), { showHidden: true, depth: 9 }),
      inspect({ deep: [secret()] }),
      Object.prototype.toString.call(secret()),
      JSON.stringify(Object.entries(secret())),
      new Error(`failed with ${secret()}`).stack,
    ].join('\n');
    expect(shown).not.toContain('canary');
    expect(shown).not.toContain(Buffer.from(canary).toString('base64'));
    expect(shown).not.toContain(Buffer.from(canary).toString('hex'));
  });

  test('the one place that spends it gets the bytes', () => {
    expect(Buffer.from(secret().reveal()).toString()).toBe(canary);
  });

  test('disposal zeroes the bytes', () => {
    const bytes = new Uint8Array(Buffer.from(canary));
    {
      using held = new Secret(bytes);
      expect(held.reveal()[0]).not.toBe(0);
    }
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});

describe('Problem', () => {
  test.each(Object.keys(CATALOGUE) as ProblemCode[])('%s as RFC 9457', (code) => {
    const body = new Problem(code, 'what happened', { hint: 'what to do' }).body();
    expect(body).toEqual({
      type: `urn:tasklease:problem:${code}`,
      title: CATALOGUE[code].title,
      status: CATALOGUE[code].status,
      detail: 'what happened',
      code,
      hint: 'what to do',
      retryable: expect.any(Boolean),
    });
    expect(body.status).toBeGreaterThanOrEqual(400);
    expect(body.status).toBeLessThan(600);
  });

  test('what passes by itself is retryable, a refusal is not', () => {
    const retryable = (code: ProblemCode) => new Problem(code, '').retryable;
    expect(
      ['CAPACITY', 'VAULT_UNREACHABLE', 'VAULT_SEALED', 'DRAINING'].every((c) => retryable(c as ProblemCode)),
    ).toBe(true);
    expect(
      ['SIGNAL_INVALID', 'PROFILE_DENIED', 'TASK_SPENT', 'VAULT_DENIED'].some((c) =>
        retryable(c as ProblemCode),
      ),
    ).toBe(false);
  });

  test('a body is read back as it was', () => {
    const body = new Problem('SIGNAL_INVALID', 'too large', {
      status: 413,
      hint: 'less',
      retryable: true,
    }).body();
    expect(Problem.from(body).body()).toEqual(body);
  });

  test('no cause and no stack go over the wire', () => {
    const body = new Problem('INTERNAL', 'x', { cause: new Error('hvs.canary-4711') }).body();
    expect(JSON.stringify(body)).not.toContain('canary');
  });

  test('what nobody foresaw is INTERNAL and repeats nothing of the message', () => {
    const problem = Problem.of(new TypeError('bad token hvs.canary-4711'));
    expect(problem.code).toBe('INTERNAL');
    expect(JSON.stringify(problem.body())).not.toContain('canary');
    const known = new Problem('CAPACITY', 'full');
    expect(Problem.of(known)).toBe(known);
  });
});
