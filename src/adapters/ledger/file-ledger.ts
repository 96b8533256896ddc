// Owns the ledger of an agent: records are chained here, kept by the journal in the transaction of their facts, and then
// written to the ledger's own files. Invariant: what is in the files was durable in the journal before, and the journal
// lets go of it only when the files are synced; so a crash at any moment loses nothing and tells nothing twice.

import type { Entry } from '../../domain/fact.ts';
import type { Moment } from '../../domain/instant.ts';
import type { LedgerBody, Notice } from '../../domain/record.ts';
import type { Draft, KeptLines, Ledger } from '../../ports/ledger.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { ahead } from './ahead.ts';
import { Chain, type ChainEnd } from './chain.ts';
import { type Copies, openCopies } from './copies.ts';
import { type LedgerKeys, openKeys } from './keys.ts';
import { mismatchOf } from './mismatch.ts';
import { overdue, type Retention, recordedAsRetired, retire } from './retention.ts';
import { lineEnd, SegmentWriter } from './segments.ts';

export interface LedgerOptions {
  /** 0700, the agent's own. */
  readonly dir: string;
  readonly bootId: string;
  /** Of this program. */
  readonly version: string;
  readonly now: () => Moment;
  readonly log: Telemetry['log'];
  /** Signed after so many records, and after so long, at the latest. */
  readonly headEvery: number;
  readonly headAfterMs: number;
  readonly keyAgeMs: number;
  readonly retention: Retention;
  readonly copies: Copies;
}

/** Written together, because a write costs as much for one line as for many. */
const WRITE_AFTER_MS = 25;
const SYNC_EVERY_MS = 1000;
const RETRY_MS = 1000;
const LOOK_AFTER_FILES_MS = 3_600_000;

/** @throws Error when its directory cannot be used */
export const openLedger = (options: LedgerOptions): Ledger => new FileLedger(options);

class FileLedger implements Ledger {
  onDue: () => void = () => {};
  readonly #options: LedgerOptions;
  readonly #chain: Chain;
  readonly #writer: SegmentWriter;
  readonly #copy: (lines: string) => void;
  #keys: LedgerKeys;
  /** What the ledger has to say of itself with the next draft, and what is to be done once that is on record. */
  readonly #due: { readonly notice: Notice; readonly after: (() => void) | undefined }[] = [];
  #unwritten: { readonly lines: string; readonly first: number; readonly end: ChainEnd }[] = [];
  #writing: NodeJS.Timeout | null = null;
  #signing: NodeJS.Timeout | null = null;
  #signNow = false;
  /** Files whose end is on record or about to be, by their first record; null before there was any. */
  #retired: Set<number> | null = null;
  /** Files that are being moved. */
  readonly #leaving = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  #closed = false;

