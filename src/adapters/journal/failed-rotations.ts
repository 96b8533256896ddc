// Owns the rotations of one living grant that came to nothing: no lease, no file, nothing for the receipt.
// Invariant: only the newest is kept, which says all that the others said: how many generations there were, and
// why the grant is degraded.

import type { Fact } from '../../domain/fact.ts';

interface Attempt {
  readonly n: number;
  readonly entries: readonly number[];
  /** The entry that says why it was given up; null while it may still succeed. */
  readonly failedBy: number | null;
}

export class FailedRotations {
  readonly #underWay = new Map<number, Attempt>();
  #newest: Attempt | null = null;

  /** Takes note of an entry; returns those that are not worth keeping any more, by number. */
  add(seq: number, fact: Fact): readonly number[] {
    if (fact.type === 'generation.opened') {
      // One with a new plan is where the grant has its plan from.
      if (fact.plan === null) this.#underWay.set(fact.n, { n: fact.n, entries: [seq], failedBy: null });
      return [];
    }
    const attempt = 'n' in fact ? this.#underWay.get(fact.n) : undefined;
    if (attempt === undefined) return [];
    const entries = [...attempt.entries, seq];
    switch (fact.type) {
      case 'token.opened':
      case 'token.lost':
      case 'leases.known':
        this.#underWay.set(attempt.n, { ...attempt, entries });
        return [];
      case 'leases.issued':
        if (fact.leases.length + fact.lost.length > 0) this.#underWay.delete(attempt.n);
        else this.#underWay.set(attempt.n, { ...attempt, entries });
        return [];
      case 'generation.retiring':
        this.#underWay.set(attempt.n, { ...attempt, entries, failedBy: fact.problem === null ? null : seq });
        return [];
      case 'generation.proved':
        this.#underWay.delete(attempt.n);
        return attempt.failedBy === null ? [] : this.#ended({ ...attempt, entries });
      case 'delivery.published':
        this.#underWay.delete(attempt.n);
        return [];
      default:
        return [];
    }
  }

  #ended(attempt: Attempt): readonly number[] {
    const before = this.#newest;
    // Two may be ended in the other order than they failed: then both are kept.
    if (before !== null && (before.n > attempt.n || before.failedBy! > attempt.failedBy!)) return [];
    this.#newest = attempt;
    return before?.entries ?? [];
  }
}
