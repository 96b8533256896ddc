// Owns the table of grants: which are open, which ids are spent, what each assertion was accepted for, and the receipts.
// Invariant: it says of every grant what its entries say, and changes in their transactions.

import type { DatabaseSync } from 'node:sqlite';
import type { Entry, Receipt } from '../../domain/fact.ts';
import type { GrantId, TaskId } from '../../domain/ids.ts';
import type { Tombstone } from '../../ports/journal.ts';
import { grantSum } from './database.ts';
import { checksum } from './row.ts';

export class GrantRows {
  readonly #accept;
  readonly #spend;
  readonly #close;
  readonly #noteUse;
  readonly #selectClosed;
  readonly #countLives;

  constructor(db: DatabaseSync) {
    this.#accept = db.prepare(
      `INSERT INTO grants (grant_id, task, open, spent, owner, digest, accepted_wall_ms, sum)
       VALUES (?, ?, 1, 0, ?, ?, ?, ?)`,
    );
    this.#spend = db.prepare(
      `UPDATE grants SET spent = 1, sum = ${grantSum({ spent: '1' })} WHERE grant_id = ?`,
    );
    this.#close = db.prepare(
      `UPDATE grants SET open = 0, receipt = ?1, closed_wall_ms = ?2,
         sum = ${grantSum({ open: '0', receipt: '?1', closed_wall_ms: '?2' })} WHERE grant_id = ?3`,
    );
    this.#noteUse = db.prepare(
      'INSERT OR REPLACE INTO assertion_uses (use, task, digest, grant_id, until_wall_ms, sum) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#selectClosed = db.prepare(`
      SELECT grant_id, spent, owner, digest, receipt FROM grants
      WHERE task = ? AND open = 0 ORDER BY closed_wall_ms DESC, rowid DESC LIMIT 1`);
    this.#countLives = db.prepare(
      "SELECT COALESCE(MAX(CAST(SUBSTR(grant_id, INSTR(grant_id, '#') + 1) AS INTEGER)), 0) AS n FROM grants WHERE task = ?",
    );
  }

  /** @param sealed the receipt as the ledger signed it, as a JWS */
  index({ grant, wallMs, fact }: Entry, sealed: string | undefined): void {
    if (fact.type === 'grant.accepted') {
      const owner = JSON.stringify(fact.owner);
      const sum = checksum(grant, fact.task, 1, 0, owner, fact.digest, null, null, wallMs);
      this.#accept.run(grant, fact.task, owner, fact.digest, wallMs, sum);
      if (fact.asserted == null) return;
      const { use, expires_at: expires } = fact.asserted;
      const record = [use, fact.task, fact.digest, grant, Date.parse(expires)] as const;
      this.#noteUse.run(...record, checksum(...record));
    } else if (fact.type === 'delivery.published') this.#spend.run(grant);
    else if (fact.type === 'grant.closed') {
      this.#close.run(sealed ?? JSON.stringify(fact.receipt), wallMs, grant);
    }
  }

  /** The newest closed grant of a task id. */
  tombstone(task: TaskId): Tombstone | null {
    const row = this.#selectClosed.get(task);
    if (row === undefined) return null;
    return {
      grant: row.grant_id as GrantId,
      receipt: receiptIn(row.receipt as string),
      owner: JSON.parse(row.owner as string),
      digest: row.digest as string,
      spent: row.spent === 1,
    };
  }

  lives(task: TaskId): number {
    return this.#countLives.get(task)!.n as number;
  }
}

/** @param text as JSON, or signed: then all of it is in the JWS and nowhere else */
export function receiptIn(text: string): Receipt {
  if (text.startsWith('{')) return JSON.parse(text) as Receipt;
  const payload = Buffer.from(text.split('.')[1]!, 'base64url').toString();
  return { ...(JSON.parse(payload) as Receipt), jws: text };
}
