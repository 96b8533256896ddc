// Owns what happens around approvals in the seeds that have any: starts that need them, approvers with and without a
// say, races, words in the last moment, profiles that change while somebody waits. Invariant: drawn from a stream of its
// own, so that all other seeds are what they were.

import type { ApprovalRule } from '../../../src/domain/approval.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Callers } from './callers.ts';
import type { Draw } from './draw.ts';
import { drawProfile, GUARDED, UID } from './scenery.ts';
import { ADMIN, type SimTask } from './tasks.ts';
import type { World } from './world.ts';

const SHARE = 0.25;
/** Whoever comes by the admin socket; the requester may not approve, whatever the list says. */
const UIDS = [0, 7, 8, UID];

export class Approvers {
  readonly #world: World;
  readonly #callers: Callers;
  readonly #draw: Draw;

  constructor(world: World, callers: Callers) {
    this.#world = world;
    this.#callers = callers;
    this.#draw = world.draw.stream('approvals');
  }

  /** Before the first agent comes up. */
  begin(): void {
    if (!this.#draw.chance(SHARE)) return;
    this.guard();
    this.#next();
  }

  /** The profile that needs approvals is there from now on. */
  guard(rule = this.#rule()): void {
    this.#world.putProfile(this.#profile(true, rule));
  }

  #next(): void {
    const { clock, weather } = this.#world;
    clock.after(this.#draw.wait(weather.meanGapMs / 2) + 1, () => {
      if (this.#world.quiet) return;
      this.#table[this.#draw.weighted({ ask: 5, word: 6, race: 1, lastMoment: 1, again: 1, change: 0.7 })]();
      this.#next();
    });
  }

  readonly #table = {
    ask: () => this.#ask(),
    word: () => this.#on((task) => this.say(task, this.#draw.pick(UIDS), this.#draw.chance(0.8))),
    race: () =>
      this.#on((task) => {
        for (let n = 0; n < 8; n += 1) this.say(task, this.#draw.pick(UIDS), this.#draw.chance(0.85));
      }),
    lastMoment: () =>
      this.#on((task) => {
        const { clock, ledger, at } = this.#world;
        const approveBy = ledger.byTask.get(task.id)?.approval?.approveBy ?? at;
        clock.after(approveBy - at + this.#draw.pick([-1, 0, 0, 1]), () => this.say(task, 7, true));
      }),
    again: () => this.#on((task) => this.#callers.start(task)),
    change: () => {
      // What was asked for before may be refused, or what lives ended, because of it.
      for (const task of this.#guarded()) task.revokeTried = true;
      this.#world.putProfile(this.#profile(false, this.#rule()));
      const { life } = this.#world;
      if (life !== null) life.process.when(() => life.followProfiles());
    },
  };

  /** Somebody's word on a task. */
  say(task: SimTask, uid: number, approve: boolean): void {
    const world = this.#world;
    const life = world.up;
    if (life === null) return;
    world.say(`${approve ? 'approve' : 'deny'} ${task.id} by ${uid}`);
    if (!approve) task.denyTried = true;
    life.agent.approve(task.id, { approve }, { ...ADMIN, uid }).then(
      (view) => {
        if (life.process.dead) return;
        world.judge.seen('the answer to an approval', view);
        if (approve && uid === UID) world.blame(`${task.id} is approved by whoever asked for it`);
      },
      (error: unknown) => {
        if (life.process.dead) return;
        if (error instanceof Problem && error.code !== 'INTERNAL') world.say(`refused: ${error.message}`);
        else world.blame(`the word on ${task.id} failed: ${(error as Error).stack}`);
      },
    );
  }

  #ask(): void {
    const durationMs = this.#draw.pick([5000, 20_000, 60_000]);
    this.#callers.start(this.#callers.invent(null, { kind: GUARDED, durationMs }));
  }

  #rule(): ApprovalRule {
    const approvers = this.#draw.pick([[], [7, 8, UID], [7]]);
    const count = approvers.length === 1 ? 1 : this.#draw.pick([1, 1, 2]);
    return { ttlMs: this.#draw.pick([2000, 20_000, 60_000]), approvers, count };
  }

  #profile(first: boolean, approval: ApprovalRule): Profile {
    const allow = { uids: [UID], gids: [] };
    return { ...drawProfile(this.#draw, 'report', first), name: GUARDED, allow, approval };
  }

  #guarded(): SimTask[] {
    return [...this.#world.tasks.values()].filter(({ signal }) => signal.profile === GUARDED);
  }

  /** Mostly one that waits. */
  #on(act: (task: SimTask) => void): void {
    const recent = this.#guarded().slice(-8);
    const waiting = recent.filter(({ id }) => {
      const grant = this.#world.ledger.byTask.get(id);
      return grant?.approval?.approved === false && grant.stoppingAt === null;
    });
    const tasks = waiting.length > 0 && this.#draw.chance(0.85) ? waiting : recent;
    if (tasks.length > 0) act(this.#draw.pick(tasks));
  }
}
