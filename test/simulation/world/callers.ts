// Owns what callers do with the agent: starts, stops, extensions, looks. Invariant: every call is answered in
// its time, and what the answers say is so.

import type { TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Bind, StartSignal } from '../../../src/domain/task-spec.ts';
import { ANSWER_WITHIN_MS, type Life } from './life.ts';
import { KINDS, UID } from './scenery.ts';
import { PROBE_TIMEOUT_MS } from './sim-probes.ts';
import { ADMIN, CALLER, type SimTask } from './tasks.ts';
import type { World } from './world.ts';

/** A failed start is cleaned up for this long before it is answered. */
const CLEAN_UP_MS = 5000;
const SLACK_MS = 250;
const STOP_MS = 100;

export class Callers {
  readonly #world: World;
  #count = 0;
  #pids = 100;

  constructor(world: World) {
    this.#world = world;
  }

  /** A new task, made up. */
  invent(
    parent: SimTask | null = null,
    fixed: { readonly kind: string; readonly durationMs: number } | null = null,
  ): SimTask {
    const { draw } = this.#world;
    this.#count += 1;
    const id = `t${this.#count}` as TaskId;
    const kind = parent === null ? draw.pick(KINDS) : draw.pick(['report', 'web', 'config'] as const);
    const bound = fixed === null ? draw.weighted({ none: 5, pid: 3, connection: 2 }) : 'pid';
    const pid = bound === 'pid' ? this.#spawn() : null;
    const bind: Bind | null = pid !== null ? { pid } : bound === 'connection' ? { connection: true } : null;
    const signal: StartSignal = {
      profile: (fixed?.kind ?? kind) as StartSignal['profile'],
      params: {},
      durationMs: fixed?.durationMs ?? draw.pick([1000, 5000, 20_000, 60_000, 120_000]),
      ...(bind === null ? {} : { bind }),
      ...(parent === null ? {} : { parent: parent.id }),
      ...this.#world.issuer.assertion(fixed?.kind ?? kind, id, this.#world, fixed !== null),
    };
    const task: SimTask = {
      id,
      signal,
      digest: `digest-${id}`,
      caller: CALLER,
      pid,
      connection: bound === 'connection' ? { open: false, closedAt: 0, deliberate: false } : null,
      parent: parent?.id ?? null,
      started: false,
      stoppedAt: null,
      stopTried: false,
      left: false,
      unsure: false,
      revokeTried: false,
      denyTried: false,
      pidEndedAt: null,
      revokedAt: null,
      deniedAt: null,
    };
    this.#world.tasks.set(id, task);
    return task;
  }

  start(task: SimTask, digest = task.digest): void {
    const world = this.#world;
    const life = world.up;
    if (life === null) return;
    world.say(`start ${task.id} ${task.signal.profile} ${task.signal.durationMs}ms ${bindOf(task)}`);
    const done = world.judge.expect(
      life,
      `the start of ${task.id} is answered`,
      ANSWER_WITHIN_MS +
        CLEAN_UP_MS +
        SLACK_MS +
        (world.probes.waits(task.signal.profile) ? PROBE_TIMEOUT_MS : 0),
    );
    life.agent.start(task.id, task.signal, digest, task.caller).then(
      ({ view }) => {
        done();
        if (life.process.dead) return;
        world.say(`started ${task.id} ${view.state}`);
        world.judge.seen('the answer to a start', view);
        if (view.state === 'pending_approval') return;
        task.started = true;
        if (view.state === 'active' && view.dir !== null && world.judge.shown.get(task.id) === undefined) {
          world.blame(`${task.id} is answered as active without files`);
        }
        if (task.connection !== null) this.#connect(life, task);
      },
      (error: unknown) => {
        done();
        this.#refused(life, `start of ${task.id}`, error);
      },
    );
  }

  stop(task: SimTask, waitMs = 0): void {
    const world = this.#world;
    const life = world.up;
    if (life === null) return;
    world.say(`stop ${task.id}`);
    const grant = world.ledger.byTask.get(task.id);
    const living = life.agent.list(task.caller).some((view) => view.task === task.id);
    task.stopTried = true;
    const done = world.judge.expect(life, `the stop of ${task.id} is answered`, STOP_MS + waitMs);
    const frozenBefore = life.awakeSince;
    life.agent.stop(task.id, task.caller, waitMs).then(
      (stopped) => {
        done();
        if (life.process.dead) return;
        world.say(
          `stopped ${task.id} ${'receipt' in stopped ? stopped.receipt.outcome : stopped.pending.state}`,
        );
        world.judge.seen('the answer to a stop', stopped);
        if (living && this.#leftTraces(task)) task.stoppedAt ??= world.at;
        const stuck =
          world.at - world.calm.since(world.at, ['files']) < 20_000 &&
          world.calm.since(world.at, ['files']) > 0;
        if (!stuck && frozenBefore === life.awakeSince && world.files.tasks().includes(task.id)) {
          if (world.ledger.byTask.get(task.id) === grant)
            world.blame(`${task.id} is stopped and its files are there`);
        }
      },
      (error: unknown) => {
        done();
        this.#refused(life, `stop of ${task.id}`, error);
      },
    );
  }

  /**
   * Where neither journal nor files could be touched, an agent after this one can know nothing of a stop. What waits
   * for approval never had files.
   */
  #leftTraces(task: SimTask): boolean {
    const { ledger, files } = this.#world;
    const grant = ledger.byTask.get(task.id);
    if (grant === undefined || grant.stoppingAt !== null || grant.closedAt !== null) return true;
    return grant.approval?.approved !== false && !files.tasks().includes(task.id);
  }

