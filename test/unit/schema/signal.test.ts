// Owns what callers may send: the body of a start with its binds and parent, of an extension, of an abandonment;
// and the sentence for each fault.

import { describe, expect, test } from 'vitest';
import type { ZodType } from 'zod';
import { abandonBody, extendBody, firstIssue, startBody } from '../../../src/schema/signal.ts';

const faultOf = (shape: ZodType, value: unknown): string => {
  const parsed = shape.safeParse(value);
  if (parsed.success) return 'no fault';
  const { path, message } = firstIssue(parsed.error);
  return `${path.join('.')} ${message}`.trim();
};
const start = (more: Record<string, unknown>) => ({ profile: 'report-read', ...more });
const bound = (bind: unknown) => start({ bind });

describe('a start', () => {
  test('may be bound to a process, a control group or the connection, and have a parent', () => {
    for (const bind of [{ pid: 4242 }, { cgroup: '/system.slice/ci-1.service' }, { connection: true }]) {
      expect(startBody.parse(start({ bind, parent: 'session-7' }))).toMatchObject({
        bind,
        parent: 'session-7',
      });
    }
  });

  const BINDS = 'bind must be {"pid": N}, {"cgroup": "/path"} or {"connection": true}';
  test.each([
    ['a relative cgroup', bound({ cgroup: 'ci' }), 'bind.cgroup must be an absolute path'],
    ['a cgroup that climbs', bound({ cgroup: '/a/../../b' }), 'bind.cgroup must not contain ".."'],
    ['a cgroup with a zero byte', bound({ cgroup: '/a\0b' }), 'bind.cgroup must be an absolute path'],
    [
      'a cgroup of 5,000 characters',
      bound({ cgroup: `/${'x'.repeat(5000)}` }),
      'bind.cgroup must not be longer than 4096 characters',
    ],
    ['a cgroup that is a number', bound({ cgroup: 7 }), 'bind.cgroup must be an absolute path'],
    ['two binds', bound({ pid: 1, cgroup: '/a' }), BINDS],
    ['no bind in it', bound({}), BINDS],
    ['a bind of another kind', bound({ container: 'x' }), BINDS],
    ...[0, -1, 2 ** 40].map((pid): [string, unknown, string] => [
      `pid ${pid}`,
      bound({ pid }),
      'bind.pid must be a process id, a whole number from 1 on',
    ]),
    ['half a pid', bound({ pid: 1.5 }), BINDS],
    ['a pid in quotes', bound({ pid: '7' }), BINDS],
    ['connection: false', bound({ connection: false }), BINDS],
    ['null', bound(null), BINDS],
    ['a list', bound([]), BINDS],
    ['a parent with a slash', start({ parent: '../x' }), /^parent must be a letter or digit/],
    ['an empty parent', start({ parent: '' }), /^parent must be a letter or digit/],
    ['a parent that is a number', start({ parent: 7 }), 'parent must be of type string'],
    ...['x', 'a.b', 'a.b.c.d', 'a.b. c', 'ä.b.c', ''].map((assertion): [string, unknown, RegExp] => [
      `an assertion like ${JSON.stringify(assertion)}`,
      start({ assertion }),
      /^assertion must be a signed JWT: three parts of base64url with dots between them$/,
    ]),
    ['an assertion that is an object', start({ assertion: {} }), /^assertion must be a signed JWT/],
    [
      'an assertion of 40 kB',
      start({ assertion: `a.${'b'.repeat(40_000)}.c` }),
      'assertion must not be longer than 32768 characters',
    ],
  ])('%s', (_what, body, fault) => {
    if (typeof fault === 'string') expect(faultOf(startBody, body)).toBe(fault);
    else expect(faultOf(startBody, body)).toMatch(fault);
  });
});

describe('an extension', () => {
  test('is a duration, in milliseconds after parsing', () => {
    expect(extendBody.parse({ duration: '10m' })).toEqual({ duration: 600_000 });
  });

  test.each([
    ['nothing', {}, 'duration must be a duration like 90s, 10m or 1h'],
    ['a number', { duration: 600 }, 'duration must be a duration like 90s, 10m or 1h'],
    ['no time', { duration: '0s' }, 'duration must be at least 1s'],
    ['less time', { duration: '-5m' }, 'duration must be a duration like 90s, 10m or 1h'],
    ['more than that', { duration: '1m', deadline: 'x' }, 'deadline is not a known key'],
    ['a list', [], 'must be of type object'],
  ])('%s', (_what, body, fault) => expect(faultOf(extendBody, body)).toBe(fault));
});

describe('an abandonment', () => {
  test('has a reason', () => {
    expect(abandonBody.parse({ reason: 'database/ is gone' })).toEqual({ reason: 'database/ is gone' });
  });

  test.each([
    ['nothing', {}, 'reason is missing'],
    ['no words', { reason: '' }, 'reason must not be empty'],
    ['a novel', { reason: 'x'.repeat(257) }, 'reason must not be longer than 256 characters'],
    ['a line of its own in the log', { reason: 'a\nb' }, 'reason must not contain control characters'],
    ['more than that', { reason: 'x', force: true }, 'force is not a known key'],
  ])('%s', (_what, body, fault) => expect(faultOf(abandonBody, body)).toBe(fault));
});
