// Owns what a changed profile means for a task that lives: what it would get by now, or why it would be refused. A task
// is judged as it was started: by its caller's groups, its socket, its parameters, event and bind.

import { describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { refit } from '../../../src/domain/refit.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import {
  type Accepted,
  activeAs,
  at,
  caller,
  DEADLINE_MS,
  instant,
  PROFILE,
  profile,
  TASK,
  time,
} from './samples.ts';

const settled = settle(TASK, profile(), { profile: PROFILE, params: { env: 'prod' } }, caller(), at(0));
const living = (overrides: Partial<Accepted> = {}) => activeAs({ plan: settled.plan, ...overrides });
const refused = (grant: ReturnType<typeof living>, changed: ReturnType<typeof profile>): Problem => {
  try {
    refit(grant, changed, at(0));
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error('it was not refused');
};

describe('a task under a changed profile', () => {
  test('has the very same plan while the profile says the same, also after a journal', () => {
    const { plan } = refit(living(), profile({ description: 'other words' }), at(0));
    expect(JSON.stringify(plan)).toBe(JSON.stringify(JSON.parse(JSON.stringify(living().plan))));
  });

  test('gets other policies, paths, files, overlap, signal', () => {
    const changed = profile({
      policies: ['less'],
      overlapMs: 1000,
      onChange: 'SIGHUP',
      secrets: [{ name: 'db', path: 'database/creds/less-{{params.env}}', method: 'read', files: [] }],
    });
    expect(refit(living(), changed, at(0)).plan).toMatchObject({
      policies: ['less'],
      overlapMs: 1000,
      onChange: 'SIGHUP',
      asks: [{ path: 'database/creds/less-prod', files: [] }],
    });
  });

  test('gets another entity alias, one for the first time, or none any more', () => {
    const before = profile({ entityAlias: '{{params.env}}' });
    const { plan } = settle(TASK, before, { profile: PROFILE, params: { env: 'prod' } }, caller(), at(0));
    expect(plan.entityAlias).toBe('prod');
    expect(refit(living({ plan }), profile({ entityAlias: 'x-{{params.env}}' }), at(0)).plan).toMatchObject({
      entityAlias: 'x-prod',
    });
    expect(refit(living(), before, at(0)).plan).toEqual(plan);
    expect(refit(living({ plan }), profile(), at(0)).plan).not.toHaveProperty('entityAlias');
  });

  test('its latest end is the start and what the profile allows now, never later than it was', () => {
    const shorter = profile({ ttl: { defaultMs: 1000, maxMs: 120_000, graceMs: 5000, extend: false } });
    expect(refit(living(), shorter, at(0)).latestDeadline).toBe(instant(125_000));
    const longer = profile({ ttl: { defaultMs: 1000, maxMs: 86_400_000, graceMs: 5000, extend: true } });
    expect(refit(living(), longer, at(0)).latestDeadline).toBe(instant(DEADLINE_MS));
    const extendable = living({ latest_deadline: time(3_615_000) });
    expect(refit(extendable, profile(), at(0)).latestDeadline).toBe(instant(3_615_000));
  });

  test.each<[string, Partial<Accepted>, Parameters<typeof profile>[0], boolean]>([
    ['its uid is not listed any more', {}, { allow: { uids: [1], gids: [] } }, false],
    ['only its group is listed', {}, { allow: { uids: [], gids: [1000] } }, true],
    ['only a supplementary group is listed', { groups: [50] }, { allow: { uids: [], gids: [50] } }, true],
    ['it came by the admin socket', { admin: true }, { allow: { uids: [], gids: [] } }, true],
    [
      'its parameter is not listed any more',
      {},
      { params: { env: { enum: ['staging'], optional: false } } },
      false,
    ],
    [
      'a parameter is needed that it does not have',
      {},
      { params: { env: { optional: false }, x: { optional: false } } },
      false,
    ],
    ['an event is required that it has', {}, { event: { required: true, types: ['pull_request'] } }, true],
    [
      'an event is required that it does not have',
      { event: null },
      { event: { required: true, types: [] } },
      false,
    ],
    ['an event of another type is required', {}, { event: { required: true, types: ['release'] } }, false],
    [
      'its alias needs an event that it does not have',
      { event: null },
      { entityAlias: '{{event.id}}' },
      false,
    ],
    ['a bind is required that it does not have', {}, { bind: 'required' }, false],
    ['a bind is required that it has', { bind: { pid: 42 } }, { bind: 'required' }, true],
  ])('%s', (_what, as, changed, allowed) => {
    const attempt = () => refit(living(as), profile(changed), at(0));
    if (allowed) expect(attempt).not.toThrow();
    else expect(refused(living(as), profile(changed)).hint).toBeTruthy();
  });
});
