// Owns the step from a start signal to a plan: who may start what, with which values, until when; and that
// everything else is refused with a sentence that names the culprit.

import { describe, expect, test } from 'vitest';
import type { TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Caller, StartSignal } from '../../../src/domain/task-spec.ts';
import { authorise, settle } from '../../../src/domain/task-spec.ts';
import { at, caller, instant, PROFILE, profile, TASK, time } from './samples.ts';

const start = (
  signal: Partial<StartSignal> = {},
  rules: Partial<Profile> = {},
  who: Caller = caller(),
  task: TaskId = TASK,
) => settle(task, profile(rules), { profile: PROFILE, params: { env: 'prod' }, ...signal }, who, at(0));

/** The problem that a start is refused with. */
function refusal(signal: Partial<StartSignal>, rules: Partial<Profile> = {}, task: TaskId = TASK): Problem {
  try {
    start(signal, rules, caller(), task);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('the start was not refused');
}

describe('authorise', () => {
  test.each<[string, Profile['allow'], Partial<Caller>, boolean]>([
    ['a listed uid', { uids: [1000], gids: [] }, {}, true],
    ['a listed primary group', { uids: [], gids: [1000] }, {}, true],
    ['a listed supplementary group', { uids: [], gids: [50] }, { groups: [7, 50] }, true],
    ['another uid', { uids: [1000], gids: [] }, { uid: 1001 }, false],
    ['a gid that equals a listed uid', { uids: [50], gids: [] }, { uid: 1, gid: 50 }, false],
    ['nobody listed', { uids: [], gids: [] }, {}, false],
    ['nobody listed, root', { uids: [], gids: [] }, { uid: 0, gid: 0 }, false],
    ['nobody listed, the admin socket', { uids: [], gids: [] }, { admin: true }, true],
    ['a socket that lists the profile', { uids: [1000], gids: [] }, { profiles: ['x', PROFILE] }, true],
    ['a socket that does not list the profile', { uids: [1000], gids: [] }, { profiles: ['x'] }, false],
    ['a socket that lists the profile, another uid', { uids: [1], gids: [] }, { profiles: [PROFILE] }, false],
  ])('%s', (_name, allow, who, allowed) => {
    const attempt = () => authorise(profile({ allow }), caller(who), null);
    if (allowed) expect(attempt).not.toThrow();
    else expect(attempt).toThrow(expect.objectContaining({ code: 'PROFILE_DENIED', status: 403 }));
  });
});

describe('parameters', () => {
  const named = (problem: Problem, name: string) => {
    expect(problem.code).toBe('SIGNAL_INVALID');
    expect(problem.message).toContain(name);
    expect(problem.hint).toBeTruthy();
  };

  test('one that the profile does not have', () =>
    named(refusal({ params: { env: 'prod', x: '1' } }), 'params.x'));
  test('one that is missing', () => named(refusal({ params: {} }), 'params.env'));
  test('a value outside the list', () => named(refusal({ params: { env: 'dev' } }), 'params.env'));
  test('names of Object.prototype are no parameters', () => {
    named(refusal({ params: { env: 'prod', constructor: 'x' } }), 'params.constructor');
    named(refusal({ params: JSON.parse('{"env":"prod","__proto__":"x"}') }), 'params.__proto__');
  });
  test('an optional one may be left out', () => {
    const params = { env: { optional: true } };
    const secrets = [{ name: 'a', path: 'kv/a', method: 'read', files: [] }] as const;
    expect(start({ params: {} }, { params, secrets }).params).toEqual({});
  });
  test('also one that no path uses: a policy or an alias may see it one day', () => {
    const params = { env: { optional: true } };
    const secrets = [{ name: 'a', path: 'kv/a', method: 'read', files: [] }] as const;
    named(refusal({ params: { env: 'a/*' } }, { params, secrets }), 'params.env');
  });
  test('an optional one that a path needs', () => {
    named(refusal({ params: {} }, { params: { env: { optional: true } } }), 'params.env');
  });

  const free = { params: { env: { pattern: '[\\s\\S]*', optional: false } } };
  test.each([
    '..',
    '.',
    'a/b',
    '%2e',
    '%2e%2e/x',
    'a?b',
    'a#b',
    '*',
    'a*',
    '+',
    'a\nb',
    'prod\n',
    '',
    'a b',
    'ü',
  ])('a pattern cannot let through what is not one segment: %j', (value) =>
    named(refusal({ params: { env: value } }, free), 'params.env'),
  );

  test.each(['c-1x', 'xc-1', 'c-1\n', 'c-', 'c-1234567890123', 'c-1\nc-2'])(
    'a pattern is anchored at both ends: %j',
    (value) => {
      const params = { env: { pattern: 'c-[0-9]{1,12}', optional: false } };
      named(refusal({ params: { env: value } }, { params }), 'params.env');
    },
  );

  test('alternatives of a pattern are anchored too', () => {
    const params = { env: { pattern: 'a|b', optional: false } };
    named(refusal({ params: { env: 'ax' } }, { params }), 'params.env');
    named(refusal({ params: { env: 'xb' } }, { params }), 'params.env');
    expect(start({ params: { env: 'b' } }, { params }).params).toEqual({ env: 'b' });
  });
});

describe('the business event', () => {
  const event = { type: 'pull_request', id: 'acme/shop#412' };
  test('required', () => {
    expect(refusal({}, { event: { required: true, types: [] } }).message).toContain('event');
  });
  test('of a listed type', () => {
    const rules = { event: { required: true, types: ['release'] } };
    expect(refusal({ event }, rules).message).toContain('event.type');
    expect(() => start({ event: { type: 'release', id: '1' } }, rules)).not.toThrow();
  });
  test('any id is fine until a path needs it', () => {
    expect(() => start({ event })).not.toThrow();
    const secrets = [{ name: 'a', path: 'kv/{{event.id}}', method: 'read', files: [] }] as const;
    expect(refusal({ event }, { secrets }).message).toContain('event.id');
    expect(start({ event: { type: 'x', id: 'pr-412' } }, { secrets }).plan.asks[0]!.path).toBe('kv/pr-412');
  });
});

describe('duration and deadline', () => {
  test('the default, then the grace', () => {
    expect(start()).toMatchObject({ expiresAt: instant(600_000), deadline: instant(615_000) });
  });
  test('as asked', () => {
    expect(start({ durationMs: 5000 })).toMatchObject({
      expiresAt: instant(5000),
      deadline: instant(20_000),
    });
    expect(start({ deadline: time(60_000) }).expiresAt).toBe(instant(60_000));
  });
  test('the max itself is allowed, one more is not', () => {
    expect(start({ durationMs: 3_600_000 }).expiresAt).toBe(instant(3_600_000));
    expect(refusal({ durationMs: 3_600_001 }).message).toContain('max');
    expect(refusal({ deadline: time(3_600_001) }).message).toContain('deadline');
  });
  test.each([0, 999, -5000])('a duration of %i ms is refused', (durationMs) => {
    expect(refusal({ durationMs }).code).toBe('SIGNAL_INVALID');
  });
  test.each([time(0), time(-1), 'tomorrow', ''])('a deadline of %j is refused', (deadline) => {
    expect(refusal({ deadline }).message).toContain('deadline');
  });
});

describe('the plan', () => {
  test('asks for the paths of the profile, filled in, and nothing else', () => {
    const { plan } = start();
    expect(plan.asks).toEqual([
      {
        secret: 'db',
        method: 'read',
        path: 'database/creds/report-prod',
        files: [{ name: 'db.json', format: 'json' }],
      },
    ]);
    expect(plan.policies).toEqual(['tasklease-report-read']);
  });

  test('request bodies are filled in, at any depth, but for the TTL; what is no text stays as it is', () => {
    const secrets = [
      {
        name: 'tls',
        path: 'pki/issue/report',
        method: 'write',
        body: {
          common_name: '{{task.id}}.report.internal',
          ttl: '{{task.ttl}}',
          n: 3,
          deep: [{ p: '{{task.profile}}' }],
        },
        files: [],
      },
    ] as const;
    expect(start({}, { secrets }).plan.asks[0]!.body).toEqual({
      common_name: 'build-81.report.internal',
      ttl: '{{task.ttl}}',
      n: 3,
      deep: [{ p: 'report-read' }],
    });
  });

  test('a task id that is no segment cannot enter a path', () => {
    const secrets = [{ name: 'a', path: 'kv/{{task.id}}', method: 'read', files: [] }] as const;
    expect(refusal({}, { secrets }, 'a..b' as TaskId).message).toContain('task.id');
  });

  test('the entity alias is filled in; without one in the profile there is none', () => {
    expect(start().plan).not.toHaveProperty('entityAlias');
    expect(start({}, { entityAlias: 'e-{{params.env}}@{{ task.id }}' }).plan.entityAlias).toBe(
      'e-prod@build-81',
    );
  });

  test.each<[string, Partial<StartSignal>, Partial<Profile>, TaskId, RegExp]>([
    ['a value that is not there', {}, { entityAlias: '{{event.id}}' }, TASK, /event\.id/],
    [
      'a value of two segments',
      { event: { type: 'x', id: 'acme/shop' } },
      { entityAlias: '{{event.id}}' },
      TASK,
      /event\.id is not one path segment/,
    ],
    [
      'values that climb together',
      { event: { type: 'x', id: 'a.' } },
      { entityAlias: '{{event.id}}.b' },
      TASK,
      /entity alias .*one path segment/,
    ],
    [
      'more than a segment may have',
      { event: { type: 'x', id: 'a'.repeat(200) } },
      { entityAlias: '{{event.id}}{{event.id}}' },
      TASK,
      /entity alias .*one path segment/,
    ],
    [
      'a capital letter: Vault takes it for a small one',
      {},
      { entityAlias: '{{task.id}}' },
      'Build-81' as TaskId,
      /capital/,
    ],
  ])('an entity alias of %s is refused', (_what, signal, rules, task, said) => {
    const problem = refusal(signal, rules, task);
    expect(problem.code).toBe('SIGNAL_INVALID');
    expect(problem.message).toMatch(said);
    expect(problem.hint).toBeTruthy();
  });

  test('the reader is the caller, unless the profile names an owner', () => {
    expect(start({}, {}, caller({ uid: 7, gid: 8 })).plan.reader).toEqual({ uid: 7, gid: 8 });
    expect(start({}, { owner: { uid: 1, gid: 2 }, mode: 0o440 }).plan).toMatchObject({
      reader: { uid: 1, gid: 2 },
      mode: 0o440,
    });
  });

  test('a bind that the profile requires', () => {
    expect(refusal({}, { bind: 'required' }).message).toContain('bind');
    expect(() => start({ bind: { pid: 1 } }, { bind: 'required' })).not.toThrow();
  });
});
