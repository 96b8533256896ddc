// Owns the examination of a ledger: lines in, a verdict out, in one pass. Invariant: the first record that is not as it
// was written is named; nothing is believed that is not hashed into the chain or signed.

import type { PublicKey } from '../domain/record.ts';
import { type Begin, beginOf, endOf } from './frame.ts';
import { type Link, linkOf, type PlacedLine, typeOf } from './line.ts';
import { misplaced, outOfChain, unsound } from './misplaced.ts';
import { isFrame } from './read.ts';
import { SignedKeys, type VerifyJws } from './signed-keys.ts';
import { type Fault, fault, type Verdict } from './verdict.ts';
import { Window } from './window.ts';

export interface Witness {
  /** Says where it is from, for people. */
  readonly name: string;
  readonly seq: number;
  readonly hash: string;
}

export interface VerifyOptions {
  /** In hexadecimal. */
  readonly sha256: (text: string) => string;
  readonly verifyJws: VerifyJws;
  /** The keys that it must have been signed with; absent: those that it names itself. */
  readonly trusted?: readonly PublicKey[];
  /** What is known from elsewhere of where the chain has been: copies of signed heads, the journal's newest record. */
  readonly witnesses?: readonly Witness[];
  /** It is all of a ledger, and not a part of it: what is missing at its beginning was retired on record, or taken away. */
  readonly complete?: boolean;
  /** What was archived is part of it: it cannot be missing because it was retired. */
  readonly withArchive?: boolean;
}

const NOTHING = '0'.repeat(64);

export async function verify(lines: AsyncIterable<PlacedLine>, options: VerifyOptions): Promise<Verdict> {
  return new Examination(options).run(new Window(lines));
}

