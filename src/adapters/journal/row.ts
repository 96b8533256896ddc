// Owns how an entry is written down. Invariant: a row that was changed since, by one bit, is told from one that
// was not, because its checksum is over all of its columns.

import { crc32 } from 'node:zlib';
import type { Entry, Fact } from '../../domain/fact.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import { asWrittenNow } from './version-0.ts';

export interface EntryRow {
  readonly boot: string;
  readonly at: number;
  readonly wall_ms: number;
  readonly grant_id: string;
  readonly fact: string;
  /** Null where it was written before there were checksums. */
  readonly sum: number | null;
}

export const checksum = (...columns: readonly unknown[]): number => crc32(columns.join('\n'));

export function rowOf({ at, wallMs, grant, fact }: Entry, boot: string): EntryRow {
  const json = JSON.stringify(fact);
  const sum = checksum(boot, at, wallMs, grant, json);
  return { boot, at, wall_ms: wallMs, grant_id: grant, fact: json, sum };
}

export const isWhole = ({ boot, at, wall_ms, grant_id, fact, sum }: EntryRow): boolean =>
  sum === null || sum === checksum(boot, at, wall_ms, grant_id, fact);

/**
 * Instants of another boot are carried over by the wall clock as `now` shows it. That may have been set back since:
 * what was recorded is never younger than now.
 */
export function entryOf(row: EntryRow, bootId: string, now: Moment, fact = factOf(row)): Entry {
  const carried = Math.min(now.at, Math.round(row.wall_ms - now.wallMs + now.at));
  const at = row.boot === bootId ? row.at : carried;
  return { grant: row.grant_id as GrantId, at, wallMs: row.wall_ms, fact };
}

export function factOf({ fact: json, sum }: EntryRow): Fact {
  const fact = JSON.parse(json) as Fact;
  return sum === null ? asWrittenNow(fact) : fact;
}
