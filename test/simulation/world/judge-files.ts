// Owns the judgement of the files: none of a task that is over, none whose credential is known to be dead.

import type { Shown } from './judge.ts';
import { overAt } from './judge-leaks.ts';
import type { World } from './world.ts';

/** A second, and what the disk takes. */
const SOON_MS = 1100;
/** A file that cannot be removed is tried again within this time. */
const RETRIED_MS = 16_000;

export function judgeFiles(world: World, shown: ReadonlyMap<string, Shown>): void {
  const { life, at } = world;
  if (life === null || !life.up || life.process.frozen) return;
  world.notices.look();
  const filesSince = world.calm.since(at, ['files']);
  const troubled = filesSince > 0 && at - filesSince < RETRIED_MS;
  for (const name of world.files.tasks()) {
    const grant = world.ledger.byTask.get(name);
    if (grant === undefined || grant.closedAt !== null) {
      if (!troubled && at - life.awakeSince > SOON_MS && at - (grant?.closedAt ?? 0) > 0) {
        world.blame(`files of ${name}, which is ${grant === undefined ? 'unknown' : 'closed'}`);
      }
      continue;
    }
    const over = overAt(world, grant, null);
    if (over !== null && !troubled && at - Math.max(over, life.awakeSince) > SOON_MS) {
      world.blame(`files of ${name} are there ${at - over} ms after its end`);
    }
    const current = shown.get(name);
    const generation = current === undefined ? undefined : grant.generations.get(current.n);
    if (generation === undefined || generation.publishedAt === null || troubled) continue;
    // As Vault granted it; an early end by somebody's hand is learned by and by.
    const ends = [...generation.leases.values()].map(({ id, endsAt: recorded }) => {
      const { leases, ended, tokens } = world.model;
      const gone = ended.get(id);
      const endsAt = world.judge.heard.get(id) ?? recorded;
      // Ended early by hand, or its end is another since a restore: that cannot be known yet.
      if (!tokens.has(generation.accessor ?? '') || world.restoredAt !== null) return endsAt;
      return leases.get(id)?.endsAt ?? (gone?.cause === 'expired' ? gone.at : endsAt);
    });
    ends.push(generation.tokenEndsAt);
    const session = world.model.ended.get(generation.session ?? '');
    if (session?.cause === 'expired' && world.restoredAt === null) ends.push(session.at + SOON_MS);
    const end = Math.min(...ends.filter((instant) => instant !== null));
    if (at - Math.max(end, life.awakeSince, generation.publishedAt) > SOON_MS) {
      world.blame(`files of ${name} generation ${generation.n} are shown ${at - end} ms after their lease`);
    }
  }
}
