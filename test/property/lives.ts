// Owns how laws are checked over many random lives. Invariant: a law is checked after every step, and at the end.

import fc from 'fast-check';
import { drawFrom } from './draw.ts';
import { type Seen, Walk } from './walk.ts';

const STEPS = 60;

/** Runs `check` at the start, after each random step of a life, and at the end that follows. */
export function lives(check: (walk: Walk, last: Seen | undefined) => void, runs = 800): void {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const walk = new Walk(drawFrom(seed));
      let checked = 0;
      const judge = () => {
        if (walk.seen.length === 0) check(walk, undefined);
        checked = walk.seen.length;
        check(walk, walk.seen.at(-1));
      };
      judge();
      for (let i = 0; i < STEPS && walk.grant.state !== 'closed'; i += 1) {
        walk.step();
        if (walk.seen.length > checked) judge();
      }
      walk.finish();
      judge();
    }),
    { numRuns: runs },
  );
}

/** As lives, for laws about single decisions: every one of every life is checked, also those within one step. */
export const decisions = (check: (seen: Seen) => void, runs = 800): void =>
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const walk = new Walk(drawFrom(seed));
      for (let i = 0; i < STEPS && walk.grant.state !== 'closed'; i += 1) walk.step();
      walk.finish();
      for (const seen of walk.seen) check(seen);
    }),
    { numRuns: runs },
  );
