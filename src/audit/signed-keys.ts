// Owns which keys a ledger may be signed with, and what their signatures say. Invariant: a key is good when it was named from
// outside, or by the first record, or by a key that was good; a signature counts for what its `typ` says and no more.

import type { LedgerRecord, PublicKey } from '../domain/record.ts';
import type { ExportEnd } from './frame.ts';

/** The payload of a compact JWS (EdDSA) with this `typ`; null when the signature is not by this key. */
export type VerifyJws = (jws: string, key: PublicKey, typ: string) => Promise<unknown>;

type Bad = { readonly why: string };

export class SignedKeys {
  readonly trustsOutside: boolean;
  ledger: string | null = null;
  heads = 0;
  /** Up to this record a signature vouches. */
  vouched = 0;
  readonly #verify: VerifyJws;
  readonly #keys = new Map<string, PublicKey>();
  readonly #used = new Set<string>();

  constructor(verify: VerifyJws, trusted?: readonly PublicKey[]) {
    this.#verify = verify;
    this.trustsOutside = trusted !== undefined;
    for (const key of trusted ?? []) this.#keys.set(key.kid, key);
  }

  get used(): string[] {
    return [...this.#used];
  }

  vouch(seq: number): void {
    this.vouched = Math.max(this.vouched, seq);
  }

  /** Keys that an export names; null, or why they are not to be believed. */
  named(keys: readonly PublicKey[]): string | null {
    if (!this.trustsOutside) {
      for (const key of keys) this.#keys.set(key.kid, key);
      return null;
    }
    const other = keys.find((key) => this.#keys.get(key.kid)?.x !== key.x);
    return other === undefined ? null : `${other.kid} is none of the keys that were given`;
  }

  /** A record that brings a key; null, or why it is not to be believed. */
  async introduced(record: LedgerRecord): Promise<string | null> {
    if (record.type === 'ledger.opened') {
      const { ledger, key } = record.fact;
      this.ledger ??= ledger;
      const known = this.#keys.get(key.kid);
      if (known === undefined && this.#keys.size > 0) return `${key.kid} is none of the keys that were given`;
      if (known !== undefined && known.x !== key.x) return `${key.kid} is another key than was given`;
      this.#keys.set(key.kid, key);
      return null;
    }
    if (record.type !== 'key.rotated') return null;
    const { key, signed } = record.fact;
    if (this.#keys.get(key.kid)?.x === key.x && this.trustsOutside) return null;
    if (signed === null) return `${key.kid} was not signed by the key before it, which was gone`;
    const payload = (await this.#open(signed, 'tasklease-key')) as Bad | { key?: PublicKey };
    if ('why' in payload) return payload.why;
    if (payload.key?.x !== key.x) return `the key before it signed another one than ${key.kid}`;
    this.#keys.set(key.kid, key);
    return null;
  }

  async head(jws: string): Promise<{ readonly seq: number; readonly hash: string } | Bad> {
    const payload = (await this.#open(jws, 'tasklease-head')) as
      | Bad
      | { seq: number; hash: string; ledger: string };
    if ('why' in payload) return payload;
    this.ledger ??= payload.ledger;
    if (payload.ledger !== this.ledger) return { why: 'it is of another ledger' };
    this.heads += 1;
    return payload;
  }

  async exported(jws: string): Promise<ExportEnd | Bad> {
    return (await this.#open(jws, 'tasklease-export')) as ExportEnd | Bad;
  }

  async #open(jws: string, typ: string): Promise<unknown> {
    const kid = kidOf(jws);
    const key = kid === null ? undefined : this.#keys.get(kid);
    if (key === undefined) {
      return {
        why: `it is by key ${kid ?? 'of no name'}, which is not known here (--keys FILE names the agent's)`,
      };
    }
    const payload = await this.#verify(jws, key, typ);
    if (payload === null) return { why: `key ${key.kid} did not make it` };
    this.#used.add(key.kid);
    return payload;
  }
}

/** Without believing it. */
function kidOf(jws: string): string | null {
  try {
    const header = JSON.parse(atob(jws.split('.')[0]!.replaceAll('-', '+').replaceAll('_', '/'))) as {
      kid?: unknown;
    };
    return typeof header.kid === 'string' ? header.kid : null;
  } catch {
    return null;
  }
}
