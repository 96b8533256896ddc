// Owns what facts mean in numbers: how often, and how long each phase of a task took. Invariant: nothing but the
// facts is looked at, so that what is counted is what is on record; a task costs two small objects while it lives.

import type { Entry, Fact } from '../domain/fact.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Instant } from '../domain/instant.ts';
import type { Meter } from '../ports/metrics.ts';

/** When the phases of one grant began; a grant of an earlier agent has only those that began since. */
interface Began {
  /** Of the start: when it was accepted, or approved; null once it is active. */
  start: Instant | null;
  /** Of the phase of raising that is under way. */
  phase: Instant | null;
  stop: Instant | null;
  /** Of the rotation that is under way. */
  rotation: Instant | null;
  /** Generations whose leases were looked up to be revoked. */
  proofs: Map<number, Instant> | null;
}

export class FactMeter {
  readonly #meter: Meter;
  readonly #began = new Map<GrantId, Began>();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** How many grants are under way. */
  get size(): number {
    return this.#began.size;
  }

  tell({ grant, at, fact }: Entry): void {
    const { type } = fact;
    this.#meter.count('tasklease_facts_total', { type });
    if (type === 'grant.accepted') {
      this.#meter.count('tasklease_starts_total');
      this.#began.set(grant, { start: at, phase: at, stop: null, rotation: null, proofs: null });
      return;
    }
    const began = this.#began.get(grant) ?? {
      ...{ start: null, phase: null, stop: null, rotation: null, proofs: null },
    };
    this.#began.set(grant, began);
    this.#follow(fact, at, began);
    if (type === 'grant.closed') this.#began.delete(grant);
  }

  #follow(fact: Fact, at: Instant, began: Began): void {
    switch (fact.type) {
      case 'grant.approved':
        // People are not a phase.
        began.start = at;
        began.phase = at;
        return;
      case 'generation.opened':
        began.phase ??= at;
        if (fact.n > 1) began.rotation = at;
        return;
      case 'token.opened':
        return this.#phase('token', at, began);
      case 'leases.issued':
        return this.#phase('read', at, began);
      case 'delivery.published':
        began.phase = null;
        this.#time('start', began.start, at);
        began.start = null;
        this.#time('rotate', began.rotation, at);
        began.rotation = null;
        return;
      case 'generation.retiring':
        // Of the one that was being raised: given up.
        if (fact.problem !== null) began.rotation = null;
        return;
      case 'grant.refused':
        this.#meter.count('tasklease_start_failures_total', { code: fact.problem.code });
        return this.#stopping('refused', at, began);
      case 'grant.stopping':
        return this.#stopping(fact.reason, at, began);
      case 'files.erased':
        return this.#time('erase', began.stop, at);
      case 'leases.known':
        began.proofs ??= new Map();
        if (!began.proofs.has(fact.n)) began.proofs.set(fact.n, at);
        return;
      case 'revocation.failed':
        return this.#meter.count('tasklease_revocation_failures_total');
      case 'generation.proved':
        this.#time('proof', began.proofs?.get(fact.n) ?? null, at);
        began.proofs?.delete(fact.n);
        return;
      case 'grant.closed': {
        this.#meter.count('tasklease_tasks_closed_total', { outcome: fact.outcome });
        this.#time('stop', began.stop, at);
        const unproved = fact.receipt.leases.filter(({ proof }) => proof === 'unproved').length;
        if (unproved > 0) this.#meter.count('tasklease_leases_unproved_total', {}, unproved);
        return;
      }
      default:
        return;
    }
  }

  #stopping(reason: string, at: Instant, began: Began): void {
    if (began.stop !== null) return;
    this.#meter.count('tasklease_stops_total', { reason });
    began.stop = at;
    began.start = null;
    began.phase = null;
  }

  #phase(phase: string, at: Instant, began: Began): void {
    this.#time(phase, began.phase, at);
    began.phase = at;
  }

  #time(phase: string, from: Instant | null, to: Instant): void {
    if (from === null) return;
    this.#meter.time('tasklease_phase_duration_seconds', Math.max(0, to - from) / 1000, { phase });
  }
}
