// Owns the question of who can read a file: owner, group and mode for a reader, given what the agent may
// do. Invariant: never wider than the reader; when there is no way, a refusal that says why.

import { readFileSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import type { FileRule, Owner } from '../../domain/profile.ts';

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

/**
 * psql passes over a password file that more than its owner may read, without a word to whoever waits; ssh refuses such
 * a key where it is the reader's own (libpq, "The Password File"; ssh(1), FILES).
 * @throws Problem DELIVERY_FAILED when the file would be such a one
 */
export function checkReader(
  rule: FileRule,
  mode: number,
  reader: Owner,
  access: Access,
  powers: Powers,
): void {
  if ((mode & 0o077) === 0) return;
  const isReaders = (access.uid === -1 ? powers.uid : access.uid) === reader.uid;
  const isKey = rule.format === 'ssh-key' && rule.part !== 'certificate' && isReaders;
  if (rule.format !== 'pgpass' && !isKey) return;
  const by = isKey ? 'ssh refuses a key' : 'psql passes over a password file';
  throw new Problem(
    'DELIVERY_FAILED',
    `${rule.name} would have the mode 0${mode.toString(8)}: ${by} that others than its owner may read`,
    { hint: 'leave mode out, and give the agent CAP_CHOWN or run it as the uid that reads the file' },
  );
}
