// Owns a disk with one journal on it. Invariant: what append() resolved for is there after a crash, a failed
// append left nothing, and entries went through JSON and the real journal's compaction, as on a real disk.

import { Compaction } from '../../../src/adapters/journal/compaction.ts';
import { receiptIn } from '../../../src/adapters/journal/grant-rows.ts';
import type { Entry, Fact, Receipt } from '../../../src/domain/fact.ts';
import type { GrantId, TaskId } from '../../../src/domain/ids.ts';
import type { Instant, Moment } from '../../../src/domain/instant.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Owner } from '../../../src/domain/profile.ts';
import type { Notice } from '../../../src/domain/record.ts';
import type { AssertionUse, Journal, Tombstone } from '../../../src/ports/journal.ts';

import { SimLedger, SimLedgerDisk } from './sim-ledger.ts';

interface Line {
  readonly seq: number;
  readonly boot: string;
  readonly at: number;
  readonly wallMs: number;
  readonly grant: GrantId;
  readonly fact: string;
}

interface Life {
  readonly grant: GrantId;
  readonly task: TaskId;
  readonly owner: Owner;
  readonly digest: string;
  readonly acceptedWallMs: number;
  spent: boolean;
  closed: { readonly receipt: Receipt; readonly wallMs: number } | null;
}

/** What survives a crash. One may be opened again and again. */
export class SimDisk {
  /** Full or read-only: nothing can be recorded. */
  broken = false;
  /** What is wrong with the file, if anything: a journal opened then only gives what can still be read. */
  damaged: string | null = null;
  lines: Line[] = [];
  lives: Life[] = [];
  /** As an agent draws it when it makes its journal. */
  readonly agentId = crypto.randomUUID();
  uses = new Map<string, AssertionUse & { readonly grant: GrantId; readonly untilWallMs: number }>();
  readonly sessions = new Map<string, { boot: string; endsAt: Instant; wallMs: number }>();
  /** Entries written so far, those that compaction has dropped included. */
  written = 0;
  /** The same by grant and type, in order: what the ledger has to say. */
  readonly told: string[] = [];
  readonly ledger = new SimLedgerDisk();
}

export class SimJournal implements Journal {
  readonly damaged: Problem | null;
  readonly #disk: SimDisk;
  readonly #boot: string;
  readonly #compaction = new Compaction();
  readonly #ledger: SimLedger;
  readonly #notices: Notice[] = [];

  constructor(disk: SimDisk = new SimDisk(), boot = 'boot-1') {
    this.#disk = disk;
    this.#boot = boot;
    this.#ledger = new SimLedger(disk.ledger, boot);
    for (const entries of this.openGrants({ at: 0, wallMs: 0 }).values()) this.#ledger.remember(entries);
    this.damaged = disk.damaged === null ? null : unwritable(disk.damaged);
  }

