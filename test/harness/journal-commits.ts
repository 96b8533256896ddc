// Owns the count of the journal's transactions as its write-ahead log shows them: a frame that ends a transaction
// carries the size of the database (sqlite.org/fileformat2.html#walformat). Reading changes nothing.
import { readFileSync } from 'node:fs';

const HEADER = 32;
const FRAME_HEADER = 24;

/** Transactions in this log; `log` is another one after the log was begun anew, which starts the count anew. */
export const journalCommits = (journal: string): { log: string; commits: number } => {
  const bytes = readFileSync(`${journal}-wal`);
  const salt = bytes.subarray(16, 24);
  const frame = FRAME_HEADER + bytes.readUInt32BE(8);
  let commits = 0;
  for (let at = HEADER; at + frame <= bytes.length; at += frame) {
    if (!bytes.subarray(at + 8, at + 16).equals(salt)) break;
    if (bytes.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return { log: salt.toString('hex'), commits };
};