  extend(task: SimTask, byMs: number): void {
    const life = this.#world.up;
    if (life === null) return;
    this.#world.say(`extend ${task.id} ${byMs}`);
    this.#call(life, `extend ${task.id}`, async () => life.agent.extend(task.id, byMs, task.caller));
  }

  /** A connection that holds a task from now on (GET …/events?hold=true). */
  hold(task: SimTask): void {
    const life = this.#world.up;
    const grant = this.#world.ledger.byTask.get(task.id);
    if (life === null || task.connection !== null || grant?.stoppingAt !== null) return;
    this.#world.say(`hold ${task.id}`);
    this.#connect(life, task);
  }

  abandon(task: SimTask): void {
    const life = this.#world.up;
    if (life === null) return;
    this.#call(life, `abandon ${task.id}`, async () => life.agent.abandon(task.id, 'given up', ADMIN));
  }

  /** What a person would look at. */
  look(): void {
    const life = this.#world.up;
    if (life === null) return;
    this.#world.judge.seen('the list of tasks', life.agent.list(ADMIN));
    this.#world.judge.seen(
      'readiness',
      life.agent.notReady().map((problem) => problem.body()),
    );
    this.#call(life, 'look', async () => life.agent.look());
  }

  revokeAll(drain: boolean): void {
    const world = this.#world;
    const life = world.up;
    if (life === null) return;
    world.say(drain ? 'drain' : 'revoke-all');
    if (drain) life.draining = true;
    const living = life.agent.list(ADMIN).map(({ task }) => world.tasks.get(task)!);
    for (const task of living) task.revokeTried = true;
    const done = world.judge.expect(life, 'revoke-all is answered', STOP_MS);
    this.#call(life, 'revoke-all', async () => {
      await (drain ? life.agent.drain(0) : life.agent.revokeAll(0));
      done();
      if (drain) life.drained = true;
      if (life.process.dead) return;
      for (const task of living) {
        if (this.#leftTraces(task)) task.revokedAt ??= world.at;
      }
    });
  }

  /** SIGTERM. */
  terminate(keep: boolean, stopTimeoutMs = 20_000): Promise<number> {
    const world = this.#world;
    const life = world.up!;
    world.say(keep ? 'SIGTERM, keep' : 'SIGTERM, revoke');
    life.leaving = keep ? 'keep' : 'revoke';
    if (!keep) for (const task of world.tasks.values()) task.revokeTried = true;
    return life.agent.close(stopTimeoutMs, keep).then((left) => {
      world.say(`ended, ${left} left`);
      life.process.kill();
      return left;
    });
  }

  /** The workload reconnects after its agent was away. */
  reconnect(task: SimTask): void {
    const life = this.#world.up;
    if (life === null || task.connection === null || task.connection.open) return;
    if (task.left) return;
    if (task.signal.bind !== undefined && 'connection' in task.signal.bind) this.start(task);
    else {
      this.#world.say(`hold ${task.id} again`);
      this.#connect(life, task);
    }
  }

  closeConnection(task: SimTask): void {
    const world = this.#world;
    if (task.connection?.open !== true) return;
    const connection = { open: false, closedAt: world.at, deliberate: false };
    task.connection = connection;
    task.left = true;
    world.say(`close ${task.id}`);
    const { life } = world;
    life?.process.when(() => {
      // From here on it knows, unless it leaves its tasks to the next one.
      if (life.leaving === 'keep') return;
      connection.deliberate = true;
      connection.closedAt = world.at;
      life.agent.lost(task.id, task.caller, 'the connection was closed');
    });
  }

  endProcess(task: SimTask): void {
    const world = this.#world;
    if (task.pid === null || task.pidEndedAt !== null) return;
    task.pidEndedAt = world.at;
    world.say(`kill ${task.pid} of ${task.id}`);
    world.liveness.kill(task.pid);
  }

  #spawn(): number {
    this.#pids += 1;
    this.#world.liveness.spawn(this.#pids, UID);
    return this.#pids;
  }

  #connect(life: Life, task: SimTask): void {
    this.#call(life, `hold ${task.id}`, async () => {
      task.unsure = true;
      await life.agent.hold(task.id, task.caller);
      task.unsure = false;
      if (life.process.dead) return;
      // As the server does it: a task that is ending is watched, not held (server/event-routes.ts).
      const view = life.agent.list(task.caller).find(({ task: id }) => id === task.id);
      const holds = view !== undefined && view.state !== 'stopping' && view.state !== 'closed';
      if (holds) task.connection = { open: true, closedAt: 0, deliberate: false };
      else if (task.connection !== null)
        task.connection = { open: false, closedAt: this.#world.at, deliberate: false };
    });
  }

  #call(life: Life, what: string, run: () => Promise<unknown>): void {
    run().then(
      (answer) => {
        if (!life.process.dead) this.#world.judge.seen(what, answer);
      },
      (error: unknown) => this.#refused(life, what, error),
    );
  }

  #refused(life: Life, what: string, error: unknown): void {
    if (life.process.dead) return;
    if (!(error instanceof Problem) || error.code === 'INTERNAL') {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.stack : '';
      this.#world.blame(`${what} failed: ${error instanceof Error ? error.stack : String(error)} ${cause}`);
      return;
    }
    this.#world.say(`${what}: ${error.code} ${error.message}`);
    this.#world.judge.onProblem(error);
  }
}

const bindOf = ({ pid, connection }: SimTask): string =>
  pid !== null ? `pid ${pid}` : connection !== null ? 'connection' : 'unbound';
