// Owns what the report marks on its timeline beside the grants: rotations, and the times in which Vault did not answer.
// Invariant: taken from the records alone; an outage begins with the first failure that speaks of it and ends with the
// first answer after it.

/** What is read of a record (domain/record.ts). */
export interface MarkedRecord {
  readonly type: string;
  readonly time: string;
  readonly grant: string | null;
  readonly fact: object;
}

interface Said {
  readonly n?: number;
  readonly problem?: { readonly code: string } | null;
}

export interface Outage {
  readonly from: string;
  /** Null while nothing has been answered since. */
  to: string | null;
  /** The problem code that it began with. */
  readonly code: string;
  failures: number;
}

/** Failures that are about Vault being away, not about one request. */
const AWAY: ReadonlySet<string> = new Set(['VAULT_UNREACHABLE', 'VAULT_SEALED']);
/** Facts that only an answer of Vault brings. */
const ANSWERED: ReadonlySet<string> = new Set([
  ...['token.opened', 'leases.issued', 'leases.renewed', 'leases.known', 'generation.proved'],
]);

export class ReportMarks {
  readonly outages: Outage[] = [];
  /** Times of rotations by grant. */
  readonly rotations = new Map<string, string[]>();
  #open: Outage | null = null;

  add({ type, time, grant, fact }: MarkedRecord): void {
    const { n = 1, problem }: Said = fact;
    if (type === 'generation.opened' && n > 1 && grant !== null) {
      const times = this.rotations.get(grant);
      if (times === undefined) this.rotations.set(grant, [time]);
      else times.push(time);
    }
    if (ANSWERED.has(type) && this.#open !== null) {
      this.#open.to = time;
      this.#open = null;
    }
    const code = problem?.code;
    if (code === undefined || !AWAY.has(code)) return;
    if (this.#open === null) {
      this.#open = { from: time, to: null, code, failures: 0 };
      this.outages.push(this.#open);
    }
    this.#open.failures += 1;
  }
}
