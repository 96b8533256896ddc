// Owns the rows of the state table for a profile with `ready`: nobody hears of a credential before it works, what works
// is not replaced by what does not, and a stop waits for no probe.

import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/domain/due.ts';
import type { Probe } from '../../../src/domain/probe.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Plan } from '../../../src/domain/task-spec.ts';
import { checkRows, FIXED, NEXT, ROTATE_MS, row, sessionEnded, unrecorded } from './rows.ts';
import {
  ACCEPTED,
  ANSWER_WITHIN_MS,
  accepted,
  after,
  at,
  instant,
  leaseIssued,
  PLAN,
  probedOf,
  published,
  publishedOf,
  secretsRead,
  secretsReadOf,
  stopRequested,
  tokenOpened,
  tokenOpenedOf,
} from './samples.ts';

const READY: Probe = {
  kind: 'postgres',
  secret: 'db',
  address: 'db.internal:5432/app',
  timeoutMs: 20_000,
  tls: false,
  fields: { username: 'username', password: 'password' },
};
const NOT_READY = new Problem('NOT_READY', 'postgres db.internal:5432/app refuses connections for 20s');
const failed = (n: number) => ({ type: 'probeFailed', n, problem: NOT_READY }) as const;
const starting = () => accepted({ ...ACCEPTED, plan: { ...PLAN, ready: READY } });
const probing = (lease = leaseIssued()) => after(starting(), tokenOpened, secretsRead([lease]));
const working = () => after(probing(FIXED), probedOf(1), published);
const rotating = () =>
  after(
    working(),
    [ROTATE_MS, { type: 'alarm' }],
    [ROTATE_MS, tokenOpenedOf(2)],
    [ROTATE_MS, secretsReadOf(2, [NEXT])],
  );

describe('ready, row by row', () => {
  checkRows([
    row(
      'starting · secretsRead: tried before it is shown',
      () => after(starting(), tokenOpened),
      secretsRead(),
      0,
      'starting',
      ['leases.issued'],
      ['probe'],
    ),
    row('starting · probed: shown', probing, probedOf(1), 0, 'starting', [], ['publish']),
    row(
      'starting · probed, but a lease ended while the server was waited for: refused, and all of it undone',
      () => probing(leaseIssued({ ttl_ms: 10_000, renewable: false })),
      probedOf(1),
      10_000,
      'stopping',
      ['grant.refused'],
      ['erase'],
    ),
    row(
      'starting · probeFailed: refused, and all of it undone',
      probing,
      failed(1),
      0,
      'stopping',
      ['grant.refused'],
      ['erase'],
    ),
    row(
      'starting · the leases are on no record: not even tried',
      probing,
      unrecorded,
      0,
      'stopping',
      ['grant.refused'],
      ['erase'],
    ),
    row(
      'starting · stopped while it is tried: no more of it',
      probing,
      stopRequested,
      0,
      'stopping',
      ['grant.stopping'],
      ['erase'],
    ),
    row(
      'stopping · probed, late: not shown',
      () => after(probing(), stopRequested),
      probedOf(1),
      0,
      'stopping',
    ),
    row(
      'stopping · probeFailed, late: nothing new',
      () => after(probing(), stopRequested),
      failed(1),
      0,
      'stopping',
    ),
    row(
      'active · probeFailed of the next one: the old one stays, tried again later',
      rotating,
      failed(2),
      ROTATE_MS,
      'degraded',
      ['generation.retiring'],
      ['eraseGeneration'],
    ),
    row('active · probed: shown', rotating, probedOf(2), ROTATE_MS, 'active', [], ['publish']),
    row(
      'active · its session ended while it was tried: dead, not shown',
      () => after(rotating(), [ROTATE_MS, sessionEnded(true)]),
      probedOf(2),
      ROTATE_MS,
      'degraded',
      ['generation.retiring'],
      ['eraseGeneration'],
    ),
  ]);

  test('the limit of Vault’s answers is none for the server’s', () => {
    expect(dueAt(after(starting(), tokenOpened))).toBe(instant(ANSWER_WITHIN_MS));
    expect(dueAt(probing())).toBe(probing().deadline);
  });

  test('a lease that cannot be renewed is replaced early enough for the time that its successor may take', () => {
    const plan = { ...PLAN, overlapMs: 1000 };
    const due = (more: Partial<Plan>) =>
      dueAt(
        after(
          accepted({ ...ACCEPTED, plan: { ...plan, ...more } }),
          tokenOpened,
          secretsRead([FIXED]),
          probedOf(1),
          published,
        ),
      )!;
    expect(due({ ready: READY })).toBeLessThan(due({}) - 10_000);
  });

  test('the one before is in use until the next one is shown', () => {
    expect(rotating().pending.raising).toBe('probe');
    const taken = after(rotating(), [ROTATE_MS, probedOf(2)], [ROTATE_MS, publishedOf(2)]);
    expect(
      taken.generations.map(({ n, published: shown, retireAt }) => [n, shown, retireAt === null]),
    ).toEqual([
      [1, true, false],
      [2, true, true],
    ]);
    expect(at(0).at).toBeLessThan(taken.deadline);
  });
});
