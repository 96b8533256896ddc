// Owns a disk with one journal on it. Invariant: what append() resolved for is there after a crash, a failed
// append left nothing, and entries went through JSON, as on a real disk.

import type { Entry, Fact, Receipt } from '../../../src/domain/fact.ts';
import type { GrantId, TaskId } from '../../../src/domain/ids.ts';
import type { Moment } from '../../../src/domain/instant.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Owner } from '../../../src/domain/profile.ts';
import type { Journal, Tombstone } from '../../../src/ports/journal.ts';

interface Line {
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
  spent: boolean;
  closed: { readonly receipt: Receipt; readonly wallMs: number } | null;
}

/** What survives a crash. One may be opened again and again. */
export class SimDisk {
  /** Full or read-only: nothing can be recorded. */
  broken = false;
  lines: Line[] = [];
  lives: Life[] = [];
  readonly sessions = new Map<string, number>();
}

export class SimJournal implements Journal {
  readonly #disk: SimDisk;
  readonly #boot: string;

  constructor(disk: SimDisk = new SimDisk(), boot = 'boot-1') {
    this.#disk = disk;
    this.#boot = boot;
  }

  async append(entries: readonly Entry[]): Promise<void> {
    const written = entries.map(
      ({ grant, at, wallMs, fact }): Line => ({
        boot: this.#boot,
        at,
        wallMs,
        grant,
        fact: JSON.stringify(fact),
      }),
    );
    await Promise.resolve();
    this.#mustWork();
    const taken = new Set(this.#disk.lives.map(({ grant }) => grant));
    for (const { grant, fact } of entries) {
      if (fact.type !== 'grant.accepted') continue;
      if (taken.has(grant)) throw unwritable(`${grant} is there already`);
      taken.add(grant);
    }
    this.#disk.lines.push(...written);
    for (const entry of entries) this.#index(entry);
  }

  #index({ grant, wallMs, fact }: Entry): void {
    const life = () => this.#disk.lives.find((candidate) => candidate.grant === grant)!;
    if (fact.type === 'grant.accepted') {
      const { task, owner, digest } = fact;
      this.#disk.lives.push({ grant, task, owner, digest, spent: false, closed: null });
    } else if (fact.type === 'delivery.published') life().spent = true;
    else if (fact.type === 'grant.closed') {
      life().closed = { receipt: JSON.parse(JSON.stringify(fact.receipt)) as Receipt, wallMs };
    }
  }

  openGrants(now: Moment): ReadonlyMap<GrantId, readonly Entry[]> {
    const open = new Set(this.#disk.lives.filter(({ closed }) => closed === null).map(({ grant }) => grant));
    const entries = this.#disk.lines
      .filter(({ grant }) => open.has(grant))
      .map(
        ({ boot, at, wallMs, grant, fact }): Entry => ({
          grant,
          // Another boot's clock means nothing here: the wall clock carries its instants over.
          at: boot === this.#boot ? at : Math.round(wallMs - now.wallMs + now.at),
          wallMs,
          fact: JSON.parse(fact) as Fact,
        }),
      );
    return Map.groupBy(entries, ({ grant }) => grant);
  }

  tombstone(task: TaskId): Tombstone | null {
    const life = this.#disk.lives.findLast(
      (candidate) => candidate.task === task && candidate.closed !== null,
    );
    if (life === undefined) return null;
    const { grant, owner, digest, spent } = life;
    return { grant, receipt: life.closed!.receipt, owner, digest, spent };
  }

  lives(task: TaskId): number {
    const numbers = this.#disk.lives
      .filter((life) => life.task === task)
      .map(({ grant }) => Number(grant.slice(grant.lastIndexOf('#') + 1)));
    return Math.max(0, ...numbers);
  }

  forget(beforeWallMs: number): void {
    this.#mustWork();
    const old = new Set(
      this.#disk.lives
        .filter(({ closed }) => closed !== null && closed.wallMs < beforeWallMs)
        .map(({ grant }) => grant),
    );
    this.#disk.lives = this.#disk.lives.filter(({ grant }) => !old.has(grant));
    this.#disk.lines = this.#disk.lines.filter(({ grant }) => !old.has(grant));
  }

  noteSession(accessor: string, endsAtWallMs: number): void {
    this.#mustWork();
    this.#disk.sessions.set(accessor, Math.round(endsAtWallMs));
  }

  sessionEndsAt(): number | null {
    const ends = [...this.#disk.sessions.values()];
    return ends.length === 0 ? null : Math.max(...ends);
  }

  #mustWork(): void {
    if (this.#disk.broken) throw unwritable('disk I/O error');
  }
}

const unwritable = (why: string): Problem =>
  new Problem('JOURNAL_UNWRITABLE', `the journal cannot be used: ${why}`, { hint: 'check the disk' });
