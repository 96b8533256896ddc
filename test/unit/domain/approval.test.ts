// Owns what a changed profile means for an approval: void while it is waited for, a limit once it was given. What was
// approved is what was shown, member by member.

import { describe, expect, test } from 'vitest';
import { canonical } from '../../../src/domain/canonical.ts';
import { isWithin } from '../../../src/domain/narrower.ts';
import { outdated } from '../../../src/domain/outdated.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import { refit } from '../../../src/domain/refit.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import { asked, given, guarded, pending, RULE } from './approvals.ts';
import {
  activeAs,
  after,
  at,
  caller,
  PLAN,
  PROFILE,
  profile,
  published,
  secretsRead,
  TASK,
  tokenOpened,
} from './samples.ts';

const plain = profile();
const other = (secrets: Partial<Profile['secrets'][number]>): Partial<Profile> => ({
  secrets: [{ ...plain.secrets[0]!, ...secrets }],
});

describe('a request that waits', () => {
  test.each<[string, Partial<Profile>]>([
    ['its description', { description: 'other words' }],
    ['who else may start it', { allow: { uids: [1000, 1001], gids: [5] } }],
    ['its children', { children: [PROFILE] }],
  ])('stands when %s changes', (_what, change) => {
    expect(outdated(pending(), guarded(change), at(10))).toBeNull();
  });

  test.each<[string, Partial<Profile>]>([
    ['a policy more', { policies: [...plain.policies, 'more'] }],
    ['another policy', { policies: ['other'] }],
    ['another path', other({ path: 'database/creds/other' })],
    ['another method', other({ method: 'write' })],
    ['another file', other({ files: [{ name: 'other.json', format: 'json' }] })],
    ['other readers', { owner: { uid: 5, gid: 5 } }],
    ['a shorter max', { ttl: { ...plain.ttl, maxMs: 700_000 } }],
    ['a longer grace', { ttl: { ...plain.ttl, graceMs: 60_000 } }],
    ['extensions', { ttl: { ...plain.ttl, extend: true } }],
    ['other approvers', { approval: { ...RULE, approvers: [7] } }],
    ['more approvers', { approval: { ...RULE, count: 2 } }],
  ])('is void when its profile comes to have %s', (_what, change) => {
    expect(outdated(pending(), guarded(change), at(10))).toMatchObject({
      code: 'APPROVAL_DENIED',
      retryable: true,
      message: 'build-81 waited for approval, and its profile was changed meanwhile',
    });
  });

  test('is void when no approval is needed any more: its start is another', () => {
    expect(outdated(pending(), profile(), at(10))).not.toBeNull();
  });

  test('is void with the reason when the profile refuses whoever asked', () => {
    expect(outdated(pending(), guarded({ allow: { uids: [1], gids: [] } }), at(10))?.message).toBe(
      'build-81 waited for approval, and the changed profile refuses it: uid 1000 may not start profile report-read',
    );
  });

  test('is the very same after a journal', () => {
    const { scope } = pending().approval!;
    expect(canonical(JSON.parse(JSON.stringify(scope)))).toBe(canonical(scope));
    expect(
      outdated(
        { ...pending(), approval: { ...pending().approval!, scope: JSON.parse(JSON.stringify(scope)) } },
        guarded(),
        at(10),
      ),
    ).toBeNull();
  });
});

describe('what is shown to an approver', () => {
  test('is all that the task would get, who asks and until when', () => {
    expect(
      asked({ accepted: { evidence: { pid: 42, exe: '/usr/bin/node', cgroup: '/ci', container: null } } })
        .decision.next.approval!.scope,
    ).toEqual({
      task: TASK,
      profile: PROFILE,
      params: { env: 'prod' },
      event: { type: 'pull_request', id: 'acme/shop#412' },
      parent: null,
      policies: ['tasklease-report-read'],
      secrets: [{ secret: 'db', method: 'read', path: 'database/creds/report-prod', files: ['db.json'] }],
      reader: { uid: 1000, gid: 1000 },
      duration_seconds: 600,
      deadline: null,
      grace_seconds: 15,
      max_seconds: 3600,
      extend: false,
      requester: {
        uid: 1000,
        gid: 1000,
        admin: false,
        pid: 42,
        exe: '/usr/bin/node',
        cgroup: '/ci',
        container: null,
      },
      assertion: null,
      bind: null,
      approval: { approvers: [], count: 1 },
      asked_at: '2026-11-22T10:00:00.000Z',
      approve_by: '2026-11-22T10:01:00.000Z',
    });
  });
});

describe('an approved task under a changed profile', () => {
  const approved = () => after(pending(), given, tokenOpened, secretsRead(), published);
  const wider: [string, Partial<Profile>][] = [
    ['a policy more', { policies: [...plain.policies, 'more'] }],
    ['another path', other({ path: 'database/creds/other' })],
    ['a secret more', { secrets: [...plain.secrets, { ...plain.secrets[0]!, name: 'second' }] }],
    ['other readers', { owner: { uid: 5, gid: 5 } }],
    ['a file for other readers', other({ files: [{ name: 'db.json', format: 'json', mode: 0o444 }] })],
  ];

  test.each(wider)('is refused %s', (_what, change) => {
    expect(() => refit(approved(), guarded(change), at(10))).toThrow('it asks for more than was approved');
    // Also where nobody would have to approve it by now.
    expect(() => refit(approved(), profile(change), at(10))).toThrow('it asks for more than was approved');
  });

  test.each(wider)('that needed none before is refused %s once it does', (_what, change) => {
    const { plan } = settle(TASK, plain, { profile: PROFILE, params: { env: 'prod' } }, caller(), at(0));
    const before = activeAs({ plan });
    expect(() => refit(before, guarded(change), at(10))).toThrow(
      'more than it had before approvals were needed',
    );
    expect(() => refit(before, profile(change), at(10))).not.toThrow();
  });

  test.each<[string, Partial<Profile>]>([
    ['the same', {}],
    ['a secret less', { secrets: [] }],
    ['a policy less', { policies: [] }],
    ['another format', other({ files: [{ name: 'db.json', format: 'raw', field: 'password' }] })],
    ['another overlap and signal', { overlapMs: 1, onChange: 'SIGHUP' }],
  ])('gets %s', (_what, change) => {
    expect(() => refit(approved(), guarded(change), at(10))).not.toThrow();
  });

  test('gets back what was approved after it had less', () => {
    const less = refit(approved(), guarded({ policies: [] }), at(10)).plan;
    expect(() => refit({ ...approved(), plan: less }, guarded(), at(10))).not.toThrow();
  });
});

test('a plan with something that is not known here is not within another', () => {
  expect(isWithin({ ...PLAN, later: 'more' } as typeof PLAN, PLAN)).toBe(false);
});