  async append(entries: readonly Entry[]): Promise<void> {
    const written = entries.map((entry) => ({ ...entry, fact: JSON.stringify(entry.fact) }));
    await Promise.resolve();
    this.#mustWork();
    const taken = new Set(this.#disk.lives.map(({ grant }) => grant));
    for (const { grant, fact } of entries) {
      if (fact.type !== 'grant.accepted') continue;
      if (taken.has(grant)) throw unwritable(`${grant} is there already`);
      taken.add(grant);
    }
    const receipts = this.#ledger.write(entries, this.#notices.splice(0));
    for (const [n, entry] of entries.entries()) {
      this.#write(entry, written[n]!.fact);
      this.#index(entry, receipts.get(entry.grant));
    }
  }

  note(notice: Notice): void {
    this.#notices.push(notice);
  }

  #write(entry: Entry, fact: string): void {
    const disk = this.#disk;
    disk.written += 1;
    const { grant, at, wallMs } = entry;
    disk.told.push(`${grant} ${entry.fact.type}`);
    disk.lines.push({ seq: disk.written, boot: this.#boot, at, wallMs, grant, fact });
    for (const pointless of this.#compaction.add(disk.written, entry)) {
      const place = disk.lines.findLastIndex(({ seq }) => seq === pointless);
      if (place !== -1) disk.lines.splice(place, 1);
    }
  }

  #index({ grant, wallMs, fact }: Entry, sealed: string | undefined): void {
    const { lives } = this.#disk;
    if (fact.type === 'grant.accepted') {
      const { task, owner, digest } = fact;
      lives.push({ grant, task, owner, digest, acceptedWallMs: wallMs, spent: false, closed: null });
      if (fact.asserted === null) return;
      const { use, expires_at: expires } = fact.asserted;
      this.#disk.uses.set(use, { task, digest, grant, untilWallMs: Date.parse(expires) });
      return;
    }
    if (fact.type !== 'delivery.published' && fact.type !== 'grant.closed') return;
    const life = lives.find((candidate) => candidate.grant === grant);
    if (life === undefined) return;
    if (fact.type === 'delivery.published') life.spent = true;
    else life.closed = { receipt: receiptIn(sealed ?? JSON.stringify(fact.receipt)), wallMs };
  }

  openGrants(now: Moment): ReadonlyMap<GrantId, readonly Entry[]> {
    const open = new Set(this.#disk.lives.filter(({ closed }) => closed === null).map(({ grant }) => grant));
    const entries = this.#disk.lines
      .filter(({ grant }) => open.has(grant))
      .map(
        ({ boot, at, wallMs, grant, fact }): Entry => ({
          grant,
          // Another boot's clock means nothing here: the wall clock carries its instants over.
          at: boot === this.#boot ? at : Math.min(now.at, Math.round(wallMs - now.wallMs + now.at)),
          wallMs,
          fact: JSON.parse(fact) as Fact,
        }),
      );
    return Map.groupBy(entries, ({ grant }) => grant);
  }

  ofThisBoot(grant: GrantId): boolean {
    return this.#disk.lines.find((line) => line.grant === grant)?.boot === this.#boot;
  }

  tombstone(task: TaskId): Tombstone | null {
    if (this.damaged !== null) throw this.damaged;
    const life = this.#disk.lives.findLast(
      (candidate) => candidate.task === task && candidate.closed !== null,
    );
    if (life === undefined) return null;
    const { grant, owner, digest, spent } = life;
    return { grant, receipt: life.closed!.receipt, owner, digest, spent };
  }

  agentId(): string {
    return this.#disk.agentId;
  }

  assertionUse(use: string): AssertionUse | null {
    if (this.damaged !== null) throw this.damaged;
    return this.#disk.uses.get(use) ?? null;
  }

  lives(task: TaskId): number {
    if (this.damaged !== null) throw this.damaged;
    const numbers = this.#disk.lives
      .filter((life) => life.task === task)
      .map(({ grant }) => Number(grant.slice(grant.lastIndexOf('#') + 1)));
    return Math.max(0, ...numbers);
  }

  forget(beforeWallMs: number): void {
    if (this.damaged !== null) return;
    this.#mustWork();
    for (const [use, { untilWallMs }] of this.#disk.uses) {
      if (untilWallMs < beforeWallMs) this.#disk.uses.delete(use);
    }
    const kept = new Set([...this.#disk.uses.values()].map(({ grant }) => grant));
    const old = new Set(
      this.#disk.lives
        .filter(({ grant, closed }) => closed !== null && closed.wallMs < beforeWallMs && !kept.has(grant))
        .map(({ grant }) => grant),
    );
    this.#disk.lives = this.#disk.lives.filter(({ grant }) => !old.has(grant));
    this.#disk.lines = this.#disk.lines.filter(({ grant }) => !old.has(grant));
    for (const [accessor, { wallMs }] of this.#disk.sessions) {
      if (wallMs < beforeWallMs) this.#disk.sessions.delete(accessor);
    }
  }

  noteSession(accessor: string, endsAt: Instant, now: Moment): void {
    if (this.damaged === null) this.#mustWork();
    this.#disk.sessions.set(accessor, { boot: this.#boot, endsAt, wallMs: endsAt - now.at + now.wallMs });
  }

  startsSince(wallMs: number): number {
    return this.#disk.lives.filter(({ acceptedWallMs }) => acceptedWallMs >= wallMs).length;
  }

  sessionEndsAt(accessor: string, now: Moment): Instant | null {
    const noted = this.#disk.sessions.get(accessor);
    if (noted === undefined) return null;
    return noted.boot === this.#boot ? noted.endsAt : noted.wallMs - now.wallMs + now.at;
  }

  #mustWork(): void {
    if (this.damaged !== null) throw this.damaged;
    if (this.#disk.broken) throw unwritable('disk I/O error');
  }
}

const unwritable = (why: string): Problem =>
  new Problem('JOURNAL_UNWRITABLE', `the journal cannot be used: ${why}`, { hint: 'check the disk' });
