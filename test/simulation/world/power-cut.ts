// Owns a host that loses its power: every process, the tmpfs and the boot are gone, and of the journal what was
// not synced. Invariant: what is lost is a tail of whole appends, none older than the last synced fact.

import { isLight } from '../../../src/adapters/journal/light.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import type { Draw } from './draw.ts';
import { SimFiles } from './sim-files.ts';
import { SimDisk } from './sim-journal.ts';
import { SimSessionStore } from './sim-session-store.ts';
import type { World } from './world.ts';

export function cutPower(world: World, draw: Draw): void {
  const { disk } = world;
  world.life?.process.kill();
  for (const task of world.tasks.values()) {
    if (task.pid === null || task.pidEndedAt !== null) continue;
    task.pidEndedAt = world.at;
    world.liveness.kill(task.pid);
  }
  const facts = disk.lines.map(({ fact }) => JSON.parse(fact) as Fact);
  const synced = facts.findLastIndex((fact) => !isLight(fact));
  const kept = draw.int(synced + 1, facts.length);
  if (kept < facts.length) {
    world.disk = shortened(disk, kept);
    world.ledger = world.ledger.without(facts.length - kept);
  }
  world.powerCutAt = world.at;
  world.boots += 1;
  world.bootOffset = world.at - 1000;
  world.files = new SimFiles();
  world.sessionStore = new SimSessionStore();
  world.judge.shown.clear();
  world.calm.touch('away', world.at);
  world.say(`power cut, ${facts.length - kept} facts lost`);
}

/** The same disk without its last lines. */
function shortened(disk: SimDisk, kept: number): SimDisk {
  const next = new SimDisk();
  next.lines = disk.lines.slice(0, kept);
  const grants = new Set(next.lines.map(({ grant }) => grant));
  const spent = new Set(
    next.lines.filter(({ fact }) => fact.includes('"delivery.published"')).map(({ grant }) => grant),
  );
  next.lives = disk.lives
    .filter(({ grant }) => grants.has(grant))
    .map((life) => ({ ...life, spent: spent.has(life.grant) }));
  for (const [use, each] of disk.uses) if (grants.has(each.grant)) next.uses.set(use, each);
  for (const [accessor, end] of disk.sessions) next.sessions.set(accessor, end);
  // One record a fact, and the facts that compaction has dropped are on record for ever.
  const lost = disk.lines.length - kept;
  next.told.push(...disk.told.slice(0, disk.told.length - lost));
  next.ledger.lines.push(...disk.ledger.without(lost));
  return next;
}
