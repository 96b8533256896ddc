// Owns the judgement of approvals: nothing is leased before one, whoever asked gives none, each is used once, and
// nobody gets what no approver has seen.

import type { Ask } from '../../../src/domain/ask.ts';
import type { Entry } from '../../../src/domain/fact.ts';
import type { LedgerGrant } from './ledger.ts';
import { UID } from './scenery.ts';
import type { World } from './world.ts';

/** Facts of an approval, as they become durable. */
export function judgeApproval(world: World, grant: LedgerGrant, { fact }: Entry): void {
  const { approval, task } = grant;
  switch (fact.type) {
    case 'approval.given':
      if (fact.uid === UID) world.blame(`${task} is approved by whoever asked for it`);
      if (fact.uid !== null && approval!.approvers.length > 0 && !approval!.approvers.includes(fact.uid))
        world.blame(`${task} is approved by ${fact.uid}, who is no approver of it`);
      return;
    case 'grant.approved':
      if (approval!.times > 1) world.blame(`${task} is approved ${approval!.times} times over`);
      if (approval!.given.size < approval!.count)
        world.blame(`${task} starts with ${approval!.given.size} of ${approval!.count} approvals`);
      if (approval!.denied || grant.stoppingAt !== null) world.blame(`${task} starts although it was denied`);
      return;
    case 'generation.opened':
      if (approval?.approved === false) world.blame(`${task} starts before it is approved`);
      return;
    case 'approval.denied':
      return judgeDenial(world, grant, fact.uid);
    default:
  }
}

function judgeDenial(world: World, { task, approval }: LedgerGrant, uid: number | null): void {
  const asked = world.tasks.get(task);
  if (uid !== null ? asked?.denyTried === true : asked?.revokeTried === true) return;
  // Another boot has only the wall clock to go by, which may have been set.
  if (uid === null && (world.at >= approval!.approveBy || world.powerCutAt !== null)) return;
  world.blame(`${task} is denied, and nobody denied it`);
}

/** What Vault is asked for a task that needed an approval. */
export function judgeWithin(
  world: World,
  { task, approval }: LedgerGrant,
  asked: Ask | readonly string[],
): void {
  if (approval === null) return;
  if (!approval.approved) world.blame(`something is leased for ${task} before it is approved`);
  const unseen =
    'path' in asked
      ? approval.paths.includes(asked.path)
        ? []
        : [asked.path]
      : asked.filter((policy) => !approval.policies.includes(policy));
  if (unseen.length > 0) world.blame(`${task} gets ${unseen.join(', ')}, which nobody approved`);
}
