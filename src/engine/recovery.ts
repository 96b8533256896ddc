// Owns what an agent does with the tasks of the one before it, before anybody can call. Invariant: a task is taken
// over only when its process, deadline, profile and files are found in order; of any other the files are gone
// and its end is under way.

import type { Entry } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import { current, works } from '../domain/grant.ts';
import type { Verdict } from '../domain/grant-event.ts';
import { fold } from '../domain/grant-fold.ts';
import { Problem } from '../domain/problem.ts';
import { refit } from '../domain/refit.ts';
import type { Bindings } from './bindings.ts';
import type { GrantActor } from './grant-actor.ts';
import type { GrantBook } from './grant-book.ts';
import type { Ports } from './ports.ts';
import type { ProfileBook } from './profile-book.ts';
import { reloaded } from './reload.ts';
import type { VaultSession } from './vault-session.ts';

export interface RecoveryDeps {
  readonly ports: Ports;
  readonly book: GrantBook;
  readonly bindings: Bindings;
  readonly profiles: ProfileBook;
  readonly session: VaultSession;
}

/** Resolves when the files of every task that was not taken over are gone. */
export async function recover(deps: RecoveryDeps): Promise<void> {
  const { book, ports } = deps;
  const now = ports.clock.now();
  const retired: GrantActor[] = [];
  const kept = new Set<string>();
  for (const entries of ports.journal.openGrants(now).values()) {
    const grant = folded(entries, ports);
    if (grant === null || grant.state === 'closed') continue;
    const verdict = await judge(grant, kept, deps);
    const actor = book.add(grant);
    const waits = grant.state === 'pending_approval';
    if (!verdict.adopted) retired.push(actor);
    // What waits has no files to be kept.
    else if (!waits) kept.add(grant.task);
    actor.send({ type: 'recovered', verdict });
    if (verdict.adopted && waits) reloaded(deps.profiles.get(grant.profile), [actor], deps.ports);
  }
  // A parent that ended while its children were judged did not know them yet.
  for (const actor of book.actors()) book.endOrphan(actor);
  if (kept.size > 0)
    ports.telemetry.log('info', 'took tasks over from an earlier agent', { count: kept.size });
  if (retired.length > 0)
    ports.telemetry.log('info', 'ending tasks of an earlier agent', { count: retired.length });
  const strays = await ports.files.sweep(kept);
  if (strays.length > 0) {
    ports.telemetry.log('warn', 'removed files that an earlier agent left', { count: strays.length });
  }
  await Promise.all(retired.map((actor) => actor.untilErased()));
}

function folded(entries: readonly Entry[], { telemetry }: Ports): Grant | null {
  try {
    return fold(entries);
  } catch (error) {
    // Its token hangs under a session of an agent before this one, which ends once nothing known is under it.
    const reason = error instanceof Error ? error.message : String(error);
    telemetry.log('error', 'a grant in the journal is damaged', { grant: entries[0]?.grant, reason });
    return null;
  }
}

/** What a task that is taken over is told first, or why it is not. */
async function judge(
  grant: Grant,
  kept: ReadonlySet<string>,
  { ports, book, bindings, profiles, session }: RecoveryDeps,
): Promise<Verdict> {
  const { task, profile, parent, bind, bound, deadline } = grant;
  const inUse = current(grant);
  if (ports.journal.damaged !== null) return retire('the journal is damaged');
  const waits = grant.state === 'pending_approval';
  if (!waits && (!works(grant) || inUse === null)) {
    return retire('the agent was restarted while it started or stopped');
  }
  // Its deadline would be the wall clock's word, and its process is gone or another.
  if (!ports.journal.ofThisBoot(grant.id)) return retire('the machine was restarted');
  if (!waits && deadline <= ports.clock.now().at) return retire('its deadline passed while no agent ran');
  const sessionEndsAt = session.endOf(inUse?.session ?? '');
  if (sessionEndsAt !== null && sessionEndsAt <= ports.clock.now().at) {
    return retire('no agent ran for longer than the leash');
  }
  if (parent !== null && !kept.has(parent)) return retire(`its parent ${parent} is gone`);
  try {
    if (inUse === null) {
      if (grant.plan.login !== undefined)
        return retire('its assertion was in the memory of the earlier agent');
      // What its profile says by now is looked at next.
      profiles.get(profile);
      bindings.rebind(task, bind, bound, () => book.lost(task));
      const { plan, latestDeadline } = grant;
      return { adopted: true, plan, latestDeadline, version: null, held: true };
    }
    const news = refit(grant, profiles.get(profile), ports.clock.now());
    // One that waits for its next credential has an empty directory; one that was stopped, on record or not, none.
    const asTheyWere = grant.withdrawn
      ? await ports.files.withdraw(task)
      : await ports.files.restore(task, inUse.n, inUse.files);
    if (!asTheyWere) {
      return retire('its files are not as they were');
    }
    bindings.rebind(task, bind, bound, () => book.lost(task));
    return { adopted: true, ...news, held: inUse.session === null || session.holds(inUse.session) };
  } catch (error) {
    return retire(Problem.of(error).message);
  }
}

const retire = (why: string): Verdict => ({ adopted: false, why });
