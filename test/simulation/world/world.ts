// Owns one simulated world: clocks, Vault, disk, files, processes, and the agent that lives in it, life after
// life. Invariant: everything that happens is drawn from the seed; what is wrong is kept, never thrown into the
// engine, so that the engine cannot catch it.

import { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import { Calm, type Trouble } from './calm.ts';
import { Draw } from './draw.ts';
import { Judge } from './judge.ts';
import { Ledger } from './ledger.ts';
import { Life } from './life.ts';
import { drawProfile, drawSecrets, KINDS, POLICIES } from './scenery.ts';
import { SimClock, settle } from './sim-clock.ts';
import { SimFiles } from './sim-files.ts';
import { SimDisk } from './sim-journal.ts';
import { SimLiveness } from './sim-liveness.ts';
import type { Blow } from './sim-process.ts';
import { SimSessionStore } from './sim-session-store.ts';
import { type Fault, LAST_WORD_MS, SimVault, TIMEOUT_MS, type Verb } from './sim-vault.ts';
import { type SimSecret, SimVaultModel } from './sim-vault-model.ts';
import type { SimTask } from './tasks.ts';
import { Trace } from './trace.ts';
import { drawWeather, type Fluke, type Weather } from './weather.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Keep every line of the trace. */
  readonly verbose: boolean;
  readonly weather?: Partial<Weather>;
  readonly secrets?: Readonly<Record<string, SimSecret>>;
  readonly strike?: Strike;
}

/** What goes wrong at one effect of a run, counted from 1. */
export interface Strike {
  readonly at: number;
  readonly how: 'crashBefore' | 'crashAfter' | 'fail' | 'lost';
}

export class World {
  readonly seed: number;
  readonly draw: Draw;
  readonly weather: Weather;
  readonly clock = new SimClock();
  readonly calm = new Calm();
  readonly trace: Trace;
  readonly model: SimVaultModel;
  disk = new SimDisk();
  files = new SimFiles();
  sessionStore = new SimSessionStore();
  liveness = new SimLiveness();
  ledger = new Ledger();
  readonly judge: Judge;
  readonly tasks = new Map<string, SimTask>();
  /** Every version of every profile with the time since when it holds; null: removed. */
  readonly profiles = new Map<string, { readonly since: number; readonly profile: Profile | null }[]>();
  life: Life | null = null;
  lives = 0;
  boots = 1;
  bootOffset = 0;
  /** No trouble any more; everything must come to rest. */
  quiet = false;
  readonly violations: string[] = [];
  /** Tokens that a restored snapshot brought back to life. */
  readonly revived = new Set<string>();
  restoredAt: number | null = null;
  /** When an agent last heard that its session lives. */
  sessionHeardAt = 0;
  powerCutAt: number | null = null;
  wallJumpedAt: number | null = null;
  readonly outage = { unreachable: 0, silent: 0 };
  /** Calls that changed something, or tried to. */
  effects = 0;
  readonly #strike: Strike | null;
  /** What the next request meets. */
  #next: Fault | null = null;
  readonly #flukes: Draw;
  readonly #latency: Draw;
  readonly #crashes: Draw;
  readonly #windows = new Set<() => void>();

  constructor({ seed, verbose, weather, secrets, strike }: WorldOptions) {
    this.seed = seed;
    this.draw = new Draw(seed);
    this.weather = { ...drawWeather(this.draw.stream('weather')), ...weather };
    this.trace = new Trace(verbose);
    this.model = new SimVaultModel(this.clock, secrets ?? drawSecrets(this.draw.stream('secrets')));
    this.#strike = strike ?? null;
    this.judge = new Judge(this);
    this.#flukes = this.draw.stream('flukes');
    this.#latency = this.draw.stream('latency');
    this.#crashes = this.draw.stream('crashes');
    for (const kind of KINDS) this.putProfile(drawProfile(this.draw, kind, true));
    this.calm.begin('agent');
  }

  get at(): number {
    return this.clock.at;
  }

  say(line: string): void {
    this.trace.add(this.at, line);
  }

  /** Something is wrong: the run ends with this. */
  blame(what: string): void {
    this.say(`WRONG: ${what}`);
    this.violations.push(what);
  }

  /** Time passes; the judges look after every step. False once something is wrong. */
  async pass(ms: number): Promise<boolean> {
    const end = this.at + ms;
    let more = true;
    await settle();
    while (more && this.violations.length === 0) {
      more = await this.clock.step(end);
      this.model.expire();
      this.judge.look();
    }
    return this.violations.length === 0;
  }

  /** Passes time until this holds; false if it does not within `ms`. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    const end = this.at + ms;
    while (!holds() && this.at < end && (await this.pass(Math.min(100, end - this.at)))) {
      // The next tenth of a second.
    }
    return holds();
  }

  /** A new agent on the same disk, files, session store and Vault. */
  boot(): void {
    if (this.life !== null && !this.life.process.dead) return;
    this.lives += 1;
    this.life = new Life(this, this.lives);
    void this.life.open();
  }

