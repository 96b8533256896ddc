// Owns what goes wrong with single calls in a world: lost and late answers, failing disks, a process that dies.
// Invariant: drawn from streams of their own, so that one kind of trouble does not shift another.

import { Problem } from '../../../src/domain/problem.ts';
import type { Draw } from './draw.ts';
import type { Blow } from './sim-process.ts';
import { type Fault, LAST_WORD_MS, TIMEOUT_MS, type Verb } from './sim-vault.ts';
import type { Fluke } from './weather.ts';
import type { World } from './world.ts';

/** What goes wrong at one effect of a run, counted from 1. */
export interface Strike {
  readonly at: number;
  readonly how: 'crashBefore' | 'crashAfter' | 'fail' | 'lost';
}

export class Hazards {
  readonly outage = { unreachable: 0, silent: 0 };
  /** Calls that changed something, or tried to. */
  effects = 0;
  readonly #world: World;
  readonly #strike: Strike | null;
  /** What the next request meets. */
  #next: Fault | null = null;
  readonly #flukes: Draw;
  readonly #latency: Draw;
  readonly #crashes: Draw;

  constructor(world: World, strike: Strike | null) {
    this.#world = world;
    this.#strike = strike;
    this.#flukes = world.draw.stream('flukes');
    this.#latency = world.draw.stream('latency');
    this.#crashes = world.draw.stream('crashes');
  }

  /** What becomes of a call that changes something. */
  blow(port: 'vault' | 'files' | 'journal' | 'sessionStore'): Blow {
    this.effects += 1;
    if (this.#strike?.at === this.effects) return this.#struck(port, this.#strike.how);
    if (this.#world.quiet || !this.#crashes.chance(this.#world.weather.crash)) return 'none';
    return this.#crashes.pick(['before', 'after']);
  }

  #struck(port: 'vault' | 'files' | 'journal' | 'sessionStore', how: Strike['how']): Blow {
    this.#world.say(`struck: ${how} of ${port}`);
    if (how === 'crashBefore') return 'before';
    if (how === 'crashAfter') return 'after';
    if (port === 'vault') {
      this.#next = how === 'lost' ? 'lost' : 'unreachable';
      return 'none';
    }
    this.#world.calm.touch(port === 'journal' ? 'journal' : 'files', this.#world.at);
    return port === 'journal'
      ? new Problem('JOURNAL_UNWRITABLE', 'struck', { hint: 'simulated' })
      : new Problem('DELIVERY_FAILED', 'struck', { hint: 'simulated' });
  }

  /** Milliseconds that the disk takes. */
  diskDelay(): number {
    return this.#world.weather.slowDisk && !this.#world.quiet ? this.#crashes.int(0, 15) : 0;
  }

  /** What a request to Vault meets; null lets it through. */
  fault(verb: Verb, about: string): Fault | null {
    const fault = this.#drawFault(verb);
    if (fault === null) return null;
    this.#world.say(`vault ${verb} ${about}: ${fault}`);
    // What issues something is waited for until Vault itself has given up on it.
    const silence = verb === 'createToken' || verb === 'readSecret' ? LAST_WORD_MS : TIMEOUT_MS;
    const ms = typeof fault === 'number' ? fault : fault === 'silent' ? silence : 0;
    this.#world.calm.touch('path', this.#world.at + ms);
    return fault;
  }

  #drawFault(verb: Verb): Fault | null {
    const next = this.#next;
    this.#next = null;
    if (next !== null) return next;
    if (this.outage.unreachable > 0) return 'unreachable';
    if (this.outage.silent > 0) return 'silent';
    if (this.#world.quiet) return null;
    for (const [fluke, rate] of Object.entries(this.#world.weather.flukes) as [Fluke, number][]) {
      if (!this.#flukes.chance(rate)) continue;
      if (fluke === 'tooMany') return this.#flukes.pick([1000, 5000, 30_000]);
      if (fluke === 'forbidden' && verb !== 'renewSession') continue;
      if (fluke === 'forbidden') this.#world.oddRefusalAt = this.#world.at;
      return fluke;
    }
    return null;
  }

  /** Milliseconds to Vault and back. */
  trip(): readonly [number, number] {
    const one = (): number => {
      switch (this.#world.quiet ? 'near' : this.#world.weather.latency) {
        case 'none':
          return 0;
        case 'near':
          return this.#latency.int(0, 4);
        case 'far':
          return this.#latency.int(5, 150);
        case 'mixed':
          return this.#latency.chance(0.03) ? this.#latency.int(1000, 20_000) : this.#latency.int(0, 20);
      }
    };
    const trip = [one(), one()] as const;
    // Slow answers are trouble for as long as they are under way.
    if (trip[0] + trip[1] > 100) {
      this.#world.say(`slow: ${trip.join(' + ')} ms`);
      this.#world.calm.touch('path', this.#world.at + trip[0] + trip[1]);
    }
    return trip;
  }
}
