// Owns which facts may be lost in a power cut. Invariant: none whose loss could let a task id be used twice, a
// promised deadline be forgotten, or a receipt vanish.

import type { Fact } from '../../domain/fact.ts';

/**
 * Facts that need no fsync of their own: the next one takes them along. They survive kill -9, which is what
 * leaves tokens and leases behind that somebody must end. After a power cut the session that all of them
 * hang under is gone with the host, and Vault revokes them within the leash; what must not be lost even
 * then, that an id is spent (delivery.published), a deadline that was moved and a receipt, is synced.
 */
const LIGHT: ReadonlySet<Fact['type']> = new Set([
  'grant.accepted',
  'generation.opened',
  'token.opened',
  'leases.issued',
  'leases.lost',
  'generation.retiring',
  'files.withdrawn',
  'workload.signalled',
  'grant.adopted',
  'grant.stopping',
  'leases.known',
]);

export const isLight = (fact: Fact): boolean => LIGHT.has(fact.type);
