// Owns what an examination of a ledger comes to, in numbers and in sentences.

export type FaultKind = 'changed' | 'deleted' | 'inserted' | 'moved' | 'cut' | 'rewritten' | 'key';

export interface Fault {
  readonly kind: FaultKind;
  /** The first record that is not as it was written. */
  readonly record: number;
  /** Where it stands, or should stand. */
  readonly file: string;
  readonly line: number;
  readonly sentence: string;
}

export interface Verdict {
  readonly fault: Fault | null;
  readonly ledger: string | null;
  readonly records: number;
  readonly from: number;
  readonly to: number;
  /** Of the last record. */
  readonly hash: string;
  /** How many signed heads were found good, and up to which record they vouch. */
  readonly heads: number;
  readonly signed_to: number;
  /** Thumbprints (RFC 7638) of the keys that signed. */
  readonly keys: readonly string[];
  /** They were named from outside, and not by the file itself. */
  readonly keys_trusted: boolean;
  readonly notes: readonly string[];
}

export const fault = (
  kind: FaultKind,
  record: number,
  { file, line }: Pick<Fault, 'file' | 'line'>,
  sentence: string,
): Fault => ({ kind, record, file, line, sentence });
