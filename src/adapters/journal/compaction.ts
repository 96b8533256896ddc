// Owns which entries are not worth keeping, so that a grant of many days has a short journal. Invariant: what is
// left folds into the same grant (grant-fold.ts), whatever stood before it and whatever comes after it.

import type { Entry, Fact } from '../../domain/fact.ts';
import type { GrantId } from '../../domain/ids.ts';
import { FailedRotations } from './failed-rotations.ts';

/**
 * Facts of a run, in which one may stand for another: between them nothing else has happened to the grant. A
 * renewal sets its leases and ends a failure, a failure says why; the last of each kind says all that is known.
 */
const RUNS: ReadonlySet<Fact['type']> = new Set([
  'leases.renewed',
  'renewal.failed',
  'erasure.failed',
  'revocation.failed',
]);

interface Kept {
  readonly seq: number;
  readonly fact: Fact;
}

export class Compaction {
  /** The newest entries of a grant, as long as all of them are of RUNS. */
  readonly #runs = new Map<GrantId, readonly Kept[]>();
  readonly #rotations = new Map<GrantId, FailedRotations>();

  /** Takes note of an entry that has been written; returns those that it makes pointless, by number. */
  add(seq: number, { grant, fact }: Entry): readonly number[] {
    if (!RUNS.has(fact.type)) {
      this.#runs.delete(grant);
      return this.#rotation(seq, grant, fact);
    }
    const run = this.#runs.get(grant) ?? [];
    const kept = run.filter((earlier) => !supersedes(fact, earlier.fact));
    const dropped = run.filter((earlier) => !kept.includes(earlier)).map((earlier) => earlier.seq);
    this.#runs.set(grant, [...kept, { seq, fact }]);
    return dropped;
  }

  #rotation(seq: number, grant: GrantId, fact: Fact): readonly number[] {
    if (fact.type === 'grant.stopping' || fact.type === 'grant.refused' || fact.type === 'grant.closed') {
      // From here on the receipt is in the making: what there is stays.
      this.#rotations.delete(grant);
      return [];
    }
    // A first generation is no rotation.
    if (fact.type === 'generation.opened' && fact.n > 1 && !this.#rotations.has(grant)) {
      this.#rotations.set(grant, new FailedRotations());
    }
    return this.#rotations.get(grant)?.add(seq, fact) ?? [];
  }

  /** After a transaction that failed, nothing is known about the newest entries of these grants. */
  forget(entries: readonly Entry[]): void {
    for (const { grant } of entries) {
      this.#runs.delete(grant);
      this.#rotations.delete(grant);
    }
  }
}

function supersedes(later: Fact, earlier: Fact): boolean {
  if (later.type === 'leases.renewed' && earlier.type === 'leases.renewed') {
    const renewed = new Set(later.leases.map(({ id }) => id));
    return later.n === earlier.n && earlier.leases.every(({ id }) => renewed.has(id));
  }
  if (later.type !== earlier.type) return false;
  return !('n' in later && 'n' in earlier) || later.n === earlier.n;
}
