// Owns the judgement of every fact as it becomes durable: receipts are honest, ends have their reason, ids are
// spent once, at most two generations live.

import { certificateOf } from '../../../src/domain/certificate.ts';
import type { Entry } from '../../../src/domain/fact.ts';
import type { Plan } from '../../../src/domain/task-spec.ts';
import { judgeApproval } from './judge-approvals.ts';
import { taskOver } from './judge-leaks.ts';
import { judgeLasting, judgeReceipt } from './judge-terms.ts';
import { type LedgerGrant, scopeOf } from './ledger.ts';
import type { World } from './world.ts';

/** PostgreSQL logins are valid a little longer than their leases, and Vault counts whole seconds. */
const NATURAL_MS = 8000;
/** Clocks of issuer and agent may differ by this much. */
const SKEW_MS = 30_000;
/** A task ends with its last lease when that ends this close to its deadline. */
const LAST_MS = 2100;

export function judgeFacts(world: World, entry: Entry): void {
  const { grant: id, fact, at: decidedAt, wallMs: decidedWallMs } = entry;
  const grant = world.ledger.grants.get(id);
  if (grant === undefined) return world.blame(`${fact.type} of ${id} before it was accepted`);
  judgeApproval(world, grant, entry);
  judgeLasting(world, entry);
  switch (fact.type) {
    case 'grant.accepted':
      if (world.life?.drained === true) world.blame(`${grant.task} is accepted although the agent drains`);
      if (world.issuer.signsFor(grant.profile) && grant.use === null)
        world.blame(`${grant.task} is accepted without an assertion`);
      if (fact.asserted !== null && Date.parse(fact.asserted.expires_at) + SKEW_MS < decidedWallMs)
        world.blame(`${grant.task} is accepted with an assertion that has expired`);
      return judgeChild(world, grant, decidedAt + world.bootOffset);
    case 'leases.known':
      return judgeProofs(world, grant, fact.n, fact.gone);
    case 'generation.proved':
      return judgeProofs(world, grant, fact.n, fact.leases);
    case 'generation.opened': {
      const living = [...grant.generations.values()].filter(({ proved }) => !proved);
      judgeGrowth(world, grant, fact.n, fact.plan, decidedAt + world.bootOffset);
      if (living.length > 2) world.blame(`${living.length} generations of ${grant.task} live`);
      if (grant.stoppingAt !== null) world.blame(`a generation of ${grant.task} is opened after its stop`);
      return;
    }
    case 'delivery.published':
      if ((world.ledger.granted.get(grant.task)?.size ?? 0) > 1)
        world.blame(`${grant.task} is granted twice`);
      if (grant.use !== null && world.ledger.grantedFor.get(grant.use) !== grant.task)
        world.blame(`the assertion of ${grant.task} was granted for another task`);
      if (grant.stoppingAt !== null) world.blame(`${grant.task} becomes active after its stop is on record`);
      return judgeOrphan(world, grant);
    case 'deadline.moved':
      if (grant.deadline > grant.latestDeadline + 5) world.blame(`${grant.task} is extended past its max`);
      return;
    case 'grant.closed':
      judgeReceipt(world, grant, fact.receipt.leases);
      return judgeClosed(world, grant);
    case 'grant.stopping':
      return judgeReason(world, grant, fact.reason, fact.detail);
    case 'grant.refused':
      // A child whose parent is about to end may have no time to start.
      if (grant.deadline <= world.at || grant.approval?.denied === true) return;
      if (world.terms.impossible(grant.asks)) return;
      return judgeNeed(world, grant, `refused: ${fact.problem.detail}`);
    default:
  }
}

/** What a running task is given only ever becomes less, and does so with the next generation. */
function judgeGrowth(
  world: World,
  grant: LedgerGrant,
  n: number,
  plan: Plan | null,
  decidedAt: number,
): void {
  const before = grant.scope;
  const scope = plan === null ? before : new Set(scopeOf(plan));
  if (!scope.isSubsetOf(before))
    world.blame(`${grant.task} is given ${[...scope.difference(before)].join(', ')}, which it did not have`);
  grant.scope = scope;
  if (n === 1) return;
  const versions = world.versions(grant.profile, decidedAt - 200);
  // One that asks for less of Vault's promises gives something else, and is not taken.
  const asked = new Map(grant.asks.map(({ secret, require }) => [secret, require]));
  if (versions.some(({ secrets }) => secrets.some(({ name, require }) => asked.get(name) !== require)))
    return;
  const held = versions.map(
    ({ policies, secrets }) => new Set([...policies, ...secrets.map(({ path }) => path)]),
  );
  if (held.length === 0 || !held.every((given) => given.isSubsetOf(before))) return;
  const given = held.reduce((all, one) => all.union(one));
  if (!scope.isSubsetOf(given))
    world.blame(`${grant.task} is still given ${[...scope.difference(given)].join(', ')} in generation ${n}`);
}

