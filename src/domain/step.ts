// Owns one decision in the making. Invariant: the grant of a step is always the old grant with the
// step's facts folded in, plus what this process has pending.

import type { Fact } from './fact.ts';
import type { Grant, Pending } from './grant.ts';
import type { Effect } from './grant-event.ts';
import { apply } from './grant-fold.ts';
import type { Instant, Moment } from './instant.ts';
import { rfc3339 } from './instant.ts';

export interface Decision {
  readonly next: Grant;
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
}

export class Step {
  grant: Grant;
  readonly facts: Fact[] = [];
  readonly effects: Effect[] = [];
  readonly now: Moment;

  constructor(grant: Grant, now: Moment) {
    this.grant = grant;
    this.now = now;
  }

  record(fact: Fact): void {
    this.facts.push(fact);
    this.grant = apply(this.grant, this.grant.id, fact, this.now);
  }

  pending(change: Partial<Pending>): void {
    this.grant = { ...this.grant, pending: { ...this.grant.pending, ...change } };
  }

  ask(effect: Effect): void {
    this.effects.push(effect);
  }

  /** True when that moment has come. */
  due(at: Instant | null): boolean {
    return at !== null && at <= this.now.at;
  }

  time(instant: Instant): string {
    return rfc3339(instant, this.now);
  }

  decision(): Decision {
    return { next: this.grant, facts: this.facts, effects: this.effects };
  }
}