  constructor(options: LedgerOptions) {
    const { dir, bootId, now, headEvery, keyAgeMs, log } = options;
    this.#options = options;
    this.#writer = new SegmentWriter(dir);
    this.#keys = openKeys(dir, keyAgeMs, now().wallMs);
    if (this.#keys.lost) {
      log('error', 'the key that signed the ledger is gone or another: a new one signs from now on', { dir });
    }
    this.#chain = new Chain({
      ...{ id: this.#keys.id, bootId, now, headEvery, hmacKey: this.#keys.hmacKey },
      signer: () => this.#keys.signer,
    });
    this.#copy = openCopies(options.copies, log);
  }

  get safe(): number {
    return this.#writer.safe;
  }

  resume(kept: readonly KeptLines[], open: Iterable<Entry>, unrecorded: readonly Entry[]): number {
    const onDisk = this.#writer.end;
    const missing = kept
      .flatMap(({ lines }) => lines.split('\n').filter((line) => line !== ''))
      .map((line) => ({ line, end: lineEnd(line) }))
      .filter(({ end }) => end !== null && end.seq > onDisk.seq) as { line: string; end: ChainEnd }[];
    const last = kept.length === 0 ? null : lineEnd(kept.at(-1)!.lines.trimEnd().split('\n').at(-1)!);
    const mismatch = mismatchOf(this.#writer.foreign, onDisk, missing, last);
    if (mismatch !== null) {
      this.#options.log('error', 'the ledger is not as it was written', { detail: mismatch });
      this.#writer.leave();
    }
    for (const { line, end } of missing) {
      this.#unwritten.push({ lines: `${line}\n`, first: end.seq, end });
    }
    this.#chain.end = missing.at(-1)?.end ?? onDisk;
    // Signed or not: the next head says it once more.
    if (this.#chain.end.seq > 0) this.#chain.signed = this.#chain.end.seq - 1;
    const { due } = this.#keys;
    if (due !== null) this.#say(due, () => this.#keys.recorded());
    if (mismatch !== null) this.#say({ type: 'ledger.mismatch', fact: { detail: mismatch } });
    this.#say({ type: 'agent.started', fact: { version: this.#options.version } });
    for (const entry of open) this.#chain.remember(entry);
    this.#write();
    this.#lookAfterFiles();
    this.#every(SYNC_EVERY_MS, () => this.#writer.sync((error) => this.#failed(error)));
    this.#every(LOOK_AFTER_FILES_MS, () => this.#lookAfterFiles());
    this.#signSoon();
    return ahead(this.#options.dir, last?.seq ?? 0, onDisk, unrecorded);
  }

  draft(entries: readonly Entry[], notices: readonly Notice[], end = false): Draft | null {
    const due = [...this.#due];
    const own = due.map(({ notice }) => notice);
    const sign = end || this.#signNow || this.#isLong();
    const nothing = entries.length + notices.length + own.length === 0;
    if (nothing && !(sign && this.#chain.signed < this.#chain.end.seq)) return null;
    const draft = this.#chain.draft(entries, [...own, ...notices], sign);
    if (draft.last < draft.first) return null;
    return {
      ...draft,
      keep: () => {
        draft.keep();
        this.#due.splice(0, due.length);
        this.#signNow = false;
        this.#unwritten.push({ lines: draft.lines, first: draft.first, end: draft.end });
        for (const { after } of due) after?.();
        if (this.#chain.signed === this.#chain.end.seq) this.#signedNow();
        else this.#signSoon();
        if (end) this.#write();
        else this.#writing ??= setTimeout(() => this.#write(), WRITE_AFTER_MS);
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const timer of [...this.#timers, this.#writing, this.#signing])
      if (timer !== null) clearTimeout(timer);
    this.#write();
    try {
      this.#writer.leave();
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  #write(): void {
    this.#writing = null;
    const batch = this.#unwritten;
    if (batch.length === 0) return;
    try {
      if (this.#mayLeave) this.#writer.leave();
      this.#mayLeave = false;
      const lines = batch.map((each) => each.lines).join('');
      this.#writer.write(lines, batch[0]!.first, batch.at(-1)!.end);
      this.#unwritten = [];
      this.#mayLeave = this.#isLong() && this.#chain.signed === this.#writer.end.seq;
      this.#copy(lines);
    } catch (error) {
      this.#failed(error as Error);
      if (!this.#closed) this.#writing = setTimeout(() => this.#write(), RETRY_MS);
      return;
    }
    if (this.#mayLeave) this.#lookAfterFiles();
  }

  /** The file that is written ends with a signed head and is long or old enough. */
  #mayLeave = false;

  #isLong(): boolean {
    const { segmentBytes, segmentMs } = this.#options.retention;
    const { size, openedAt } = this.#writer;
    return size >= segmentBytes || (size > 0 && Date.now() - openedAt >= segmentMs);
  }

  /** Old files go, once that is on record; an old key gives way. */
  #lookAfterFiles(): void {
    const { dir, retention, now, keyAgeMs, log } = this.#options;
    try {
      const old = overdue(dir, retention, this.#writer.path, now().wallMs);
      this.#retired ??= old.length > 0 ? recordedAsRetired(dir) : new Set();
      for (const { path, ...said } of old) {
        if (this.#retired.has(said.from)) {
          // The one that is due goes when it is on record.
          if (!this.#isDue(said.from)) void this.#retire(path);
          continue;
        }
        this.#retired.add(said.from);
        this.#say({ type: 'segment.retired', fact: said }, () => void this.#retire(path));
      }
      if (now().wallMs - this.#keys.since >= keyAgeMs) this.#rotateKey();
    } catch (error) {
      log('error', 'old files of the ledger stay', { reason: (error as Error).message });
    }
    if (this.#due.length > 0) this.#signSoon(0);
  }

  /** The new key is on record before anything is signed with it. */
  #rotateKey(): void {
    const keys = openKeys(this.#options.dir, this.#options.keyAgeMs, this.#options.now().wallMs);
    this.#keys = keys;
    if (keys.due !== null) this.#due.unshift(this.#notice(keys.due, () => keys.recorded()));
  }

  /** Said at its own time, with the next draft. */
  #say(body: LedgerBody, after?: () => void): void {
    this.#due.push(this.#notice(body, after));
  }

  #notice(body: LedgerBody, after?: () => void) {
    return { notice: { ...this.#options.now(), body }, after };
  }

  #isDue(from: number): boolean {
    return this.#due.some(
      ({ notice: { body } }) => body.type === 'segment.retired' && body.fact.from === from,
    );
  }

  async #retire(path: string): Promise<void> {
    if (this.#leaving.has(path)) return;
    this.#leaving.add(path);
    const { log, retention } = this.#options;
    try {
      await retire(path, retention.archive);
    } catch (error) {
      log('error', 'an old file of the ledger stays', { path, reason: (error as Error).message });
    }
    this.#leaving.delete(path);
  }

  #signSoon(ms = this.#options.headAfterMs): void {
    if (this.#signing !== null && ms > 0) return;
    if (this.#signing !== null) clearTimeout(this.#signing);
    this.#signing = setTimeout(() => {
      this.#signing = null;
      this.#signNow = true;
      this.onDue();
    }, ms);
    this.#signing.unref();
  }

  #signedNow(): void {
    if (this.#signing !== null) clearTimeout(this.#signing);
    this.#signing = null;
    if (this.#due.length > 0) this.#signSoon(0);
  }

  #every(ms: number, run: () => void): void {
    this.#timers.push(setInterval(run, ms).unref());
  }

  #failed(error: Error): void {
    this.#options.log('error', 'the files of the ledger cannot be written; the journal keeps the records', {
      reason: error.message,
    });
  }
}
