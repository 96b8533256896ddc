// Owns the rows of the state table for a rotation that fails: whichever step it was, what was made of it is ended, the
// reader keeps the whole old generation, and it is tried again.

import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import { Problem } from '../../../src/domain/problem.ts';
import {
  ALARM,
  checkRows,
  NEXT,
  publishFailed,
  ROTATE_MS,
  raisingFiles,
  raisingSecrets,
  raisingToken,
  renewedTo,
  sessionEnded,
  tokenFailed,
  unrecorded,
} from './rows.ts';
import {
  active,
  after,
  at,
  DENIED,
  instant,
  leaseIssued,
  publishedOf,
  secretsReadOf,
  tokenOpenedOf,
  UNREACHABLE,
} from './samples.ts';

const ms = ROTATE_MS;
const lost = [{ secret: 'db', path: 'database/creds/report' }];

describe('a rotation that fails, row by row', () => {
  checkRows([
    {
      when: 'rotating · tokenFailed: degraded, nothing of it is left',
      grant: raisingToken,
      event: tokenFailed(false, 2),
      ms,
      state: 'degraded',
      facts: ['generation.retiring', 'generation.proved'],
      effects: [],
    },
    {
      when: 'rotating · tokenFailed, reply lost: on record as a token that nobody holds',
      grant: raisingToken,
      event: tokenFailed(true, 2),
      ms,
      state: 'degraded',
      facts: ['token.lost', 'generation.retiring', 'generation.proved'],
      effects: [],
    },
    {
      when: 'rotating · secretsRead refused: degraded, the half-made one is ended at once',
      grant: raisingSecrets,
      event: secretsReadOf(2, [], DENIED),
      ms,
      state: 'degraded',
      facts: ['leases.issued', 'generation.retiring'],
      effects: ['eraseGeneration'],
    },
    {
      when: 'rotating · secretsRead, one so late that another has ended: degraded, what is dead is in no file',
      grant: raisingSecrets,
      event: secretsReadOf(2, [leaseIssued({ ttl_ms: 15_000, renewable: false }, ms)]),
      ms: ms + 16_000,
      state: 'degraded',
      facts: ['leases.issued', 'generation.retiring'],
      effects: ['eraseGeneration'],
    },
    {
      when: 'rotating · secretsRead with a lost reply: on record; Vault may be busy with it, so its token rests',
      grant: raisingSecrets,
      event: secretsReadOf(2, [NEXT], UNREACHABLE, lost),
      ms,
      state: 'degraded',
      facts: ['leases.issued', 'generation.retiring'],
      effects: [],
    },
    {
      when: 'rotating · alarm after a lost reply and its rest: ended',
      grant: () => after(raisingSecrets(), [ms, secretsReadOf(2, [NEXT], UNREACHABLE, lost)]),
      event: ALARM,
      ms: ms + 5000,
      state: 'degraded',
      facts: [],
      effects: ['eraseGeneration'],
    },
    {
      when: 'rotating · publishFailed: degraded, the reader keeps the whole old generation',
      grant: raisingFiles,
      event: publishFailed(2),
      ms,
      state: 'degraded',
      facts: ['generation.retiring'],
      effects: ['eraseGeneration'],
    },
    {
      when: 'rotating · unrecorded before the token: given up, tried again',
      grant: raisingToken,
      event: unrecorded,
      ms,
      state: 'degraded',
      facts: ['generation.retiring', 'generation.proved'],
      effects: [],
    },
    {
      when: 'rotating · unrecorded with a token: that is ended',
      grant: raisingSecrets,
      event: unrecorded,
      ms,
      state: 'degraded',
      facts: ['generation.retiring'],
      effects: ['eraseGeneration'],
    },
    {
      when: 'rotating · alarm after a failure and its delay: another number, never the same token again',
      grant: () => after(raisingToken(), [ms, tokenFailed(false, 2)]),
      event: ALARM,
      ms: ms + 1000,
      state: 'degraded',
      facts: ['generation.opened'],
      effects: ['openToken'],
    },
    {
      when: 'rotating · alarm after a failure whose token is not proved gone yet: waits, at most two live',
      grant: () => after(raisingSecrets(), [ms, secretsReadOf(2, [], DENIED)]),
      event: ALARM,
      ms: ms + 1000,
      state: 'degraded',
      facts: [],
      effects: [],
    },
  ]);

  test('the failure is on record with its problem, and told as the reason of the degraded task', () => {
    const { next, facts } = decide(raisingFiles(), publishFailed(2), at(ms));
    expect(facts[0]).toMatchObject({ n: 2, problem: { code: 'VAULT_DENIED' } });
    expect(next).toMatchObject({ failing: 'rotation', problem: { code: 'VAULT_DENIED' } });
  });

  test('a rotation that works after failures makes the task active again', () => {
    const failed = after(raisingToken(), [ms, tokenFailed(false, 2)], [ms + 1000, ALARM]);
    const again = after(failed, [ms + 1010, tokenOpenedOf(3)], secretsReadOf(3, [NEXT]), publishedOf(3));
    expect(again).toMatchObject({ state: 'active', failing: null, problem: null });
    expect(again.pending).toMatchObject({ rotations: 0, wanted: null, raisingFor: null });
  });

  test('a renewal that works meanwhile does not hide it: the credential has still to be replaced', () => {
    const renewable = after(
      active(),
      [80_000, ALARM],
      [80_010, sessionEnded(false)],
      [80_020, tokenFailed(false, 2)],
      [80_030, renewedTo(120_000)],
    );
    expect(renewable).toMatchObject({ state: 'degraded', failing: 'rotation' });
  });

  test('a failure is tried again as Vault asks, else soon and with jitter', () => {
    const asked = new Problem('VAULT_UNREACHABLE', 'Vault is overloaded', { retryAfterMs: 7000 });
    const told = after(raisingToken(), [ms, { type: 'tokenFailed', n: 2, problem: asked, unknown: false }]);
    expect(told.pending.rotateAt).toBe(instant(ms + 7000));
    const delay = after(raisingToken(), [ms, tokenFailed(false, 2)]).pending.rotateAt! - instant(ms);
    expect(delay).toBeGreaterThanOrEqual(50);
    expect(delay).toBeLessThanOrEqual(250);
  });
});
