// Owns the laws of generations, deadlines, profiles and sessions over random lives: at most two live, a deadline moves
// later only when asked to, and what is in use is what the profile says now, or its successor is under way.

import { describe, expect, test } from 'vitest';
import { current, living, works } from '../../src/domain/grant.ts';
import { decisions, lives } from './lives.ts';

describe('generations', () => {
  test('at most two live at any time', () => {
    decisions(({ next }) => {
      expect(living(next).length).toBeLessThanOrEqual(2);
    });
  });

  test('one is raised at a time, one is renewed at a time, and each has one request at a time', () => {
    lives((walk) => {
      const doing = walk.open.map(({ effect }) => effect).filter(({ type }) => type !== 'signal');
      const raising = doing.filter(({ type }) => ['openToken', 'readSecrets', 'publish'].includes(type));
      expect(raising.length).toBeLessThanOrEqual(1);
      expect(doing.filter(({ type }) => type === 'renewLeases').length).toBeLessThanOrEqual(1);
      if (doing.some(({ type }) => type === 'releaseToken')) return;
      const ns = doing.flatMap((effect) => ('n' in effect ? [effect.n] : []));
      expect(new Set(ns).size).toBe(ns.length);
    });
  });

  test('a number is used once, one after the other', () => {
    lives((walk) => {
      const opened = [...walk.entries, ...walk.backlog].flatMap(({ fact }) =>
        fact.type === 'generation.opened' ? [fact.n] : [],
      );
      expect(opened).toEqual(opened.map((_, i) => i + 1));
    });
  });

  test('the one in use is never revoked while the task works', () => {
    decisions(({ next, effects }) => {
      if (!works(next)) return;
      const ending = effects.flatMap((effect) =>
        ['checkLeases', 'revoke', 'eraseGeneration'].includes(effect.type) && 'n' in effect ? [effect.n] : [],
      );
      expect(ending).not.toContain(current(next)!.n);
    });
  });

  test('a superseded one is left alone for a second at least, unless it was never shown or has to make room', () => {
    lives((walk) => {
      const entries = [...walk.entries, ...walk.backlog];
      const shown = new Map<number, number>();
      for (const { fact, at } of entries) {
        if (fact.type === 'delivery.published') shown.set(fact.n, at);
        if (fact.type !== 'generation.retiring' || fact.problem !== null) continue;
        const successor = shown.get(fact.n + 1);
        const first = entries.find(
          (entry) => entry.fact.type === 'generation.retiring' && entry.fact.n === fact.n,
        );
        if (successor === undefined || first?.fact !== fact) continue;
        expect(Date.parse(fact.due) - Date.parse('2026-11-22T10:00:00Z') + 5_000_000).toBeGreaterThanOrEqual(
          successor + 1000,
        );
      }
    }, 300);
  });

  test('rotations are paced: never two published within a second', () => {
    lives((walk) => {
      const published = walk.entries.filter(({ fact }) => fact.type === 'delivery.published');
      for (const [i, entry] of published.entries()) {
        const before = published[i - 1];
        if (before !== undefined) expect(entry.at - before.at).toBeGreaterThanOrEqual(1000);
      }
    }, 300);
  });

  test('the bound process is told of every rotation that changes its files, and of nothing else', () => {
    decisions(({ before, next, facts, effects }) => {
      // What an agent that was cut off may have shown is told by the next one.
      if (facts.some(({ type }) => type === 'grant.adopted')) return;
      const rotated =
        facts.some((fact) => fact.type === 'delivery.published' && fact.unchanged !== true) &&
        before.generations.some((one) => one.published);
      const told = next.bind !== null && 'pid' in next.bind && before.plan.onChange !== undefined;
      expect(effects.some(({ type }) => type === 'signal')).toBe(rotated && told);
    });
  });
});

describe('deadlines', () => {
  test('move later by an extension alone, and never past the latest', () => {
    decisions(({ before, event, next }) => {
      if (next.deadline > before.deadline) expect(event.type).toBe('extendRequested');
      expect(next.deadline).toBeLessThanOrEqual(next.latestDeadline);
      expect(next.latestDeadline).toBeLessThanOrEqual(before.latestDeadline);
    });
  });

  test('keep the grace between the end that was asked for and themselves', () => {
    decisions(({ before, next }) => {
      expect(next.deadline - next.expiresAt).toBe(before.deadline - before.expiresAt);
    });
  });
});

describe('profiles and sessions', () => {
  test('what is in use is what the profile says now, or another is wanted or under way', () => {
    lives((walk) => {
      const { grant, plan } = walk;
      if (!works(grant) || grant.pending.raising !== null || grant.pending.wanted !== null) return;
      expect(current(grant)!.plan).toEqual(plan);
    });
  });

  test('nothing in use hangs under a session that ended, or another is wanted or under way', () => {
    lives((walk) => {
      const { grant } = walk;
      if (!works(grant) || grant.pending.raising !== null || grant.pending.staleAt !== null) return;
      if (grant.pending.wanted !== null) return;
      expect(walk.ended).not.toContain(current(grant)!.session);
    });
  });

  test('a credential that is known to be dead is not left in its file for more than a moment', () => {
    decisions(({ next, now }) => {
      const { staleAt, raising, erasing, eraseAttempts } = next.pending;
      if (!works(next) || staleAt === null || now.at < staleAt + 700) return;
      expect(next.withdrawn || erasing || eraseAttempts > 0 || raising === 'files').toBe(true);
    });
  });

  test('a task without a working credential is given up within half a minute', () => {
    decisions(({ next, now }) => {
      const { staleAt } = next.pending;
      if (works(next) && staleAt !== null) expect(now.at - staleAt).toBeLessThan(30_000);
    });
  });
});
