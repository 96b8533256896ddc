// Owns the invariants of the product (DESIGN, section 7), looked at after every step and at every call that
// the engine makes. Invariant: judged by the world's own truth: what is at Vault, in the files, on record.

import type { Entry } from '../../../src/domain/fact.ts';
import type { TaskId } from '../../../src/domain/ids.ts';
import type { Problem } from '../../../src/domain/problem.ts';
import type { PublicFact } from '../../../src/engine/fact-stream.ts';
import type { Publication } from '../../../src/ports/files.ts';
import { judgeFacts } from './judge-facts.ts';
import { judgeFiles } from './judge-files.ts';
import { judgeLeaks } from './judge-leaks.ts';
import { RequestJudge } from './judge-requests.ts';
import { TermsJudge } from './judge-terms.ts';
import type { LedgerGeneration, LedgerGrant } from './ledger.ts';
import type { Life } from './life.ts';
import { CANARY } from './scenery.ts';
import type { World } from './world.ts';

/** Something that must have happened by then, unless the agent dies before. */
interface Expectation {
  readonly life: Life;
  readonly what: string;
  readonly due: number;
  done: boolean;
}

/** What readers of a task's files see. */
export interface Shown {
  readonly n: number;
  readonly since: number;
  /** The generation that this one took the place of; null when there were no files. */
  readonly before: number | null;
}

const PLACES = 64;

export class Judge {
  readonly #world: World;
  readonly #requests: RequestJudge;
  readonly terms: TermsJudge;
  #expectations: Expectation[] = [];
  #downAt = 0;
  /** Generations that had to make room at once, as it was when that was recorded. */
  readonly #hurried = new WeakSet<LedgerGeneration>();
  /** Task tokens whose making some agent heard of. */
  readonly told = new Map<string, { readonly life: Life; readonly at: number }>();
  /** What `current` of each task shows. */
  readonly shown = new Map<string, Shown>();
  /** Until when leases live as Vault told this agent last: without a durable journal that is on no record. */
  readonly heard = new Map<string, number>();
  readonly #askedAt = new WeakMap<readonly unknown[], number>();

  constructor(world: World) {
    this.#world = world;
    this.#requests = new RequestJudge(world);
    this.terms = new TermsJudge(world);
  }

