// Owns random lives of a grant: decide() against an engine whose every effect may succeed, fail, come late or
// be cut off by a crash, on a journal that fails now and then. Invariant: only events that the engine could
// send are sent (an answer needs its question), and what was recorded went through JSON, as in the journal.

import { decide, open } from '../../src/domain/decide.ts';
import { dueAt } from '../../src/domain/due.ts';
import type { Entry, Fact, IssuedLease } from '../../src/domain/fact.ts';
import type { Grant } from '../../src/domain/grant.ts';
import type { Effect, GrantEvent, LeaseRenewal } from '../../src/domain/grant-event.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import type { Moment } from '../../src/domain/instant.ts';
import { rfc3339 } from '../../src/domain/instant.ts';
import { ACCEPTED, at, DENIED, GRANT, instant, UNREACHABLE } from '../unit/domain/samples.ts';

/** One random number after another, each in [0, 1). */
export type Draw = () => number;

/** The same numbers for the same seed (mulberry32). A failing seed is the whole counterexample. */
export function drawFrom(seed: number): Draw {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** One step of a walk: what happened and what was decided. */
export interface Seen {
  readonly now: Moment;
  readonly before: Grant;
  readonly event: GrantEvent;
  readonly next: Grant;
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
}

/** Effects that must not run before their facts are durable. */
const ISSUING: ReadonlySet<Effect['type']> = new Set(['openToken', 'readSecrets', 'publish']);

export class Walk {
  grant: Grant;
  ms = 0;
  /** What is durable. */
  readonly entries: Entry[] = [];
  /** Facts that could not be written yet: gone after a crash. */
  readonly backlog: Entry[] = [];
  /** Effects asked for and not answered. */
  readonly open: Effect[] = [];
  readonly seen: Seen[] = [];
  readonly draw: Draw;
  #leases = 0;
  #journalFails = 0;

  constructor(draw: Draw) {
    this.draw = draw;
    const { next, facts, effects } = open(GRANT, ACCEPTED, 30_000, this.now);
    this.grant = next;
    this.open.push(...effects);
    this.#record(facts);
    this.#journalFails = 0.12;
    // Half of the lives start without trouble, or few would ever become active.
    if (draw() < 0.5) for (let i = 0; i < 3; i += 1) this.answer(true);
  }

  get now(): Moment {
    return at(this.ms);
  }

  get #chance(): number {
    return this.draw();
  }

  /** One random thing happens. */
  step(): void {
    const kind = this.#chance;
    if (kind < 0.1) this.ms += Math.floor(this.#chance ** 3 * 200_000);
    else if (kind < 0.15) this.send({ type: 'alarm' });
    else if (kind < 0.25 || this.open.length === 0) this.wait();
    else if (kind < 0.28) this.send({ type: 'stopRequested', reason: 'completed' });
    else if (kind < 0.3) this.crash();
    else this.answer(false);
  }

  /** Time passes until the grant's own alarm. */
  wait(): void {
    const due = dueAt(this.grant);
    if (due === null) return;
    this.ms = Math.max(this.ms, due - instant(0));
    this.send({ type: 'alarm' });
  }

  /** kill -9 and a restart: what was asked is forgotten, what was recorded is not. */
  crash(): void {
    this.open.length = 0;
    this.backlog.length = 0;
    this.ms += 1000;
    this.grant = fold(this.entries)!;
    this.send(
      this.grant.state === 'stopping' ? { type: 'alarm' } : { type: 'stopRequested', reason: 'failed' },
    );
  }

  /** Some open effect is answered, well or (unless `well`) in any way it can be. */
  answer(well: boolean): void {
    if (this.open.length === 0) return;
    const [effect] = this.open.splice(Math.floor(this.#chance * this.open.length), 1);
    if (!well) this.ms += Math.floor(this.#chance ** 2 * 2000);
    this.send(this.#answerTo(effect!, well));
  }

  /** From here on nothing fails: the walk must come to its end. Returns the steps it took. */
  finish(): number {
    this.#journalFails = 0;
    this.send({ type: 'stopRequested', reason: 'completed' });
    for (let steps = 1; steps <= 200; steps += 1) {
      if (this.grant.state === 'closed') return steps;
      if (this.open.length > 0) this.answer(true);
      else this.wait();
    }
    return Number.POSITIVE_INFINITY;
  }

  send(event: GrantEvent): void {
    const before = this.grant;
    const { next, facts, effects: asked } = decide(before, event, this.now);
    this.grant = next;
    const durable = this.#record(facts);
    // As the engine does it: without the facts on record, nothing is issued; ending goes on.
    const effects = durable ? asked : asked.filter(({ type }) => !ISSUING.has(type));
    this.open.push(...effects);
    this.seen.push({ now: this.now, before, event, next, facts, effects });
    if (!durable && next.state === 'starting') this.send({ type: 'unrecorded', problem: UNREACHABLE });
  }

  /** False when the facts are not durable. */
  #record(facts: readonly Fact[]): boolean {
    const { at: instantNow, wallMs } = this.now;
    for (const fact of facts) {
      this.backlog.push({
        grant: GRANT,
        at: instantNow,
        wallMs,
        fact: JSON.parse(JSON.stringify(fact)) as Fact,
      });
    }
    if (this.backlog.length > 0 && this.#chance < this.#journalFails) return false;
    this.entries.push(...this.backlog.splice(0));
    return true;
  }

  #answerTo(effect: Effect, well: boolean): GrantEvent {
    const fails = !well && this.#chance < 0.2;
    const { now } = this;
    switch (effect.type) {
      case 'openToken':
        return fails
          ? { type: 'tokenFailed', n: effect.n, problem: UNREACHABLE, unknown: this.#chance < 0.5 }
          : { type: 'tokenOpened', n: effect.n, accessor: `acc-${effect.n}`, endsAt: this.grant.deadline };
      case 'readSecrets': {
        const lost = fails && this.#chance < 0.5 ? [{ secret: 'lost', path: 'database/creds/lost' }] : [];
        const leases = Array.from({ length: Math.floor(this.#chance * 4) }, () => this.#lease());
        return { type: 'secretsRead', n: effect.n, leases, lost, problem: fails ? DENIED : null };
      }
      case 'publish':
        return fails
          ? { type: 'publishFailed', n: effect.n, problem: DENIED }
          : { type: 'published', n: effect.n, files: ['db.json'] };
      case 'renewLeases':
        return {
          type: 'renewed',
          n: effect.n,
          results: effect.leases.map(({ id, incrementSeconds }): LeaseRenewal => {
            if (!well && this.#chance < 0.2) return { id, problem: UNREACHABLE, lost: this.#chance < 0.2 };
            const share = this.#chance < 0.8 ? 1 : this.#chance;
            return { id, ttlMs: Math.ceil(incrementSeconds * share) * 1000, renewable: true };
          }),
        };
      case 'erase':
        return fails ? { type: 'eraseFailed', problem: DENIED } : { type: 'erased' };
      case 'checkLeases': {
        if (fails) return { type: 'revocationFailed', n: effect.n, problem: UNREACHABLE };
        const known = effect.ids.filter(() => well || this.#chance < 0.8);
        const gone = effect.ids.filter((id) => !known.includes(id));
        const parentEndsAt = this.#chance < 0.5 ? null : now.at + Math.floor(this.#chance * 60_000);
        return { type: 'leasesChecked', n: effect.n, known, gone, parentEndsAt };
      }
      case 'revoke':
        return fails
          ? { type: 'revocationFailed', n: effect.n, problem: this.#chance < 0.5 ? UNREACHABLE : DENIED }
          : { type: 'revoked', n: effect.n };
    }
  }

  #lease(): IssuedLease {
    this.#leases += 1;
    const hasId = this.#chance < 0.8;
    const ttl_ms = !hasId && this.#chance < 0.5 ? null : Math.ceil(this.#chance ** 2 * 2000) * 1000 + 2000;
    return {
      secret: `s${this.#leases}`,
      path: `database/creds/r${this.#leases}`,
      id: hasId ? `database/creds/r${this.#leases}/x` : null,
      ttl_ms,
      ends_at: ttl_ms === null ? null : rfc3339(this.now.at + ttl_ms, this.now),
      renewable: hasId && this.#chance < 0.85,
      revocable: hasId || this.#chance < 0.3,
    };
  }
}
