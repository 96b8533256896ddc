// Owns the judgement of what lives at Vault: no credential and no token outlives its task: 2 s when all is well,
// 30 s after all is well again, never its hard deadline.

import { certificateOf } from '../../../src/domain/certificate.ts';
import type { LedgerGeneration, LedgerGrant } from './ledger.ts';
import type { SimTask } from './tasks.ts';
import type { World } from './world.ts';

const WELL_MS = 2000;
const AGAIN_WELL_MS = 30_000;
/** Calm for this long means that nothing is waiting for its next attempt any more. */
const SETTLED_MS = 45_000;
/** How long the next agent waits for a connection to come back. */
const RECONNECT_MS = 10_000;
/** Vault counts whole seconds. */
const GRANULARITY_MS = 2000;

export function judgeLeaks(world: World): void {
  const { model, at } = world;
  const calmSince = world.calm.since(at);
  for (const [id, credential] of model.credentials) {
    if (credential.lasting) continue;
    const owner = world.ledger.byAccessor.get(credential.accessor);
    if (owner === undefined) {
      // Only a power cut takes the record away; then it ends with the session, within the leash.
      // A certificate without a lease then lives to its own end.
      const known = model.leases.has(id) && !world.forgotten(id);
      if (calmSince + world.weather.leashMs + AGAIN_WELL_MS < at && known) {
        world.blame(`${id} of ${credential.task} belongs to no task on record`);
      }
      continue;
    }
    if (world.forgotten(id) || owner.grant.abandoned) continue;
    // Revoked, and brought back by a snapshot from before: it ends with the session above it.
    if (world.revived.has(credential.accessor)) continue;
    // A lease that nobody heard of, its token gone: Vault's own attempts are all there is.
    if (!owner.generation.leases.has(id) && !model.tokens.has(credential.accessor)) continue;
    const over = overAt(world, owner.grant, owner.generation);
    if (over !== null && late(over, calmSince, at)) {
      world.blame(
        `${id} of ${owner.grant.id} generation ${owner.generation.n} lives ${at - over} ms after its end`,
      );
    }
    judgeHardEnd(world, owner.grant, id, credential.accessor);
  }
  for (const token of model.tokens.values()) {
    if (token.meta.task === undefined || world.revived.has(token.accessor)) continue;
    const owner = world.ledger.byAccessor.get(token.accessor);
    if (owner === undefined) judgeUnrecorded(world, token.accessor);
    if (owner === undefined || owner.grant.abandoned) continue;
    const over = overAt(world, owner.grant, owner.generation);
    if (over !== null && late(over, calmSince, at)) {
      world.blame(`the token of ${owner.grant.id} generation ${owner.generation.n} lives ${at - over} ms on`);
    }
  }
}

/** Whoever is told of a token puts it on record, wanted or not: nobody else could end it. */
function judgeUnrecorded(world: World, accessor: string): void {
  const told = world.judge.told.get(accessor);
  if (told === undefined || told.life.process.dead || told.life.process.frozen) return;
  const since = Math.max(told.at, told.life.awakeSince, world.calm.since(world.at, ['journal']));
  if (world.at - since > WELL_MS) world.blame(`${accessor} was answered and is not on record`);
}

function late(over: number, calmSince: number, at: number): boolean {
  if (calmSince + SETTLED_MS <= over) return at - over > WELL_MS;
  return at - Math.max(over, calmSince) > AGAIN_WELL_MS;
}

/** Vault ends it at the latest deadline, whatever became of the agent. */
function judgeHardEnd(world: World, grant: LedgerGrant, id: string, accessor: string): void {
  // No end of a token takes a certificate with it that has no lease.
  if (certificateOf(id) !== null) return;
  const token = world.model.tokens.get(accessor);
  const travelled = token === undefined ? 0 : token.createdAt - token.askedAt;
  const end = grant.latestDeadline + GRANULARITY_MS + travelled;
  if (world.at <= end || world.calm.since(world.at, ['vault']) >= end - travelled - GRANULARITY_MS - 30_000)
    return;
  if (world.revived.size > 0) return;
  // Its engine was down when Vault was to end it: from then on Vault's own patience counts, not the deadline.
  if ((world.model.leases.get(id)?.attempts ?? 0) > 0) return;
  world.blame(`${id} of ${grant.id} lives ${world.at - grant.latestDeadline} ms after its last deadline`);
}

/** Since when this generation should be on its way out; null while it may live. */
export function overAt(world: World, grant: LedgerGrant, generation: LedgerGeneration | null): number | null {
  const ends = [grant.stoppingAt, grant.deadline < world.at ? grant.deadline : null];
  const task = world.tasks.get(grant.task);
  if (task !== undefined && world.ledger.byTask.get(grant.task) === grant)
    ends.push(taskOver(world, task, grant.acceptedAt));
  if (generation?.retireAt != null && generation.retireAt <= world.at) ends.push(generation.retireAt);
  // A start that was under way when its agent died is undone by the next one.
  if (grant.activeAt === null && world.life !== null && grant.life < world.life.n) {
    ends.push(world.life.up ? world.life.awakeSince : null);
  }
  const parent = grant.parent === null ? undefined : world.ledger.byTask.get(grant.parent);
  if (parent !== undefined) ends.push(overAt(world, parent, null));
  return ends.reduce((min, end) => (end !== null && (min === null || end < min) ? end : min), null);
}

/** The callers' own reasons for an end; null while there is none. */
export function taskOver(world: World, task: SimTask, acceptedAt: number): number | null {
  const { connection } = task;
  // Who reconnects in time keeps the task; a connection that its holder closed is over at once.
  const cut = connection !== null && !connection.open && connection.deliberate ? connection.closedAt : null;
  const { life } = world;
  // Whoever does not come back to the next agent in time has lost the task.
  const lost = connection !== null && !connection.open && connection.closedAt <= (life?.upSince ?? 0);
  const away = lost && !task.unsure && life?.up === true && task.started;
  const lostAt = away ? Math.max(connection.closedAt, life.upSince) + RECONNECT_MS : null;
  if (lostAt !== null && lostAt <= world.at) return lostAt;
  const ends = [task.stoppedAt, task.pidEndedAt, task.revokedAt, task.deniedAt, cut].filter(
    // What ended an earlier life of the id says nothing of this one.
    (end) => end !== null && end >= acceptedAt,
  ) as number[];
  return ends.length === 0 ? null : Math.max(Math.min(...ends), world.life?.startedAt ?? 0);
}
