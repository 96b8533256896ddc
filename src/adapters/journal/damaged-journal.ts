// Owns the journal that is used when journal.db cannot be relied on. Invariant: the file is left as it is, nothing
// can start, and what can still be read of grants that may be open is there to be revoked.

import type { Entry } from '../../domain/fact.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import { Problem } from '../../domain/problem.ts';
import type { Journal } from '../../ports/journal.ts';
import { type EntryRow, entryOf } from './row.ts';
import { salvage } from './salvage.ts';

export function damagedProblem(path: string, cause: unknown): Problem {
  const said = cause instanceof Error ? cause.message : String(cause);
  const reason = said.replace(/\*\*\* in database main \*\*\*\s*/, '').replaceAll('\n', '; ');
  return new Problem('JOURNAL_UNWRITABLE', `the journal ${path} cannot be relied on: ${reason}`, {
    cause,
    hint:
      `no task is started until it is repaired; what could be read of running tasks is revoked. Stop the agent, ` +
      `make ${path} readable and writable (owner, free space), or put back a copy, or move ${path}* away: then every task id ` +
      'that was used may be used again',
  });
}

export function damagedJournal(path: string, bootId: string, damaged: Problem): Journal & { close(): void } {
  const refuse = (): never => {
    throw damaged;
  };
  const sessions = new Map<string, number>();
  return {
    damaged,
    append: async () => refuse(),
    note() {},
    openGrants(now) {
      const open = new Map<GrantId, readonly Entry[]>();
      for (const [grant, rows] of readable(path)) {
        open.set(
          grant as GrantId,
          rows.flatMap((row) => readOrNot(row, bootId, now)),
        );
      }
      return open;
    },
    ofThisBoot: () => false,
    tombstone: refuse,
    agentId: refuse,
    assertionUse: refuse,
    lives: refuse,
    forget() {},
    startsSince: () => 0,
    noteSession: (accessor, endsAt) => void sessions.set(accessor, endsAt),
    sessionEndsAt: (accessor) => sessions.get(accessor) ?? null,
    close() {},
  };
}

function readable(path: string): ReturnType<typeof salvage> {
  try {
    return salvage(path);
  } catch {
    // It cannot even be opened: the message of `damaged` says why.
    return new Map();
  }
}

/** A row of version 0, which had no checksums, may hold anything. */
function readOrNot(row: EntryRow, bootId: string, now: Moment): Entry[] {
  try {
    return [entryOf(row, bootId, now)];
  } catch {
    return [];
  }
}
