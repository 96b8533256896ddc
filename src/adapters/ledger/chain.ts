// Owns the chain: which line follows which. Invariant: a line's hash is over its own text, which holds the hash of the
// line before it; so a line cannot be changed, left out, put in or moved without a wrong hash. A chain goes on from a draft
// only when that is durable.

import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import type { Entry } from '../../domain/fact.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import type { Hmac, LedgerBody, Notice, SealedReceipt } from '../../domain/record.ts';
import { type GrantMemory, memoryOf, recordOf, remember, type Unsealed } from '../../domain/record-of.ts';
import type { Draft } from '../../ports/ledger.ts';
import type { Signer } from './signer.ts';

/** The hash before the first record. */
export const NOTHING = '0'.repeat(64);

/** Where a chain stands. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

export interface ChainOptions {
  /** The ledger's own id. */
  readonly id: string;
  readonly bootId: string;
  readonly hmacKey: Uint8Array;
  readonly signer: () => Signer;
  /** Signed after so many records at the latest. */
  readonly headEvery: number;
  readonly now: () => Moment;
}

interface Remembered {
  readonly memory: GrantMemory;
  /** What every line of the grant says alike, as JSON without its braces. */
  readonly about: string;
}

const NO_GRANT =
  '"grant":null,"task":null,"profile":null,"profile_version":null,"event":null,"caller":null,"parent":null';

export class Chain {
  end: ChainEnd = { seq: 0, hash: NOTHING };
  /** Number of the record that was signed last. */
  signed = 0;
  readonly #options: ChainOptions;
  readonly #hmacKey: KeyObject;
  readonly #grants = new Map<GrantId, Remembered>();

  constructor(options: ChainOptions) {
    this.#options = options;
    // From bytes it would be made anew for every id.
    this.#hmacKey = createSecretKey(options.hmacKey);
  }

  /** Takes up a grant that an earlier agent left. */
  remember({ grant, fact }: Entry): void {
    const known =
      fact.type === 'grant.accepted' ? this.#begin(grant, memoryOf(fact)) : this.#grants.get(grant);
    if (known !== undefined) remember(known.memory, fact, this.hmac);
  }

  readonly hmac = (id: string): Hmac =>
    `hmac-sha256:${createHmac('sha256', this.#hmacKey).update(id).digest('hex')}`;

  /** @param sign whether the last of these is to be signed, whatever its number */
  draft(entries: readonly Entry[], notices: readonly Notice[], sign: boolean): Draft & { end: ChainEnd } {
    const first = this.end.seq + 1;
    const { headEvery } = this.#options;
    const lines: string[] = [];
    const receipts = new Map<GrantId, string>();
    const begun: GrantId[] = [];
    const closed: GrantId[] = [];
    let end = this.end;
    let { signed } = this;
    const add = (line: Line): void => {
      const seq = end.seq + 1;
      const text =
        `{"v":1,"seq":${seq},"prev":"${end.hash}","time":"${new Date(line.wallMs).toISOString()}",` +
        `"boot":"${this.#options.bootId}","boot_ms":${line.at},"type":"${line.type}",${line.about},"fact":${line.fact}`;
      end = { seq, hash: hash('sha256', text) };
      lines.push(`${text},"hash":"${end.hash}"}\n`);
    };
    const head = ({ at, wallMs }: Pick<Line, 'at' | 'wallMs'>): void => {
      const jws = this.#head(end, wallMs);
      add({ at, wallMs, type: 'head', about: NO_GRANT, fact: JSON.stringify({ jws }) });
      signed = end.seq;
    };
    let last: Pick<Line, 'at' | 'wallMs'> | null = null;
    const told = (line: Line): void => {
      add(line);
      last = line;
      if (end.seq - signed >= headEvery) head(line);
    };
    for (const { at, wallMs, about, body } of notices) {
      told({ at, wallMs, type: body.type, about: aboutNotice(about), fact: JSON.stringify(body.fact) });
    }
    for (const { grant, at, wallMs, fact } of entries) {
      if (fact.type === 'grant.accepted') {
        this.#begin(grant, memoryOf(fact));
        begun.push(grant);
      }
      const known = this.#grants.get(grant);
      // A grant whose beginning is not on record: the journal it was in is gone.
      if (known === undefined) continue;
      remember(known.memory, fact, this.hmac);
      const body = recordOf(known.memory, fact, this.hmac);
      const said = this.#sealed(body, grant, end, receipts);
      told({ at, wallMs, type: body.type, about: known.about, fact: said });
      if (fact.type === 'grant.closed') closed.push(grant);
    }
    if (sign && signed < end.seq) head(last ?? this.#options.now());
    return {
      lines: lines.join(''),
      first,
      last: end.seq,
      end,
      receipts,
      keep: () => {
        this.end = end;
        this.signed = signed;
        for (const grant of closed) this.#grants.delete(grant);
      },
      drop: () => {
        for (const grant of begun) this.#grants.delete(grant);
      },
    };
  }

  #begin(grant: GrantId, memory: GrantMemory): Remembered {
    const about = JSON.stringify({ grant, ...memory.about }).slice(1, -1);
    const known = { memory, about };
    this.#grants.set(grant, known);
    return known;
  }

  #head({ seq, hash: of }: ChainEnd, wallMs: number): string {
    const time = new Date(wallMs).toISOString();
    return this.#options.signer().sign('tasklease-head', { ledger: this.#options.id, seq, hash: of, time });
  }

  /** A receipt takes its place in the chain and is signed with it. */
  #sealed(body: Unsealed, grant: GrantId, before: ChainEnd, receipts: Map<GrantId, string>): string {
    if (body.type !== 'grant.closed') return JSON.stringify(body.fact);
    const { id, signer } = this.#options;
    const receipt: SealedReceipt = {
      ...body.fact.receipt,
      grant,
      ledger: { id, seq: before.seq + 1, prev: before.hash },
    };
    const jws = signer().sign('tasklease-receipt', receipt);
    receipts.set(grant, jws);
    return JSON.stringify({ ...body.fact, receipt, jws });
  }
}

interface Line {
  readonly at: number;
  readonly wallMs: number;
  readonly type: LedgerBody['type'] | Unsealed['type'];
  readonly about: string;
  readonly fact: string;
}

function aboutNotice(about: Notice['about']): string {
  if (about === undefined) return NO_GRANT;
  const { task, profile, event, caller, parent } = about;
  return JSON.stringify({ grant: null, task, profile, profile_version: null, event, caller, parent }).slice(
    1,
    -1,
  );
}
