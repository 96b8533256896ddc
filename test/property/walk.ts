// Owns random lives of a grant: decide() against an engine whose every effect may succeed, fail, come late or be cut
// off by a crash, on a journal that fails now and then, under profiles and sessions that change. Invariant: only
// events that the engine could send are sent, and what was recorded went through JSON, as in the journal.

import { decide, open } from '../../src/domain/decide.ts';
import { dueAt } from '../../src/domain/due.ts';
import type { Entry, Fact } from '../../src/domain/fact.ts';
import type { Grant } from '../../src/domain/grant.ts';
import { current, generationOf, works } from '../../src/domain/grant.ts';
import type { Effect, GrantEvent } from '../../src/domain/grant-event.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import type { Moment } from '../../src/domain/instant.ts';
import type { Plan } from '../../src/domain/task-spec.ts';
import {
  ACCEPTED,
  at,
  DEADLINE_MS,
  GRANT,
  instant,
  PLAN,
  time,
  UNREACHABLE,
} from '../unit/domain/samples.ts';
import { Answers } from './answers.ts';
import { type Asked, Disk } from './disk.ts';
import { type Draw, pick } from './draw.ts';

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
const REFUSED_UNRECORDED: ReadonlySet<GrantEvent['type']> = new Set(['extendRequested', 'abandonRequested']);
const LATEST_MS = DEADLINE_MS + 300_000;

export class Walk {
  grant: Grant;
  ms = 0;
  /** What is durable. */
  readonly entries: Entry[] = [];
  /** Facts that could not be written yet: gone after a crash. */
  readonly backlog: Entry[] = [];
  /** Effects asked for and not answered. */
  readonly open: (Asked & { readonly session: string; readonly unspent: boolean })[] = [];
  readonly seen: Seen[] = [];
  readonly disk = new Disk();
  readonly draw: Draw;
  /** What the profile said last. */
  plan: Plan;
  /** Sessions that the grant was told of that they ended. */
  readonly ended = new Set<string>();
  #sessions = 1;
  readonly #answers: Answers;
  #journalFails = 0;

  constructor(draw: Draw) {
    this.draw = draw;
    this.#answers = new Answers(draw);
    this.plan = {
      ...PLAN,
      overlapMs: pick(draw, [0, 5000, 60_000]),
      ...(draw() < 0.5 ? { onChange: 'SIGHUP' } : {}),
    };
    const bind = pick(draw, [null, { pid: 42 }, { cgroup: '/ci' }, { connection: true } as const]);
    const latest_deadline = draw() < 0.5 ? ACCEPTED.latest_deadline : time(LATEST_MS);
    const accepted = { ...ACCEPTED, bind, latest_deadline, plan: this.plan };
    const { next, facts, effects } = open(GRANT, accepted, 30_000, this.now);
    this.grant = next;
    this.#ask(effects);
    this.#record(facts);
    this.#journalFails = 0.06;
    // Most lives start without trouble, or few would ever become active.
    if (draw() < 0.8) for (let i = 0; i < 3; i += 1) this.answer(true);
  }

  get now(): Moment {
    return at(this.ms);
  }

  get session(): string {
    return `session-${this.#sessions}`;
  }

  /** One random thing happens. */
  step(): void {
    const kind = this.draw();
    if (kind < 0.08) this.ms += Math.floor(this.draw() ** 3 * 100_000);
    else if (kind < 0.12) this.send({ type: 'alarm' });
    else if (kind < 0.34 || this.open.length === 0) this.wait();
    else if (kind < 0.35) this.send({ type: 'stopRequested', reason: 'completed' });
    else if (kind < 0.375) this.crash();
    else if (kind < 0.4) this.#newProfile();
    else if (kind < 0.42) this.#newSession();
    else if (kind < 0.43) this.send({ type: 'vaultReturned' });
    else if (kind < 0.44) this.send({ type: 'held' });
    else if (kind < 0.46) {
      this.send({
        type: 'extendRequested',
        byMs: Math.floor(this.draw() * 200_000),
        notAfter: instant(LATEST_MS),
      });
    } else if (kind < 0.464) this.send({ type: 'abandonRequested', reason: 'engine deleted', uid: 0 });
    else this.answer(false);
  }

  /** Time passes until the grant's own alarm. */
  wait(): void {
    const due = dueAt(this.grant);
    if (due === null) return;
    this.ms = Math.max(this.ms, due - instant(0));
    this.send({ type: 'alarm' });
  }

