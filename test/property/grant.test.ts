// Owns the laws of a grant's whole life, over random lives: facts folded are the state, the file goes first,
// nothing is renewed after the stop, nothing closes unproved, and no life gets stuck.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dueAt } from '../../src/domain/due.ts';
import { IDLE, works } from '../../src/domain/grant.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import { touchesFiles } from './disk.ts';
import { drawFrom } from './draw.ts';
import { decisions, lives } from './lives.ts';
import { Walk } from './walk.ts';

describe("a grant's life", () => {
  test('facts, folded again, are the state', () => {
    lives((walk) => {
      expect(fold([...walk.entries, ...walk.backlog])).toEqual({ ...walk.grant, pending: IDLE });
    });
  });

  test('no renewal is asked for once the stop began, and none for time past the deadline', () => {
    decisions(({ effects, next, now }) => {
      for (const effect of effects) {
        if (effect.type !== 'renewLeases') continue;
        expect(works(next)).toBe(true);
        expect(effect.leases.length).toBeGreaterThan(0);
        for (const { incrementSeconds } of effect.leases) {
          expect(incrementSeconds).toBeGreaterThanOrEqual(1);
          expect(now.at + (incrementSeconds - 1) * 1000).toBeLessThan(next.deadline);
        }
      }
    });
  });

  test('closed only when every generation is proved and no file is left', () => {
    lives((walk) => {
      const { grant } = walk;
      if (grant.state !== 'closed') return;
      expect(grant.generations.every(({ proved }) => proved)).toBe(true);
      expect([...walk.disk.files]).toEqual([]);
      expect(walk.open.filter(({ effect }) => effect.type === 'publish')).toEqual([]);
      const leases = grant.generations.flatMap((generation) => generation.leases);
      expect(leases.every(({ proof }) => proof !== null)).toBe(true);
    });
  });

  test('each opened token is revoked before the grant closes, or given up by an administrator', () => {
    lives((walk) => {
      const facts = [...walk.entries, ...walk.backlog].map(({ fact }) => fact);
      if (walk.grant.state !== 'closed' || facts.some(({ type }) => type === 'revocation.abandoned')) return;
      const revoked = walk.seen.flatMap(({ event }) => (event.type === 'revoked' ? [event.n] : []));
      for (const fact of facts) if (fact.type === 'token.opened') expect(revoked).toContain(fact.n);
    });
  });

  test('the receipt has every lease of every generation, and those whose reply was lost', () => {
    lives((walk) => {
      const facts = [...walk.entries, ...walk.backlog].map(({ fact }) => fact);
      const closing = facts.at(-1)!;
      if (closing.type !== 'grant.closed') return;
      const issued = facts.flatMap((fact) => {
        return fact.type === 'leases.issued' ? [...fact.leases, ...fact.lost].map(({ path }) => path) : [];
      });
      expect(closing.receipt.leases.map(({ path }) => path).sort()).toEqual(issued.sort());
    });
  });

  test('what a reader finds is the generation in use, whole; nothing where the files were withdrawn', () => {
    lives((walk) => {
      const { grant, disk } = walk;
      if (!works(grant) || walk.open.some(touchesFiles) || grant.pending.eraseAttempts > 0) return;
      const inUse = grant.generations.findLast(({ published }) => published)!;
      if (grant.withdrawn) expect(disk.shown).toBeNull();
      else expect(disk.holds(inUse.n)).toBe(true);
    });
  });

  test('every stop erases what was written, before anything else', () => {
    decisions(({ before, next, effects }) => {
      const began = before.state !== 'stopping' && before.state !== 'closed' && next.state === 'stopping';
      if (!began || next.pending.raising === 'files' || before.pending.erasing) return;
      expect(effects[0]).toEqual({ type: 'erase' });
    });
  });

  test('files are written only for a task that starts or works, and never during an erase', () => {
    lives((walk, last) => {
      const doing = walk.open.map(({ effect }) => effect.type);
      expect(doing.includes('publish') && (doing.includes('erase') || doing.includes('withdraw'))).toBe(
        false,
      );
      expect(doing.includes('withdraw') && doing.includes('erase')).toBe(false);
      if (last?.effects.some(({ type }) => type === 'publish') !== true) return;
      expect(['starting', 'active', 'degraded']).toContain(last.next.state);
    });
  });

  test('the accessor is on record before the token is spent, and the leases before a file shows them', () => {
    lives((walk) => {
      const recorded = (type: string, n: number) =>
        walk.entries.some(({ fact }) => fact.type === type && 'n' in fact && fact.n === n);
      for (const { effect } of walk.open) {
        if (effect.type === 'openToken') expect(recorded('generation.opened', effect.n)).toBe(true);
        if (effect.type === 'readSecrets') expect(recorded('token.opened', effect.n)).toBe(true);
        if (effect.type === 'publish') expect(recorded('leases.issued', effect.n)).toBe(true);
      }
    });
  });

  test('at a stop, no lease or token is revoked while a file of the task may still be there unseen', () => {
    lives((walk, last) => {
      const asked = last?.effects.map(({ type }) => type) ?? [];
      if (last?.next.state !== 'stopping') return;
      if (!asked.includes('revoke') && !asked.includes('checkLeases')) return;
      expect(walk.open.some(({ effect }) => effect.type === 'erase' || effect.type === 'publish')).toBe(
        false,
      );
    });
  });

  test('no life gets stuck: something is under way, or something is due', () => {
    lives((walk) => {
      if (walk.grant.state === 'closed') return;
      expect(walk.open.length > 0 || dueAt(walk.grant) !== null).toBe(true);
    });
  });

  test('an alarm moves things on: the next one is later', () => {
    decisions(({ event, next, now }) => {
      if (event.type !== 'alarm') return;
      const due = dueAt(next);
      if (due !== null) expect(due).toBeGreaterThan(now.at);
    });
  });

  test('whatever happens, what is due by then is done at once: the next alarm is later', () => {
    decisions(({ before, event, next, now }) => {
      if (before.state === 'starting' || event.type === 'unrecorded') return;
      const due = dueAt(next);
      if (due !== null && works(next)) expect(due).toBeGreaterThan(now.at);
    });
  });

  test('never past the deadline, whatever happens and whoever asks', () => {
    decisions(({ event, next, now }) => {
      if (event.type !== 'alarm' || now.at < next.deadline) return;
      expect(['stopping', 'closed']).toContain(next.state);
    });
  });

  test('from stopping there is no way back, and closed is final', () => {
    decisions(({ before, facts, effects, next }) => {
      if (before.state === 'stopping') expect(['stopping', 'closed']).toContain(next.state);
      if (before.state !== 'closed') return;
      expect({ facts, effects, state: next.state }).toEqual({ facts: [], effects: [], state: 'closed' });
    });
  });

  test('once nothing fails any more, every stop comes to its end soon', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const walk = new Walk(drawFrom(seed));
        for (let i = 0; i < 60; i += 1) walk.step();
        expect(walk.finish()).toBeLessThan(60);
      }),
      { numRuns: 1500 },
    );
  });

  test('once nothing fails any more, every life that nobody stops ends at its deadline', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const walk = new Walk(drawFrom(seed));
        for (let i = 0; i < 60 && walk.grant.state !== 'closed'; i += 1) walk.step();
        expect(walk.finish(false)).toBeLessThan(20_000);
        const { deadline } = walk.grant;
        expect(walk.now.at).toBeLessThan(Math.max(deadline, walk.seen.at(-1)!.now.at) + 120_000);
      }),
      { numRuns: 300 },
    );
  });
});
