// Owns the ledger of a simulated agent: the real chain, kept by a disk that survives crashes. Invariant: a record is there
// exactly when its fact is.

import { generateKeyPairSync } from 'node:crypto';
import { Chain } from '../../../src/adapters/ledger/chain.ts';
import { lineEnd } from '../../../src/adapters/ledger/segments.ts';
import { openSigner } from '../../../src/adapters/ledger/signer.ts';
import type { Entry } from '../../../src/domain/fact.ts';
import type { GrantId } from '../../../src/domain/ids.ts';
import type { Notice } from '../../../src/domain/record.ts';

/** One key for all worlds: to make one takes longer than to simulate a task. */
const SIGNER = openSigner(
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
);
export const SIM_KEYS = [SIGNER.key];

export class SimLedgerDisk {
  readonly lines: string[] = [];

  /** What is left when the records of the last `lost` facts are gone. */
  without(lost: number): readonly string[] {
    const ofGrants = this.lines.flatMap((line, i) => (line.includes('"grant":null') ? [] : [i]));
    return lost === 0 ? this.lines : this.lines.slice(0, ofGrants.at(-lost));
  }
}

export class SimLedger {
  readonly #disk: SimLedgerDisk;
  readonly #chain: Chain;

  constructor(disk: SimLedgerDisk, bootId: string) {
    this.#disk = disk;
    const hmacKey = new Uint8Array(32);
    const now = () => ({ at: 0, wallMs: 0 });
    this.#chain = new Chain({ id: 'sim', bootId, hmacKey, signer: () => SIGNER, headEvery: 64, now });
    const last = disk.lines.at(-1);
    if (last === undefined) {
      const body = { type: 'ledger.opened', fact: { ledger: 'sim', key: SIGNER.key } } as const;
      this.write([], [{ ...now(), body }]);
    } else {
      this.#chain.end = lineEnd(last)!;
      this.#chain.signed = this.#chain.end.seq - 1;
    }
  }

  remember(entries: readonly Entry[]): void {
    for (const entry of entries) this.#chain.remember(entry);
  }

  write(entries: readonly Entry[], notices: readonly Notice[]): ReadonlyMap<GrantId, string> {
    const draft = this.#chain.draft(entries, notices, false);
    this.#disk.lines.push(...draft.lines.split('\n').filter((line) => line !== ''));
    draft.keep();
    return draft.receipts;
  }
}