/** Closed means that nothing is left but what the receipt calls unproved. */
function judgeClosed(world: World, grant: LedgerGrant): void {
  if (grant.abandoned) return;
  for (const [id, { accessor, validUntil, lasting }] of world.model.credentials) {
    const owner = world.ledger.byAccessor.get(accessor);
    if (lasting || owner?.grant !== grant || validUntil < world.at + NATURAL_MS || world.forgotten(id))
      continue;
    // Also one whose answer nobody lived to hear: its receipt says unproved.
    if ((owner.generation.leases.get(id)?.proof ?? 'unproved') === 'unproved') continue;
    world.blame(`${grant.task} is closed while ${id} lives`);
  }
}

/** A child is one of those that its parent's profile lists, and never lives longer. */
function judgeChild(world: World, grant: LedgerGrant, decidedAt: number): void {
  if (grant.parent === null) return;
  const parent = world.ledger.byTask.get(grant.parent);
  // While its start was on its way to the disk its parent may have stopped: then it is stopped too.
  if (parent === undefined || (parent.stoppingAt !== null && parent.stoppingAt < decidedAt)) {
    return world.blame(`${grant.task} is the child of ${grant.parent}, which does not live`);
  }
  const outlives = grant.deadline > parent.deadline + 5 || grant.latestDeadline > parent.latestDeadline + 5;
  if (outlives) world.blame(`${grant.task} may outlive its parent`);
  const allowed = world
    .versions(parent.profile, world.at)
    .some(({ children }) => (children as readonly string[]).includes(grant.profile));
  if (!allowed) world.blame(`${grant.parent} may have no child of profile ${grant.profile}`);
}

/** A child never becomes active after its parent's stop. */
function judgeOrphan(world: World, grant: LedgerGrant): void {
  const stoppedAt = grant.parent === null ? null : world.ledger.byTask.get(grant.parent)?.stoppingAt;
  if (stoppedAt != null && stoppedAt < world.at && grant.acceptedAt >= stoppedAt) {
    world.blame(`${grant.task} becomes active under ${grant.parent}, which does not live`);
  }
}

/** "revoked" only when it is gone; "unproved" only when nothing better can be known. */
function judgeProofs(
  world: World,
  grant: LedgerGrant,
  n: number,
  proofs: readonly { readonly id: string; readonly proof: string }[],
): void {
  for (const { id, proof } of proofs) {
    const credential = world.model.credentials.get(id);
    const ended = world.model.ended.get(id);
    const begun = Math.min(grant.stoppingAt ?? world.at, grant.generations.get(n)?.retireAt ?? world.at);
    if (
      proof === 'revoked' &&
      credential?.lasting === false &&
      credential.validUntil > world.at + NATURAL_MS
    ) {
      // Forgotten by Vault between the look and the revocation: that cannot be seen from outside.
      if (
        ended?.cause === 'forgotten' &&
        (ended.at >= begun - 1000 || (certificateOf(id) === null && parentForgotten(world, grant, n)))
      )
        continue;
      world.blame(`${id} is called revoked while it lives`);
    }
    if (
      proof === 'unproved' &&
      ended !== undefined &&
      world.restoredAt === null &&
      world.powerCutAt === null
    ) {
      // What was done and could not be heard or recorded cannot be known: a lost answer, a crash.
      const generation = grant.generations.get(n)!;
      const lease = generation.leases.get(id);
      const cutShort = (lease?.endsAt ?? 0) > ended.at + 2000;
      // Of a renewal that it slept through an agent cannot say when it took effect, nor so when that was over.
      const awakeSince = world.life?.awakeSince ?? 0;
      if (awakeSince > ended.at && (lease?.heardAt ?? 0) >= awakeSince) continue;
      const unheard =
        ended.cause === 'expired' || ended.cause === 'parent'
          ? cutShort && (orphan(world, grant) || world.calm.since(world.at, ['path']) > generation.openedAt)
          : orphan(world, grant) && world.calm.since(world.at, ['journal']) >= ended.at - 5000;
      if (!unheard && ['revoked', 'expired', 'parent'].includes(ended.cause)) {
        world.blame(`${id} is called unproved although it was ${ended.cause}`);
      }
    }
  }
}

