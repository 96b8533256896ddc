// Owns the run of one seed: trouble, then quiet, then rest. Invariant: the same seed gives the same trace, and
// nothing of one seed is left for the next.

import { certificateOf } from '../../src/domain/certificate.ts';
import { Approvers } from './world/approvers.ts';
import { Happenings } from './world/happenings.ts';
import { judgeRecord } from './world/judge-record.ts';
import { ADMIN } from './world/tasks.ts';
import type { Happening, Weather } from './world/weather.ts';
import { World } from './world/world.ts';

export interface SeedResult {
  readonly seed: number;
  /** Null when nothing was wrong. */
  readonly wrong: string | null;
  readonly hash: string;
  readonly trace: readonly string[];
  readonly counts: { readonly tasks: number; readonly lives: number; readonly facts: number };
  readonly weather: Weather;
}

/** To read a whole ledger takes as long as to live it: the records of one seed in so many are judged. */
const JUDGED = 8;
const SETTLE_MS = 100_000;
const REST_MS = 60_000;

export async function runSeed(seed: number, verbose = false): Promise<SeedResult> {
  const world = new World({ seed, verbose });
  await live(world);
  if (world.violations.length === 0 && seed % JUDGED === 0) await judgeRecord(world);
  return {
    seed,
    wrong: world.violations[0] ?? null,
    hash: world.trace.hash,
    trace: world.trace.lines,
    counts: { tasks: world.tasks.size, lives: world.lives, facts: world.trace.count },
    weather: world.weather,
  };
}

async function live(world: World): Promise<void> {
  const { weather, draw } = world;
  const happenings = new Happenings(world);
  new Approvers(world, happenings.callers).begin();
  world.boot();
  keepAlive(world, happenings);
  if (!(await world.pass(100))) return;
  for (let i = 0; i < weather.count; i += 1) {
    happenings.happen(draw.weighted<Happening>(weather.happenings));
    if (!(await world.pass(draw.wait(weather.meanGapMs)))) return;
  }
  world.becomeQuiet();
  if (!(await world.until(() => world.up !== null, 30_000))) return world.blame('no agent comes up');
  if (!(await world.pass(SETTLE_MS))) return;
  if (!(await stillWorks(world, happenings))) return;
  await comeToRest(world, happenings);
}

/** A supervisor restarts the agent; workloads reconnect. */
export function keepAlive(world: World, { callers }: Happenings): void {
  const draw = world.draw.stream('supervisor');
  const watch = () => {
    if (world.life?.process.dead === true) {
      world.boot();
    } else if (world.up !== null && !world.quiet) {
      for (const task of world.tasks.values()) {
        const living = world.ledger.byTask.get(task.id)?.stoppingAt === null;
        const cut = living && task.started && task.connection !== null && !task.connection.open;
        if (cut && draw.chance(0.3)) callers.reconnect(task);
      }
    }
    world.clock.after(world.quiet ? 1000 : draw.wait(2000) + 20, watch);
  };
  world.clock.after(1000, watch);
}

/** A new task starts and its file is there. */
export async function stillWorks(world: World, { callers }: Happenings): Promise<boolean> {
  if (world.up?.draining === true) return true;
  const task = callers.invent();
  const { profile } = world.profiles.get(task.signal.profile)!.at(-1)!;
  if (profile === null || !profile.allow.uids.includes(task.caller.uid)) return true;
  if (world.terms.impossible(profile.secrets)) return true;
  callers.start(task);
  const { ledger } = world;
  if (await world.until(() => ledger.byTask.get(task.id)?.activeAt != null, 3000)) return true;
  world.blame(`${task.id} does not start although all is well`);
  return false;
}

export async function comeToRest(world: World, { callers }: Happenings): Promise<void> {
  const last = world.draw.pick(['stop', 'terminate'] as const);
  if (last === 'terminate') {
    const left = callers.terminate(false, 60_000);
    let answer = -1;
    void left.then((n) => {
      answer = n;
    });
    if (!(await world.until(() => answer >= 0, REST_MS)) || answer > 0) {
      return world.blame(`the agent ends with ${answer} tasks left`);
    }
  } else {
    for (const { task } of world.up!.agent.list(ADMIN)) callers.stop(world.tasks.get(task)!, 1000);
    if (!(await world.pass(REST_MS))) return;
    const left = world.up!.agent.list(ADMIN).map(({ task, state }) => `${task} ${state}`);
    if (left.length > 0) return world.blame(`not at rest: ${left.join(', ')}`);
  }
  for (const grant of world.ledger.grants.values()) {
    if (grant.closedAt === null && world.powerCutAt === null)
      world.blame(`${grant.id} is not closed on record`);
  }
  if (world.files.tasks().length > 0) world.blame(`files are left: ${world.files.tasks().join(', ')}`);
  // A lease that nobody heard of, its token gone while its engine was down: Vault's own attempts end it.
  const credentials = [...world.model.credentials]
    .filter(
      ([id, { accessor, lasting }]) =>
        !lasting && !world.forgotten(id) && !world.revived.has(accessor) && couldEnd(world, id, accessor),
    )
    .map(([id]) => id);
  if (credentials.length > 0 && world.powerCutAt === null) {
    world.blame(`credentials are left: ${credentials.join(', ')}`);
  }
}

/** Whether somebody could have ended it: a certificate whose revocation was given up hangs under nothing. */
const couldEnd = (world: World, id: string, accessor: string): boolean => {
  const { byLease, byAccessor } = world.ledger;
  if (certificateOf(id) !== null && byAccessor.get(accessor)?.grant.abandoned === true) return false;
  return byLease.has(id) || world.model.tokens.has(accessor);
};
