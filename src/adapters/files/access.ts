// Owns the question of who can read a file: owner, group and mode for a reader, given what the agent may
// do. Invariant: never wider than the reader; when there is no way, a refusal that says why.

import { readFileSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import type { Owner } from '../../domain/profile.ts';

/** What the agent's process may do about ownership. */
export interface Powers {
  readonly uid: number;
  readonly groups: ReadonlySet<number>;
  readonly mayChown: boolean;
}

export interface Access {
  /** -1 leaves it as it is (chown(2)). */
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
}

const CAP_CHOWN = 0n;

export function ownPowers(): Powers {
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return {
    uid: process.geteuid!(),
    groups: new Set([process.getegid!(), ...process.getgroups!()]),
    mayChown: ((BigInt(`0x${effective}`) >> CAP_CHOWN) & 1n) === 1n,
  };
}

/**
 * Ownership that lets `reader`, and nobody else where that can be had, read a file.
 * @throws Problem DELIVERY_FAILED when neither ownership nor a shared group can do it
 */
export function accessFor(reader: Owner, readerGroups: readonly number[], powers: Powers): Access {
  if (powers.mayChown) return { uid: reader.uid, gid: reader.gid, fileMode: 0o400 };
  const shared = [reader.gid, ...readerGroups].find((gid) => powers.groups.has(gid));
  // Root reads what it likes; the agent's own uid needs no group.
  if (reader.uid === powers.uid || reader.uid === 0) return { uid: -1, gid: shared ?? -1, fileMode: 0o400 };
  if (shared !== undefined) return { uid: -1, gid: shared, fileMode: 0o440 };
  throw new Problem(
    'DELIVERY_FAILED',
    `files for uid ${reader.uid} cannot be made readable: the agent (uid ${powers.uid}) may not chown and shares no group with it`,
    { hint: 'give both a common group, or the agent CAP_CHOWN, or run one agent per uid' },
  );
}
