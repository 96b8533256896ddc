// Owns one simulated world: clocks, Vault, disk, files, processes, and the agent that lives in it, life after
// life. Invariant: everything that happens is drawn from the seed; what is wrong is kept, never thrown into the
// engine, so that the engine cannot catch it.

import type { Profile } from '../../../src/domain/profile.ts';
import { Calm, type Trouble } from './calm.ts';
import { Draw } from './draw.ts';
import { Hazards, type Strike } from './hazards.ts';
import { Issuer } from './issuer.ts';
import { Judge } from './judge.ts';
import { NoticeJudge } from './judge-notices.ts';
import { Ledger } from './ledger.ts';
import { Life } from './life.ts';
import { drawProfile, drawSecrets, ENTITY_ALIASES, KINDS, POLICIES } from './scenery.ts';
import { SimClock, settle } from './sim-clock.ts';
import { SimFiles } from './sim-files.ts';
import { SimDisk } from './sim-journal.ts';
import { SimLiveness } from './sim-liveness.ts';
import { SimProbes } from './sim-probes.ts';
import { SimSessionStore } from './sim-session-store.ts';
import { SimVault } from './sim-vault.ts';
import { type SimSecret, SimVaultModel } from './sim-vault-model.ts';
import type { SimTask } from './tasks.ts';
import { Terms, type TermsOptions } from './terms.ts';
import { Trace } from './trace.ts';
import { drawWeather, type Weather } from './weather.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Keep every line of the trace. */
  readonly verbose: boolean;
  readonly weather?: Partial<Weather>;
  readonly secrets?: Readonly<Record<string, SimSecret>>;
  readonly terms?: TermsOptions;
  readonly strike?: Strike;
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
  readonly notices = new NoticeJudge(this);
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
  /** When an agent last asked for the end of a session that it heard of since, by the session's accessor. */
  readonly sessionsHeard = new Map<string, number>();
  sessionClosedAt = 0;
  /** Accessor of the session that an agent logged in to last. */
  session: string | null = null;
  powerCutAt: number | null = null;
  /** When a session that lives was last answered 403: twice in a row, and the agent takes it for lost. */
  oddRefusalAt = Number.NEGATIVE_INFINITY;
  readonly hazards: Hazards;
  readonly issuer: Issuer;
  readonly probes: SimProbes;
  readonly terms: Terms;
  readonly #windows = new Set<() => void>();

  constructor({ seed, verbose, weather, secrets, terms, strike }: WorldOptions) {
    this.seed = seed;
    this.draw = new Draw(seed);
    this.weather = { ...drawWeather(this.draw.stream('weather')), ...weather };
    this.trace = new Trace(verbose);
    // A story that says what there is to lease says so of these too.
    this.terms = new Terms(this.draw.stream('terms'), terms ?? null, secrets !== undefined);
    const there = secrets ?? drawSecrets(this.draw.stream('secrets'));
    this.model = new SimVaultModel(this.clock, this.terms.secrets(there));
    this.model.queueMs = this.terms.queueMs;
    // Until it is carried out, nobody could do better.
    this.model.onQueued = (ms) => this.calm.touch('vault', this.at + ms);
    this.issuer = new Issuer(this.draw.stream('assertions'));
    this.probes = new SimProbes(this);
    this.judge = new Judge(this);
    this.hazards = new Hazards(this, strike ?? null);
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
    versions.push({
      since: this.at,
      profile: this.terms.asked(this.probes.asked(this.issuer.asked(profile))),
    });
    this.profiles.set(profile.name, versions);
  }

  /** The versions of a profile that held at some time since then. */
  versions(name: string, since: number): readonly Profile[] {
    // What is removed stays in force for the tasks that are there.
    // What is decided in the moment of waking up is decided by what was read before the sleep.
    const thawed = Math.abs(since - (this.life?.awakeSince ?? 0)) <= 100;
    const all = (this.profiles.get(name) ?? []).filter(({ profile }) => profile !== null);
    return all
      .filter((_, i) => (all[i + 1]?.since ?? Number.POSITIVE_INFINITY) >= since || thawed)
      .map(({ profile }) => profile!);
  }

  /** Vault lost this lease by a restore: nobody but its engine knows of it any more. */
  forgotten(id: string): boolean {
    return !this.model.lives(id) && this.model.ended.get(id)?.cause === 'forgotten';
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

  /** An engine of Vault's answers nothing for a while. */
  engineDown(engine: SimSecret['engine'], ms: number): void {
    const { down } = this.model;
    this.window(
      'vault',
      ms,
      () => down.add(engine),
      () => down.delete(engine),
    );
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
    const rules = { policies: POLICIES, entityAliases: ENTITY_ALIASES };
    const options = { clock: this.clock, leashMs, secrets: this.model.secrets, ...rules };
    const vault = new SimVault(options, this.model);
    vault.alive = alive;
    vault.fault = (verb, about) => this.hazards.fault(verb, about);
    vault.onTooMany = (verb, about, ms) => {
      if (alive()) this.judge.onTooMany(verb, about, ms);
    };
    vault.latency = () => this.hazards.trip();
    return vault;
  }
}