/** Left by an earlier agent. */
const orphan = (world: World, grant: LedgerGrant): boolean => grant.life < (world.life?.n ?? 0);

/** With the session above it gone, a lease of the same restore looks like one that ended with its parent. */
function parentForgotten(world: World, grant: LedgerGrant, n: number): boolean {
  const { session, tokenEndsAt } = grant.generations.get(n)!;
  const over = (end: number | null | undefined): boolean => end != null && end <= world.at + 2000;
  if (over(tokenEndsAt) || session === null || world.model.ended.has(session)) return true;
  return over(world.model.tokens.get(session)?.endsAt);
}

function judgeReason(world: World, grant: LedgerGrant, reason: string, detail: string | null): void {
  const task = world.tasks.get(grant.task);
  const parent = grant.parent === null ? undefined : world.ledger.byTask.get(grant.parent);
  const above = grant.parent === null ? undefined : world.tasks.get(grant.parent);
  if (task === undefined || parent?.stoppingAt != null || above?.stopTried === true) return;
  // The parent's own end may come to the disk after its children's.
  if (parent !== undefined && above !== undefined && taskOver(world, above, parent.acceptedAt) !== null)
    return;
  const wrong = (why: string) => world.blame(`${grant.task} ends as ${reason} (${detail}): ${why}`);
  switch (reason) {
    case 'completed':
      if (!task.stopTried) wrong('nobody stopped it');
      return;
    case 'expired':
      // Another boot has only the wall clock to go by.
      if (world.at < grant.deadline - LAST_MS && world.powerCutAt === null)
        wrong(`${grant.deadline - world.at} ms before its deadline`);
      return;
    case 'lost':
      if (task.unsure) return;
      if (task.pidEndedAt === null && (task.connection === null || task.connection.open)) wrong('it is held');
      return;
    case 'revoked':
      if (!task.revokeTried) wrong('nobody asked for it');
      return;
    default:
      // Its profile asked for more than was approved by the time when the next agent came up.
      if (grant.approval !== null && task.revokeTried) return;
      if (taskOver(world, task, grant.acceptedAt) === null) judgeNeed(world, grant, `${reason}: ${detail}`);
  }
}

/** A task that is neither stopped nor over lives on when all is well. */
function judgeNeed(world: World, grant: LedgerGrant, why: string): void {
  const { at, weather } = world;
  // A start that was under way when its agent died is undone.
  if (grant.activeAt === null && world.life !== null && grant.life < world.life.n) return;
  // No agent heard of a session for long.
  if (at - Math.max(0, ...world.sessionsHeard.values()) > 0.7 * weather.leashMs) return;
  const inUse = [...grant.generations.values()].findLast(({ publishedAt }) => publishedAt !== null);
  const { life } = world;
  const gap = life === null ? 0 : life.startedAt - (life.heardBefore.get(inUse?.session ?? '') ?? 0);
  if (orphan(world, grant) && gap > 0.7 * weather.leashMs) return;
  // What was heard and not noted any more, the next agent cannot know.
  const noted = world.disk.sessions.get(inUse?.session ?? '');
  if (
    orphan(world, grant) &&
    noted !== undefined &&
    noted.endsAt + world.bootOffset <= (life?.startedAt ?? at)
  )
    return;
  // Another boot, or no profile any more, at a restart.
  const unprofiled = world.profiles.get(grant.profile)?.at(-1)?.profile === null;
  if (orphan(world, grant) && (world.powerCutAt !== null || unprofiled)) return;
  const since = world.calm.since(at, ['away', 'path', 'vault', 'admin', 'journal', 'files']);
  if (at - since > weather.leashMs + 90_000) world.blame(`${grant.task} is ended needlessly: ${why}`);
}