  /** The living agent, for callers: null while nobody would answer. */
  get up(): Life | null {
    return this.life?.up === true && !this.life.process.frozen ? this.life : null;
  }

  putProfile(profile: Profile): void {
    const versions = this.profiles.get(profile.name) ?? [];
    versions.push({ since: this.at, profile });
    this.profiles.set(profile.name, versions);
  }

  /** The versions of a profile that held at some time since then. */
  versions(name: string, since: number): readonly Profile[] {
    // What is removed stays in force for the tasks that are there.
    const thawed = this.at - (this.life?.awakeSince ?? 0) < 100;
    const all = (this.profiles.get(name) ?? []).filter(({ profile }) => profile !== null);
    return all
      .filter((_, i) => (all[i + 1]?.since ?? Number.POSITIVE_INFINITY) >= since || thawed)
      .map(({ profile }) => profile!);
  }

  /** Vault lost this lease by a restore: nobody but its engine knows of it any more. */
  forgotten(id: string): boolean {
    return !this.model.leases.has(id) && this.model.ended.get(id)?.cause === 'forgotten';
  }

  removeProfile(name: string): void {
    this.profiles.get(name)!.push({ since: this.at, profile: null });
  }

  /** Trouble for a while; `end` also runs when the world becomes quiet. */
  window(kind: Trouble, ms: number, begin: () => void, end: () => void): void {
    begin();
    this.calm.begin(kind);
    const close = () => {
      if (!this.#windows.delete(close)) return;
      end();
      this.calm.end(kind, this.at);
    };
    this.#windows.add(close);
    this.clock.after(ms, close);
  }

  /** From here on nothing goes wrong any more. */
  becomeQuiet(): void {
    this.quiet = true;
    for (const close of [...this.#windows]) close();
    this.life?.thaw();
    this.say('quiet');
  }

  /** A client of this world's Vault, as one process has it. */
  connect(alive: () => boolean): SimVault {
    const { leashMs } = this.weather;
    const options = { clock: this.clock, leashMs, secrets: this.model.secrets, policies: POLICIES };
    const vault = new SimVault(options, this.model);
    vault.alive = alive;
    vault.fault = (verb, about) => this.#fault(verb, about);
    vault.onTooMany = (verb, about, ms) => {
      if (alive()) this.judge.onTooMany(verb, about, ms);
    };
    vault.latency = () => this.#trip();
    return vault;
  }

  /** What becomes of a call that changes something. */
  blow(port: 'vault' | 'files' | 'journal' | 'sessionStore'): Blow {
    this.effects += 1;
    if (this.#strike?.at === this.effects) return this.#struck(port, this.#strike.how);
    if (this.quiet || !this.#crashes.chance(this.weather.crash)) return 'none';
    return this.#crashes.pick(['before', 'after']);
  }

  #struck(port: 'vault' | 'files' | 'journal' | 'sessionStore', how: Strike['how']): Blow {
    this.say(`struck: ${how} of ${port}`);
    if (how === 'crashBefore') return 'before';
    if (how === 'crashAfter') return 'after';
    if (port === 'vault') {
      this.#next = how === 'lost' ? 'lost' : 'unreachable';
      return 'none';
    }
    this.calm.touch(port === 'journal' ? 'journal' : 'files', this.at);
    return port === 'journal'
      ? new Problem('JOURNAL_UNWRITABLE', 'struck', { hint: 'simulated' })
      : new Problem('DELIVERY_FAILED', 'struck', { hint: 'simulated' });
  }

  drawDiskDelay(): number {
    return this.weather.slowDisk && !this.quiet ? this.#crashes.int(0, 15) : 0;
  }

  #fault(verb: Verb, about: string): Fault | null {
    const fault = this.#drawFault(verb);
    if (fault === null) return null;
    this.say(`vault ${verb} ${about}: ${fault}`);
    // What issues something is waited for until Vault itself has given up on it.
    const silence = verb === 'createToken' || verb === 'readSecret' ? LAST_WORD_MS : TIMEOUT_MS;
    const ms = typeof fault === 'number' ? fault : fault === 'silent' ? silence : 0;
    this.calm.touch('path', this.at + ms);
    return fault;
  }

  #drawFault(verb: Verb): Fault | null {
    const next = this.#next;
    this.#next = null;
    if (next !== null) return next;
    if (this.outage.unreachable > 0) return 'unreachable';
    if (this.outage.silent > 0) return 'silent';
    if (this.quiet) return null;
    for (const [fluke, rate] of Object.entries(this.weather.flukes) as [Fluke, number][]) {
      if (!this.#flukes.chance(rate)) continue;
      if (fluke === 'tooMany') return this.#flukes.pick([1000, 5000, 30_000]);
      if (fluke === 'forbidden' && verb !== 'renewSession') continue;
      return fluke;
    }
    return null;
  }

  #trip(): readonly [number, number] {
    const one = (): number => {
      switch (this.quiet ? 'near' : this.weather.latency) {
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
      this.say(`slow: ${trip.join(' + ')} ms`);
      this.calm.touch('path', this.at + trip[0] + trip[1]);
    }
    return trip;
  }
}
