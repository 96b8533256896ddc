// Owns how old the end of the ledger is, in numbers. Invariant: only what is durable counts; the ledger itself is left as
// it is.

import type { Instant } from '../domain/instant.ts';
import type { Clock } from '../ports/clock.ts';
import type { Draft, Ledger } from '../ports/ledger.ts';
import type { Samples } from '../ports/metrics.ts';

const HEAD = /"type":"head",.*"fact":\{"jws":"/;

export class WatchedLedger implements Ledger {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  #lastAt: Instant | null = null;
  /** Of the oldest record that no signed head covers. */
  #unsignedAt: Instant | null = null;

  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  samples(): Samples {
    const now = this.#clock.now().at;
    const age = (since: Instant | null) => (since === null ? 0 : Math.max(0, now - since) / 1000);
    return {
      ...(this.#lastAt === null ? {} : { tasklease_ledger_head_age_seconds: [{ value: age(this.#lastAt) }] }),
      tasklease_ledger_unsigned_age_seconds: [{ value: age(this.#unsignedAt) }],
    };
  }

  draft(...asked: Parameters<Ledger['draft']>): Draft | null {
    const draft = this.#ledger.draft(...asked);
    if (draft === null) return null;
    const keep = () => {
      draft.keep();
      this.#kept(draft.lines);
    };
    const { lines, first, last, receipts } = draft;
    return { lines, first, last, receipts, keep, drop: () => draft.drop() };
  }

  resume(...asked: Parameters<Ledger['resume']>): number {
    return this.#ledger.resume(...asked);
  }

  get safe(): number {
    return this.#ledger.safe;
  }

  get onDue(): () => void {
    return this.#ledger.onDue;
  }

  set onDue(due: () => void) {
    this.#ledger.onDue = due;
  }

  close(): void {
    this.#ledger.close();
  }

  #kept(text: string): void {
    const lines = text.trimEnd().split('\n');
    const signed = lines.findLastIndex((line) => HEAD.test(line));
    this.#lastAt = this.#clock.now().at;
    if (signed >= 0) this.#unsignedAt = null;
    if (signed < lines.length - 1) this.#unsignedAt ??= this.#lastAt;
  }
}