  /** After every step. */
  look(): void {
    const world = this.#world;
    const { life } = world;
    judgeLeaks(world);
    judgeFiles(world, this.shown);
    this.terms.look();
    if (life !== null && life.vault.inFlight > PLACES + 2) {
      world.blame(`${life.vault.inFlight} requests at Vault at once`);
    }
    if (this.#expectations.length > 0) this.#judgeExpectations();
  }

  /** Returns how to say that it has happened. */
  expect(life: Life, what: string, withinMs: number): () => void {
    const expectation = { life, what, due: this.#world.at + withinMs, done: false };
    this.#expectations.push(expectation);
    return () => {
      expectation.done = true;
    };
  }

  #judgeExpectations(): void {
    const { at } = this.#world;
    this.#expectations = this.#expectations.filter((expected) => {
      if (expected.done || expected.life.process.dead) return false;
      if (expected.due >= at) return true;
      this.#world.blame(`not in time: ${expected.what}`);
      return false;
    });
  }

  /** Time in which it could not run does not count against it. */
  onFreeze(): void {
    this.#expectations = [];
  }

  onVaultCall(life: Life, verb: string, args: readonly unknown[]): void {
    this.#world.say(`> ${verb} ${typeof args[1] === 'string' ? args[1] : ''}`);
    this.#askedAt.set(args, this.#world.at);
    this.#requests.onCall(life, verb, args);
  }

  /** A renewal was answered: its end counts from the question. One that is over by then was not known before. */
  onRenewed(args: readonly unknown[], ttlMs: number): void {
    this.heard.set(args[1] as string, Math.max((this.#askedAt.get(args) ?? 0) + ttlMs, this.#world.at));
  }

  /** A session was made or renewed, which counts from the question too. */
  onSession(args: readonly unknown[], accessor: string): void {
    this.#world.sessionsHeard.set(accessor, this.#askedAt.get(args) ?? 0);
  }

  /** Vault answered 429 with a Retry-After. */
  onTooMany(verb: string, about: string, ms: number): void {
    this.#requests.toWait(verb, about, ms);
  }

  onFilesCall(verb: string, args: readonly unknown[]): void {
    this.#world.say(`> ${verb} ${typeof args[0] === 'string' ? args[0] : ''}`);
    if (verb === 'publish') this.#requests.onPublish(args[0] as Publication);
    if (verb === 'eraseGeneration') this.#onEraseGeneration(args[0] as string, args[1] as number);
  }

  onPublished({ task, n }: Publication): void {
    this.#world.say(`published ${task} ${n}`);
    this.shown.set(task, { n, since: this.#world.at, before: this.shown.get(task)?.n ?? null });
  }

  /** The files of a generation are shown again, whatever came after it. */
  onRestored(task: TaskId, n: number): void {
    this.shown.set(task, { n, since: this.#world.at, before: null });
  }

  onErased(task: TaskId): void {
    this.shown.delete(task);
  }

  #onEraseGeneration(task: string, n: number): void {
    const { world, shown } = { world: this.#world, shown: this.shown.get(task) };
    if (shown?.n === n)
      return world.blame(`the files of ${task} that readers see, generation ${n}, are removed`);
    if (this.tooEarly(task, n))
      world.blame(`the files of ${task} generation ${n} are removed in its overlap`);
  }

  /** Who opened the old files has the whole overlap to read and use them, unless they are worth nothing. */
  tooEarly(task: string, n: number): boolean {
    const world = this.#world;
    const grant = world.ledger.byTask.get(task);
    const generation = grant?.generations.get(n);
    const shown = this.shown.get(task);
    if (grant === undefined || generation === undefined || shown?.before !== n) return false;
    // Who takes a task over does not wait for what its predecessor superseded.
    if ((world.life?.startedAt ?? 0) > shown.since) return false;
    if (grant.stoppingAt !== null || world.at >= shown.since + Math.max(1000, grant.overlapMs) - 5)
      return false;
    return !this.#hurried.has(generation) && !this.#hastened(grant, generation);
  }

  /** What called for it may be gone when it happens: a renewal that was on its way came through after all. */
  #noteHurry({ grant: id, fact }: Entry): void {
    if (fact.type !== 'generation.retiring') return;
    const grant = this.#world.ledger.grants.get(id);
    const generation = grant?.generations.get(fact.n);
    if (grant === undefined || generation?.retireAt == null || generation.retireAt > this.#world.at) return;
    if (this.shown.get(grant.task)?.before === fact.n && this.#hastened(grant, generation))
      this.#hurried.add(generation);
  }

  /** Its credential is dead, or the next but one is wanted: two generations live at most. */
  #hastened(grant: LedgerGrant, { n, accessor, leases }: LedgerGeneration): boolean {
    const { model } = this.#world;
    const dead =
      accessor === null || !model.tokens.has(accessor) || [...leases.keys()].some((id) => !model.lives(id));
    const next = [...grant.generations.values()].find((generation) => generation.n > n)!;
    return dead || this.#wanted(grant, next);
  }

  /** Something calls for the replacement of this generation already. */
  #wanted(
    grant: LedgerGrant,
    { accessor, leases, ends: others, openedAt, session }: LedgerGeneration,
  ): boolean {
    const world = this.#world;
    const { model, at } = world;
    const changed = world.versions(grant.profile, openedAt).length > 1;
    const lost = [...leases.keys()].some((id) => !model.lives(id));
    const closed = Math.max(world.sessionClosedAt, world.oddRefusalAt) >= openedAt - 1000;
    const before = [...grant.generations.values()].some((other) => {
      const end = model.ended.get(other.session ?? '')?.at;
      return end !== undefined && end >= openedAt - 1000;
    });
    const dead = accessor === null || !model.tokens.has(accessor) || this.#ending(session);
    const ends = [...others, ...[...leases.values()].map(({ endsAt }) => endsAt ?? Number.POSITIVE_INFINITY)];
    return (
      changed ||
      dead ||
      lost ||
      closed ||
      before ||
      Math.min(...ends) < at + 0.35 * (Math.min(...ends) - openedAt) + 1000
    );
  }

  /** The session is gone, or so near its end that its holder may take it for lost. */
  #ending(session: string | null): boolean {
    const { model, sessionsHeard, weather, at } = this.#world;
    const heardAt = sessionsHeard.get(session ?? '') ?? 0;
    const token = model.tokens.get(session ?? '');
    if (at - heardAt > 0.7 * weather.leashMs || session !== this.#world.session) return true;
    return token === undefined || token.endsAt < this.#world.at + 2000;
  }

  /** Facts on their way to the disk. */
  onRecord(entries: readonly Entry[]): void {
    for (const { grant, fact } of entries) {
      const text = JSON.stringify(fact);
      if (text.includes(CANARY)) this.#world.blame(`a secret in the journal: ${grant} ${fact.type}`);
    }
  }

  onDurable(entry: Entry): void {
    this.#world.say(`${entry.grant} ${entry.fact.type}`);
    this.#noteHurry(entry);
    judgeFacts(this.#world, entry);
  }

  onTold(fact: PublicFact, _owner: number): void {
    this.seen('a fact', fact);
  }

  onLog(level: string, message: string, fields: unknown): void {
    if (level === 'error' || level === 'warn') this.#world.say(`log ${level} ${message}`);
    this.seen('the log', [message, fields]);
  }

  onProblem(problem: Problem): void {
    this.seen('a problem', [problem.message, problem.hint, problem.code]);
  }

  /** Anything that callers or operators get to see. */
  seen(where: string, what: unknown): void {
    if (JSON.stringify(what)?.includes(CANARY)) this.#world.blame(`a secret in ${where}`);
  }

  onUp(): void {
    const world = this.#world;
    world.calm.end('agent', world.at);
    if (world.at - this.#downAt > world.weather.leashMs / 3) world.calm.touch('away', world.at);
  }

  onDeath(life: Life): void {
    const world = this.#world;
    if (life.up || this.#downAt === 0) this.#downAt = world.at;
    this.#requests.onDeath();
    this.terms.onDeath();
    this.heard.clear();
    for (const task of world.tasks.values()) {
      // What could not be put on record died with it: its callers have to ask again.
      const unrecorded = world.ledger.byTask.get(task.id)?.stoppingAt === null;
      if (unrecorded) task.stoppedAt = null;
      const { connection } = task;
      // A close that is on no record looks to the next agent like one that may come back.
      if (connection?.open === true || (unrecorded && connection?.deliberate === true))
        task.connection = { open: false, closedAt: world.at, deliberate: false };
    }
  }
}
