// Owns the first and the last line of an export, which make of a part of a ledger something whole: from where to where it
// goes, which keys signed it, and a signature over both ends, so that nothing can be cut off.

import type { PublicKey } from '../domain/record.ts';

export interface Begin {
  readonly ledger: string;
  readonly from: number;
  /** The hash of the record before the first. */
  readonly prev: string;
  readonly keys: readonly PublicKey[];
  /** SHA-256 of the line. */
  readonly digest: string;
}

export interface ExportEnd {
  readonly ledger: string;
  readonly to: number;
  readonly hash: string;
  /** The digest of the first line. */
  readonly begin: string;
}

/** Null when the line is none. */
export function beginOf(text: string): Omit<Begin, 'digest'> | null {
  const said = parsed(text);
  if (said?.export !== 'begin' || said.v !== 1) return null;
  const { ledger, from, prev, keys } = said;
  const good =
    typeof ledger === 'string' && Number.isInteger(from) && typeof prev === 'string' && Array.isArray(keys);
  return good ? { ledger, from: from as number, prev, keys: keys as PublicKey[] } : null;
}

export function endOf(text: string): { readonly jws: string } | null {
  const said = parsed(text);
  return said?.export === 'end' && typeof said.jws === 'string' ? { jws: said.jws } : null;
}

export const beginLine = ({ ledger, from, prev, keys }: Omit<Begin, 'digest'>): string =>
  JSON.stringify({ export: 'begin', v: 1, ledger, from, prev, keys });

export const endLine = (jws: string): string => JSON.stringify({ export: 'end', jws });

function parsed(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
