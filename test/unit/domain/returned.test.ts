// Owns what happens when Vault answers again after an outage: revocations that wait for their next try come soon, spread
// over some seconds, and not before the moment that Vault itself named.

import { describe, expect, test } from 'vitest';
import { decide, open } from '../../../src/domain/decide.ts';
import { dueAt } from '../../../src/domain/due.ts';
import type { Grant } from '../../../src/domain/grant.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { grantId, type TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import {
  ALARM,
  checkRows,
  closed,
  erased,
  raisingSecrets,
  revocationFailed,
  revoking,
  row,
  waiting,
} from './rows.ts';
import {
  ACCEPTED,
  ANSWER_WITHIN_MS,
  accepted,
  active,
  after,
  at,
  checked,
  instant,
  published,
  secretsRead,
  secretsReadOf,
  stopRequested,
  tokenOpened,
  UNREACHABLE,
} from './samples.ts';

const returned: GrantEvent = { type: 'vaultReturned' };

/** Its revocation has failed so often that the next try is up to 15 s away. */
function stuck(id: string): readonly [Grant, number] {
  const started = open(grantId(id as TaskId, 1), ACCEPTED, ANSWER_WITHIN_MS, at(0)).next;
  let grant = after(started, tokenOpened, secretsRead(), published, stopRequested, erased, checked());
  let ms = 0;
  for (let attempt = 0; attempt < 9; attempt += 1) {
    grant = after(grant, [ms, revocationFailed]);
    if (attempt < 8) {
      ms = dueAt(grant)! - instant(0);
      grant = after(grant, [ms, ALARM]);
    }
  }
  return [grant, ms];
}

describe('Vault returns, row by row', () => {
  checkRows([
    row('starting: nothing', accepted, returned, 10, 'starting'),
    row('active: nothing', active, returned, 10, 'active'),
    row('rotating: nothing', raisingSecrets, returned, 97_000, 'active'),
    row('stopping, a request under way: nothing', revoking, returned, 10, 'stopping'),
    row('stopping, waiting: not at once', waiting, returned, 0, 'stopping'),
    row('closed: nothing', closed, returned, 10, 'closed'),
  ]);
});

describe('a revocation that waits', () => {
  const delays = Array.from({ length: 200 }, (_, i) => {
    const [grant, ms] = stuck(`task-${i}`);
    const { next } = decide(grant, returned, at(ms));
    return { before: dueAt(grant)! - instant(ms), after: dueAt(next)! - instant(ms) };
  });

  test('comes within three seconds, never later than it would have', () => {
    for (const delay of delays) {
      expect(delay.after).toBeLessThanOrEqual(3000);
      expect(delay.after).toBeLessThanOrEqual(delay.before);
    }
    expect(Math.max(...delays.map(({ before }) => before))).toBeGreaterThan(10_000);
  });

  test('comes spread over that time: no storm', () => {
    const inThird = (third: number) =>
      delays.filter((delay) => Math.floor(delay.after / 1000) === third).length;
    for (const third of [0, 1, 2]) expect(inThird(third)).toBeGreaterThan(20);
  });

  test('is tried then', () => {
    const [grant, ms] = stuck('task-1');
    const { next } = decide(grant, returned, at(ms));
    const { effects } = decide(next, ALARM, at(dueAt(next)! - instant(0)));
    expect(effects.map(({ type }) => type)).toEqual(['revoke']);
  });

  test('keeps the moment that Vault itself named', () => {
    const busy = new Problem('VAULT_UNREACHABLE', 'busy', { retryAfterMs: 20_000 });
    const told = after(revoking(), [10, { type: 'revocationFailed', n: 1, problem: busy }]);
    expect(dueAt(decide(told, returned, at(1000)).next)).toBe(instant(20_010));
  });

  test('for the rest of a read that Vault may be busy with keeps that rest', () => {
    const lost = [{ secret: 'db', path: 'database/creds/report' }];
    const resting = after(accepted(), tokenOpened, secretsReadOf(1, [], UNREACHABLE, lost), erased);
    expect(dueAt(resting)).toBe(instant(5000));
    expect(dueAt(decide(resting, returned, at(1000)).next)).toBe(instant(5000));
  });
});
