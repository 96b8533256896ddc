// Owns the laws of a grant's whole life, over random lives: facts folded are the state, the file goes first,
// nothing is renewed after the stop, nothing closes unproved, and no life gets stuck.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dueAt } from '../../src/domain/due.ts';
import { IDLE } from '../../src/domain/grant.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import { drawFrom, Walk } from './walk.ts';

const STEPS = 40;
const seeds = fc.integer();

/** Runs `check` after each of the random steps of a life, and at the end that follows. */
const lives = (check: (walk: Walk) => void, runs = 1500) =>
  fc.assert(
    fc.property(seeds, (seed) => {
      const walk = new Walk(drawFrom(seed));
      check(walk);
      for (let i = 0; i < STEPS && walk.grant.state !== 'closed'; i += 1) {
        walk.step();
        check(walk);
      }
      walk.finish();
      check(walk);
    }),
    { numRuns: runs },
  );

describe("a grant's life", () => {
  test('facts, folded again, are the state', () => {
    lives((walk) => {
      expect(fold([...walk.entries, ...walk.backlog])).toEqual({ ...walk.grant, pending: IDLE });
    });
  });

  test('no renewal is asked for once the stop began, and none for time past the deadline', () => {
    lives((walk) => {
      const last = walk.seen.at(-1);
      for (const effect of last?.effects ?? []) {
        if (effect.type !== 'renewLeases') continue;
        expect(['active', 'degraded']).toContain(last!.next.state);
        expect(effect.leases.length).toBeGreaterThan(0);
        for (const { incrementSeconds } of effect.leases) {
          expect(incrementSeconds).toBeGreaterThanOrEqual(1);
          expect(last!.now.at + (incrementSeconds - 1) * 1000).toBeLessThan(last!.next.deadline);
        }
      }
    });
  });

  test('closed only when every generation is proved and the files are erased', () => {
    lives((walk) => {
      const { grant } = walk;
      if (grant.state !== 'closed') return;
      expect(grant.generations.every(({ proved }) => proved)).toBe(true);
      const entries = [...walk.entries, ...walk.backlog];
      expect(entries.map(({ fact }) => fact.type)).toContain('files.erased');
      const leases = grant.generations.flatMap((generation) => generation.leases);
      expect(leases.every(({ proof }) => proof !== null)).toBe(true);
      expect(walk.open).toEqual([]);
      // A token whose accessor was seen was revoked, in words of the engine and not of the fold.
      const opened = grant.generations.filter(({ accessor }) => accessor !== null);
      const revoked = walk.seen.filter(({ event }) => event.type === 'revoked');
      expect(revoked.length).toBeGreaterThanOrEqual(opened.length);
      const closing = entries.at(-1)!.fact;
      expect(closing.type === 'grant.closed' && closing.receipt.leases.length).toBe(leases.length);
    });
  });

  test('no file is written after an erase, and every stop erases what was written', () => {
    lives((walk) => {
      const doing = walk.open.map(({ type }) => type);
      expect(doing.includes('publish') && doing.includes('erase')).toBe(false);
      const last = walk.seen.at(-1);
      if (last === undefined) return;
      if (last.effects.some(({ type }) => type === 'publish')) expect(last.next.state).toBe('starting');
      const began = last.before.state !== 'stopping' && last.next.state === 'stopping';
      if (began && !doing.includes('publish')) expect(last.effects[0]).toEqual({ type: 'erase' });
    });
  });

  test('the accessor is on record before the token is spent, and the leases before a file shows them', () => {
    lives((walk) => {
      const asked = walk.seen.at(-1)?.effects.map(({ type }) => type) ?? [];
      const recorded = new Set(walk.entries.map(({ fact }) => fact.type));
      if (asked.includes('readSecrets')) expect(recorded).toContain('token.opened');
      if (asked.includes('publish')) expect(recorded).toContain('leases.issued');
    });
  });

  test('no lease or token is revoked while a file of the task may still be there unseen', () => {
    lives((walk) => {
      const asked = walk.seen.at(-1)?.effects.map(({ type }) => type) ?? [];
      if (!asked.includes('revoke') && !asked.includes('checkLeases')) return;
      expect(walk.open.some(({ type }) => type === 'erase' || type === 'publish')).toBe(false);
    });
  });

  test('one request to Vault at a time, so that none is forgotten', () => {
    lives((walk) => {
      const requests = walk.open.filter(({ type }) => type !== 'publish' && type !== 'erase');
      expect(requests.length).toBeLessThanOrEqual(1);
    });
  });

  test('no life gets stuck: something is under way, or something is due', () => {
    lives((walk) => {
      if (walk.grant.state === 'closed') return;
      expect(walk.open.length > 0 || dueAt(walk.grant) !== null).toBe(true);
    });
  });

  test('an alarm moves things on: the next one is later', () => {
    lives((walk) => {
      const last = walk.seen.at(-1);
      if (last?.event.type !== 'alarm') return;
      const due = dueAt(walk.grant);
      if (due !== null) expect(due).toBeGreaterThan(last.now.at);
    });
  });

  test('never past the deadline, whatever happens and whoever asks', () => {
    lives((walk) => {
      const last = walk.seen.at(-1);
      if (last?.event.type !== 'alarm' || last.now.at < walk.grant.deadline) return;
      expect(['stopping', 'closed']).toContain(walk.grant.state);
    });
  });

  test('from stopping there is no way back, and closed is final', () => {
    lives((walk) => {
      const last = walk.seen.at(-1);
      if (last?.before.state === 'stopping') expect(['stopping', 'closed']).toContain(last.next.state);
      if (last?.before.state === 'closed') {
        expect(last).toMatchObject({ facts: [], effects: [], next: { state: 'closed' } });
      }
    });
  });

  test('once nothing fails any more, every life comes to its end', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const walk = new Walk(drawFrom(seed));
        for (let i = 0; i < STEPS; i += 1) walk.step();
        expect(walk.finish()).toBeLessThan(40);
      }),
      { numRuns: 1500 },
    );
  });

  test('the random lives see every state, every event and every effect many times', () => {
    const seen = new Map<string, number>();
    lives((walk) => {
      const last = walk.seen.at(-1);
      if (last === undefined) return;
      for (const what of [
        last.before.state,
        last.event.type,
        ...last.effects.map(({ type }) => `ask ${type}`),
      ]) {
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
    });
    const all = [
      ...['starting', 'active', 'degraded', 'stopping'],
      ...['tokenOpened', 'tokenFailed', 'secretsRead', 'published', 'publishFailed', 'renewed', 'alarm'],
      ...[
        'stopRequested',
        'erased',
        'eraseFailed',
        'leasesChecked',
        'revoked',
        'revocationFailed',
        'unrecorded',
      ],
      ...['readSecrets', 'publish', 'renewLeases', 'erase', 'checkLeases', 'revoke'].map(
        (type) => `ask ${type}`,
      ),
    ];
    expect(all.filter((what) => (seen.get(what) ?? 0) < 10)).toEqual([]);
  });
});
