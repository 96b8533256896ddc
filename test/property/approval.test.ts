// Owns the laws of approvals over random words, times, restarts and changed profiles: a token is asked for once at most,
// after as many different approvers as it takes, none of them the requester, and what is on record is all there is.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import { dueAt } from '../../src/domain/due.ts';
import type { Entry, Fact } from '../../src/domain/fact.ts';
import { type Grant, IDLE } from '../../src/domain/grant.ts';
import type { GrantEvent } from '../../src/domain/grant-event.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import { asked, deniedBy, givenBy, TTL_MS, voided } from '../unit/domain/approvals.ts';
import { ALARM, adopted, held } from '../unit/domain/rows.ts';
import { at, GRANT, instant, stopRequested } from '../unit/domain/samples.ts';
import { type Draw, drawFrom, pick } from './draw.ts';

const REQUESTER = 1000;
const UIDS = [0, 7, 8, REQUESTER];

const happening = (draw: Draw): GrantEvent | 'restart' => {
  const kind = draw();
  if (kind < 0.7) return givenBy(pick(draw, UIDS));
  if (kind < 0.75) return deniedBy(pick(draw, UIDS));
  return pick(draw, [ALARM, ALARM, held, stopRequested, voided, 'restart'] as const);
};

test('whatever is said and happens, it starts once and only when enough others have approved', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const draw = drawFrom(seed);
      const rule = {
        count: pick(draw, [1, 2, 3]),
        approvers: pick(draw, [[], [7, 8, REQUESTER], [0, 7, 8]]),
      };
      const { decision } = asked({ rule });
      const entries: Entry[] = [];
      const record = (facts: readonly Fact[], ms: number) => {
        const now = at(ms);
        for (const fact of facts) {
          entries.push({
            grant: GRANT,
            at: now.at,
            wallMs: now.wallMs,
            fact: JSON.parse(JSON.stringify(fact)),
          });
        }
      };
      record(decision.facts, 0);
      let grant: Grant = decision.next;
      let ms = 0;
      let tokens = 0;
      for (let step = 0; step < 25; step += 1) {
        ms += Math.floor(draw() ** 4 * TTL_MS);
        const event = happening(draw);
        if (event === 'restart' && grant.state !== 'pending_approval') continue;
        const before = event === 'restart' ? fold(entries)! : grant;
        const { next, facts, effects } = decide(before, event === 'restart' ? adopted : event, at(ms));
        record(facts, ms);
        tokens += effects.filter(({ type }) => type === 'openToken').length;
        grant = next;
        expect(fold(entries)).toEqual({ ...grant, pending: IDLE });
        const { given } = grant.approval!;
        const uids = new Set(given.map(({ uid }) => uid));
        expect(uids.size).toBe(given.length);
        expect(uids).not.toContain(REQUESTER);
        if (rule.approvers.length > 0) expect(rule.approvers).toEqual(expect.arrayContaining([...uids]));
        expect(tokens).toBe(grant.opened);
        expect(tokens).toBeLessThanOrEqual(1);
        if (tokens > 0) expect(given.length).toBe(rule.count);
        if (grant.state === 'pending_approval') {
          expect(ms).toBeLessThan(TTL_MS);
          expect(dueAt(grant)).toBeLessThanOrEqual(instant(TTL_MS));
        }
      }
    }),
    { numRuns: 500 },
  );
});
