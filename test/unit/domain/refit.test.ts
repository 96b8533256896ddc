// Owns what a changed profile means for a task that lives: what it would get by now, or why it would be refused. A task
// is judged as it was started: by its caller's groups, its socket, its parameters, event and bind.

import { describe, expect, test } from 'vitest';
import type { AssertionRule } from '../../../src/domain/assertion.ts';
import type { FileRule } from '../../../src/domain/file-rule.ts';
import { isWithin } from '../../../src/domain/narrower.ts';
import type { ProbeRule } from '../../../src/domain/probe.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Profile, SecretRule } from '../../../src/domain/profile.ts';
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
const settledUnder = (under: Profile) =>
  settle(TASK, under, { profile: PROFILE, params: { env: 'prod' } }, caller(), at(0)).plan;
const JSON_FILE: FileRule = { name: 'db.json', format: 'json' };
const secretOf = (change: Partial<SecretRule>): SecretRule => ({ ...profile().secrets[0]!, ...change });
const probe = (address: string): ProbeRule => ({
  kind: 'postgres',
  secret: 'db',
  address,
  timeoutMs: 1000,
  tls: false,
  fields: {},
});
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

  test('gets fewer policies, secrets and files, tighter modes, another look, overlap and signal', () => {
    const two = (files: FileRule[], more: Partial<Profile> = {}) =>
      profile({
        policies: ['tasklease-report-read', 'tasklease-app-config'],
        secrets: [
          { name: 'db', path: 'database/creds/report-{{params.env}}', method: 'read', files },
          {
            name: 'app',
            path: 'secret/data/app',
            method: 'read',
            files: [{ name: 'app.json', format: 'json' }],
          },
        ],
        mode: 0o440,
        ...more,
      });
    const wide = two([
      { name: 'db.json', format: 'json', mode: 0o440 },
      { name: 'db.env', format: 'dotenv' },
    ]);
    const grant = living({ plan: settledUnder(wide) });
    const narrow = profile({
      policies: ['tasklease-report-read'],
      overlapMs: 1000,
      onChange: 'SIGHUP',
      mode: 0o400,
      secrets: [
        {
          name: 'db',
          path: 'database/creds/report-{{params.env}}',
          method: 'read',
          files: [{ name: 'db.json', format: 'json', mode: 0o400, fields: { user: 'username' } }],
        },
      ],
    });
    const { plan, wider } = refit(grant, narrow, at(0));
    expect(wider).toBe(false);
    expect(plan).toEqual(settledUnder(narrow));
    // Back to what it was started with is more than it has by then.
    expect(refit(living({ plan }), wide, at(0))).toMatchObject({ wider: true, plan });
  });

  test.each<[string, Partial<Profile>]>([
    ['another policy', { policies: ['other'] }],
    ['a policy more', { policies: ['tasklease-report-read', 'tasklease-app-config'] }],
    ['another path', { secrets: [secretOf({ path: 'database/creds/all' })] }],
    ['another method', { secrets: [secretOf({ method: 'write' })] }],
    ['a body', { secrets: [secretOf({ method: 'write', body: { ttl: '10h' } })] }],
    ['a secret more', { secrets: [secretOf({}), secretOf({ name: 'more', path: 'secret/data/app' })] }],
    ['a file for more readers', { secrets: [secretOf({ files: [{ ...JSON_FILE, mode: 0o444 }] })] }],
    [
      'a file for another reader',
      { secrets: [secretOf({ files: [{ ...JSON_FILE, owner: { uid: 1, gid: 1 } }] })] },
    ],
    ['files for another reader', { owner: { uid: 1, gid: 1 } }],
    ['files with more bits', { mode: 0o444 }],
    ['an entity alias', { entityAlias: '{{params.env}}' }],
    ['a login of its own', { login: { mount: 'jwt', role: 'r' } }],
    ['another server to try its credential at', { ready: probe('elsewhere:5432/app') }],
  ])('keeps all it has when the profile gives it %s', (_what, change) => {
    const before = living();
    expect(refit(before, profile(change), at(0))).toMatchObject({ wider: true, plan: before.plan });
  });

  test('gets a file of another name, for what its readers were shown before', () => {
    const renamed = profile({
      secrets: [
        secretOf({ files: [JSON_FILE, { name: 'b.env', format: 'dotenv', fields: { PW: 'password' } }] }),
      ],
    });
    expect(refit(living(), renamed, at(0))).toMatchObject({ wider: false });
  });

  test.each<[string, FileRule]>([
    ['a field more', { name: 'f', format: 'dotenv', fields: { CERT: 'certificate', KEY: 'private_key' } }],
    ['all fields', { name: 'f', format: 'json' }],
    ['a field of another name', { name: 'f', format: 'raw', field: 'private_key' }],
    ['a template with more', { name: 'g', format: 'template', template: '{{certificate}}{{private_key}}' }],
    ['a ready-made format with more', { name: 'f', format: 'pem' }],
    [
      'a field of another secret',
      { name: 'f', format: 'template', template: '{{certificate}}{{app.token}}' },
    ],
  ])('keeps what it has when a file would show %s', (_what, file) => {
    const app: SecretRule = { ...secretOf({ name: 'app', path: 'secret/data/app' }), files: [JSON_FILE] };
    const shows = (one: FileRule) => profile({ secrets: [secretOf({ files: [one] }), app] });
    const before = living({
      plan: settledUnder(shows({ name: 'f', format: 'dotenv', fields: { CERT: 'certificate' } })),
    });
    expect(refit(before, shows(file), at(0))).toMatchObject({ wider: true, plan: before.plan });
    const same = shows({ name: 'g', format: 'raw', field: 'certificate' });
    expect(refit(before, same, at(0))).toMatchObject({ wider: false });
  });

  test('a word of a request that this version does not know counts as more', () => {
    const { plan } = settled;
    const further = { ...plan, asks: plan.asks.map((ask) => ({ ...ask, unknown: true })) };
    expect(isWithin(plan, plan)).toBe(true);
    expect(isWithin(further, plan)).toBe(false);
  });

  test('is not tried anywhere any more, or where it was', () => {
    const ready = probe('db:5432/app');
    const tried = living({ plan: settledUnder(profile({ ready })) });
    expect(refit(tried, profile(), at(0))).toMatchObject({ wider: false });
    expect(refit(tried, profile(), at(0)).plan).not.toHaveProperty('ready');
    expect(refit(tried, profile({ ready, overlapMs: 1 }), at(0))).toMatchObject({
      wider: false,
      plan: { ready },
    });
  });

  test('its latest end is the start and what the profile allows now, never later than it was', () => {
    const shorter = profile({ ttl: { defaultMs: 1000, maxMs: 120_000, graceMs: 5000, extend: false } });
    expect(refit(living(), shorter, at(0)).latestDeadline).toBe(instant(125_000));
    const longer = profile({ ttl: { defaultMs: 1000, maxMs: 86_400_000, graceMs: 5000, extend: true } });
    expect(refit(living(), longer, at(0)).latestDeadline).toBe(instant(DEADLINE_MS));
    const extendable = living({ latest_deadline: time(3_615_000) });
    expect(refit(extendable, profile(), at(0)).latestDeadline).toBe(instant(3_615_000));
  });

  test('what its assertion expires by was understood at the start: setting the wall clock ends no task', () => {
    const rule: AssertionRule = {
      issuer: 'https://ci.example',
      audience: 'tasklease',
      algorithms: ['ES256'],
      claims: {},
      capsTtl: true,
      keys: { jwksUri: 'https://ci.example/keys', maxStaleMs: 1000 },
    };
    const asserted = { issuer: rule.issuer, subject: null, use: 'u', expires_at: time(480_000), claims: {} };
    const capped = profile({ allow: { uids: [1000], gids: [], assertion: rule } });
    const { at: now, wallMs } = at(60_000);
    const hourOff = { at: now, wallMs: wallMs + 3_600_000 };
    expect(refit(living({ asserted }), capped, hourOff).latestDeadline).toBe(instant(480_000));
    // Its time is over then, which is no refusal.
    expect(refit(living({ asserted }), capped, at(480_000)).latestDeadline).toBe(instant(480_000));
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