  /** kill -9 and a restart: what was asked is forgotten, what was recorded or done is not. */
  crash(): void {
    for (const asked of this.open.splice(0)) if (this.draw() < 0.3) this.disk.carryOut(asked);
    this.backlog.length = 0;
    this.ms += 1000;
    this.grant = fold(this.entries)!;
    const inUse = current(this.grant);
    const sound = works(this.grant) && this.now.at < this.grant.deadline && this.draw() < 0.9;
    if (this.grant.withdrawn) this.disk.sweep();
    if (inUse !== null && sound && (this.grant.withdrawn || this.disk.restore(inUse.n))) {
      if (this.draw() < 0.3) this.#endSession();
      const held = !this.ended.has(inUse.session ?? '');
      const { latestDeadline } = this.grant;
      this.send({ type: 'recovered', verdict: { adopted: true, plan: this.plan, latestDeadline, held } });
    } else {
      this.disk.sweep();
      this.send({ type: 'recovered', verdict: { adopted: false, why: 'its files are not as they were' } });
    }
  }

  /** Some open effect is answered, well or (unless `well`) in any way it can be. */
  answer(well: boolean): void {
    const [asked] = this.open.splice(Math.floor(this.draw() * this.open.length), 1);
    if (asked === undefined) return;
    if (!well) this.ms += Math.floor(this.draw() ** 2 * 2000);
    const { effect, session } = asked;
    const event = asked.unspent
      ? unspent(effect as Extract<Effect, { type: 'readSecrets' }>, this.now)
      : this.#answers.to(effect, this.grant, session, this.now, well);
    if (!event.type.endsWith('Failed')) this.disk.carryOut(asked);
    this.send(event);
  }

  /** From here on nothing fails: the walk must come to its end, asked to or not. Returns the steps it took. */
  finish(stop = true): number {
    this.#journalFails = 0;
    if (stop) this.send({ type: 'stopRequested', reason: 'completed' });
    for (let steps = 1; steps <= 20_000; steps += 1) {
      if (this.grant.state === 'closed') return steps;
      if (this.open.length > 0) this.answer(true);
      else this.wait();
    }
    return Number.POSITIVE_INFINITY;
  }

  send(event: GrantEvent): void {
    const before = this.grant;
    const { next, facts, effects: asked } = decide(before, event, this.now);
    const durable = this.#record(facts);
    // As the engine does it: what its caller is refused has not happened.
    if (!durable && REFUSED_UNRECORDED.has(event.type)) {
      this.backlog.splice(this.backlog.length - facts.length);
      return;
    }
    this.grant = next;
    // As the engine does it: without the facts on record, nothing is issued; ending goes on.
    const effects = durable ? asked : asked.filter(({ type }) => !ISSUING.has(type));
    this.#ask(effects);
    this.seen.push({ now: this.now, before, event, next, facts, effects });
    if (effects.length < asked.length) this.send({ type: 'unrecorded', problem: UNREACHABLE });
  }

  #newProfile(): void {
    const policies = pick(this.draw, ['a', 'b', 'c']);
    this.plan = { ...this.plan, policies: [policies] };
    const { latestDeadline } = this.grant;
    const less = this.draw() < 0.1 ? Math.floor(this.draw() * 100_000) : 0;
    this.send({ type: 'planChanged', plan: this.plan, latestDeadline: latestDeadline - less });
  }

  #newSession(): void {
    this.send({ type: 'sessionEnded', session: this.#endSession(), dead: this.draw() < 0.5 });
  }

  #endSession(): string {
    const { session } = this;
    this.#sessions += 1;
    this.ended.add(session);
    return session;
  }

  #ask(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const unspent =
        effect.type === 'readSecrets' && this.ended.has(generationOf(this.grant, effect.n)!.session!);
      const asked = { effect, done: false, session: this.session, unspent };
      // Some things take place long before their answer is heard.
      if (this.draw() < 0.3 && /^(?:erase|withdraw)/.test(effect.type)) this.disk.carryOut(asked);
      this.open.push(asked);
    }
  }

  /** False when the facts are not durable. */
  #record(facts: readonly Fact[]): boolean {
    const { at: instantNow, wallMs } = this.now;
    for (const fact of facts) {
      const written = JSON.parse(JSON.stringify(fact)) as Fact;
      this.backlog.push({ grant: GRANT, at: instantNow, wallMs, fact: written });
    }
    if (this.backlog.length > 0 && this.draw() < this.#journalFails) return false;
    this.entries.push(...this.backlog.splice(0));
    return true;
  }
}

/** A token whose session ended before it could be spent. */
const unspent = ({ n }: Extract<Effect, { type: 'readSecrets' }>, { at: askedAt }: Moment): GrantEvent => ({
  type: 'secretsRead',
  n,
  askedAt,
  leases: [],
  lost: [],
  problem: UNREACHABLE,
});