class Examination {
  readonly #options: VerifyOptions;
  readonly #keys: SignedKeys;
  #begin: Begin | null = null;
  #ended = false;
  #from = 0;
  #firstPrev = NOTHING;
  #records = 0;
  /** The record before, and the one before that. */
  #last: { seq: number; hash: string; before: string; file: string; line: number } | null = null;
  #retired: { from: number; to: number; hash: string; archived: boolean }[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#keys = new SignedKeys(options.verifyJws, options.trusted);
  }

  async run(window: Window): Promise<Verdict> {
    for (let at = await window.next(); at !== null; at = await window.next()) {
      const fault = await this.#line(at, window);
      if (fault !== null) return this.#verdict(fault);
    }
    return this.#verdict(this.#atEnd());
  }

  get #expected(): number {
    return this.#last === null ? (this.#begin?.from ?? 1) : this.#last.seq + 1;
  }

  async #line(at: PlacedLine, window: Window): Promise<Fault | null> {
    if (isFrame(at.text) && this.#records === 0 && this.#begin === null) return this.#beginning(at);
    if (this.#ended)
      return fault('inserted', this.#expected, at, 'a line was put behind the end of the export');
    if (isFrame(at.text) && this.#begin !== null) return this.#ending(at);
    const link = linkOf(at.text, this.#options.sha256);
    const expected = this.#expected;
    const prev = this.#last?.hash ?? this.#begin?.prev ?? null;
    if (link === null || !link.sound) return unsound(at, expected, prev, window, this.#options.sha256);
    const place = this.#last === null && this.#begin === null ? link.seq : expected;
    if (link.seq !== place) {
      return misplaced(at, link, place, this.#last, window, this.#options.sha256);
    }
    if (prev !== null && link.prev !== prev)
      return outOfChain(at, link, this.#last, window, this.#options.sha256);
    if (this.#last === null) {
      this.#from = link.seq;
      this.#firstPrev = link.prev;
      if (link.seq === 1 && link.prev !== NOTHING) {
        return fault('changed', 1, at, 'record 1 was changed: nothing can come before it');
      }
    }
    return (await this.#content(at, link)) ?? this.#taken(at, link);
  }

  #taken(at: PlacedLine, { seq, hash }: Link): Fault | null {
    this.#last = { seq, hash, before: this.#last?.hash ?? this.#firstPrev, file: at.file, line: at.line };
    this.#records += 1;
    const { witnesses = [] } = this.#options;
    const other = witnesses.find((witness) => witness.seq === seq && witness.hash !== hash);
    if (other === undefined) return null;
    return this.#rewritten(at, seq, `${other.name} has another hash for record ${seq}`);
  }

  async #content(at: PlacedLine, { seq, prev }: Link): Promise<Fault | null> {
    switch (typeOf(at.text)) {
      case 'ledger.opened':
      case 'key.rotated': {
        const why = await this.#keys.introduced(JSON.parse(at.text));
        return why === null ? null : fault('key', seq, at, `record ${seq} brings another key: ${why}`);
      }
      case 'head': {
        const { jws } = (JSON.parse(at.text) as { fact: { jws: string } }).fact;
        const head = await this.#keys.head(jws);
        if ('why' in head)
          return fault('key', seq, at, `the signature in record ${seq} is not good: ${head.why}`);
        if (head.seq !== seq - 1 || head.hash !== prev) {
          return this.#rewritten(at, seq - 1, `the signed head in record ${seq} is of other records`);
        }
        this.#keys.vouch(seq - 1);
        return null;
      }
      case 'segment.retired':
        this.#retired.push(
          (JSON.parse(at.text) as { fact: { from: number; to: number; hash: string; archived: boolean } })
            .fact,
        );
    }
    return null;
  }

  #rewritten(at: PlacedLine, to: number, why: string): Fault {
    const first = Math.max(this.#from, this.#keys.vouched + 1);
    const which =
      first >= to
        ? `record ${to} was`
        : `records were changed, the first of them between ${first} and ${to}, and`;
    return fault('rewritten', Math.min(first, to), at, `${which} hashed anew: ${why}`);
  }

  async #beginning(at: PlacedLine): Promise<Fault | null> {
    const begin = beginOf(at.text);
    if (begin === null) return fault('changed', 1, at, 'the first line of the export was changed');
    this.#begin = { ...begin, digest: this.#options.sha256(at.text) };
    const why = this.#keys.named(begin.keys);
    return why === null ? null : fault('key', begin.from, at, `the export names another key: ${why}`);
  }

  async #ending(at: PlacedLine): Promise<Fault | null> {
    const end = endOf(at.text);
    const last = this.#expected - 1;
    const signed = end === null ? { why: 'it is no end of an export' } : await this.#keys.exported(end.jws);
    if ('why' in signed) {
      return fault(
        'changed',
        last,
        at,
        `the end of the export, after record ${last}, was changed: ${signed.why}`,
      );
    }
    if (signed.begin !== this.#begin!.digest) {
      return fault('changed', this.#begin!.from, at, 'the first line of the export was changed');
    }
    if (signed.to > last) {
      return fault('cut', last + 1, at, `${span(last + 1, signed.to)} cut off the end of the export`);
    }
    const hash = this.#last?.hash ?? this.#begin!.prev;
    if (signed.to < last || signed.hash !== hash) {
      return this.#rewritten(at, last, 'the signed end of the export is of other records');
    }
    this.#ended = true;
    this.#keys.vouch(last);
    return null;
  }

  #atEnd(): Fault | null {
    const last = this.#last;
    const at = { text: '', whole: true, file: last?.file ?? '', line: (last?.line ?? 0) + 1 };
    const expected = this.#expected;
    if (this.#begin !== null && !this.#ended) {
      return fault(
        'cut',
        expected,
        at,
        `the export is cut off before record ${expected}: its signed end is missing`,
      );
    }
    const { witnesses = [], complete = false } = this.#options;
    const ahead = witnesses.find(({ seq }) => seq >= expected);
    if (ahead !== undefined && this.#begin === null) {
      const what = `${span(expected, ahead.seq)} cut off: ${ahead.name} knows of record ${ahead.seq}`;
      return fault('cut', expected, at, what);
    }
    if (!complete || this.#from <= 1 || this.#retirement()) return null;
    const why = this.#options.withArchive
      ? 'they are not in the archive, and no record says that they were not to be kept'
      : 'no record says that they were retired';
    const what = `${span(1, this.#from - 1)} deleted: ${why}`;
    return fault('deleted', 1, { ...at, line: 1 }, what);
  }

  /** What is missing at the beginning was taken out by the agent itself, on record. */
  #retirement(): boolean {
    return this.#retired.some(
      ({ to, hash, archived }) =>
        to === this.#from - 1 && hash === this.#firstPrev && !(archived && this.#options.withArchive),
    );
  }

  #verdict(found: Fault | null): Verdict {
    const keys = this.#keys;
    const to = this.#last?.seq ?? 0;
    const notes = [
      ...(keys.trustsOutside || keys.used.length === 0
        ? []
        : [
            'the keys are those that it names itself: compare them with those of the agent (tasklease audit keys)',
          ]),
      ...(found === null && keys.vouched < to - 1
        ? [`the last ${to - keys.vouched} records are not signed yet`]
        : []),
      ...(found === null && this.#from > 1 && this.#retirement()
        ? [`records 1 to ${this.#from - 1} were retired on record`]
        : []),
    ];
    return {
      fault: found,
      ledger: keys.ledger ?? this.#begin?.ledger ?? null,
      records: this.#records,
      from: this.#from,
      to,
      hash: this.#last?.hash ?? NOTHING,
      heads: keys.heads,
      signed_to: keys.vouched,
      keys: keys.used,
      keys_trusted: keys.trustsOutside,
      notes,
    };
  }
}

const span = (from: number, to: number): string =>
  from === to ? `record ${from} was` : `records ${from} to ${to} were`;
