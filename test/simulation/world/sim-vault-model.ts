// Owns what a Vault server holds: tokens in their tree, leases under them, the credentials that its engines
// made. Invariant: as in Vault, a token takes its children and leases with it; while sealed nothing ends;
// what an engine cannot take back stays a known lease.

import type { Clock } from '../../../src/ports/clock.ts';

/** What one path issues. */
export interface SimSecret {
  readonly engine: 'database' | 'pki' | 'kv';
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface SimToken {
  readonly accessor: string;
  readonly value: string;
  readonly parent: string | null;
  readonly policies: readonly string[];
  /** Set for a periodic token: what each renewal gives. */
  readonly periodMs: number | null;
  endsAt: number;
}

export interface SimLease {
  readonly id: string;
  readonly path: string;
  readonly accessor: string;
  readonly renewable: boolean;
  readonly maxEndsAt: number;
  endsAt: number;
}

export class SimVaultModel {
  sealed = false;
  /** Engines that cannot reach what they manage. */
  readonly down = new Set<SimSecret['engine']>();
  readonly tokens = new Map<string, SimToken>();
  readonly leases = new Map<string, SimLease>();
  /** What lives in the databases: lease id → path. Judges look here, not at the leases. */
  readonly credentials = new Map<string, string>();
  readonly secrets: Readonly<Record<string, SimSecret>>;
  readonly #clock: Clock;
  #count = 0;

  constructor(clock: Clock, secrets: Readonly<Record<string, SimSecret>>) {
    this.#clock = clock;
    this.secrets = secrets;
  }

  get now(): number {
    return this.#clock.now().at;
  }

  name(kind: string): string {
    this.#count += 1;
    return `${kind}-${this.#count}`;
  }

  /** Ends whatever is overdue; called before every look. A lease whose engine is down is tried again. */
  expire(): void {
    if (this.sealed) return;
    for (const token of [...this.tokens.values()]) {
      if (token.endsAt <= this.now) this.endToken(token.accessor);
    }
    for (const lease of [...this.leases.values()]) {
      if (lease.endsAt <= this.now) this.endLease(lease.id);
    }
  }

  addToken(token: Omit<SimToken, 'accessor' | 'value'>): SimToken {
    const made = { ...token, accessor: this.name('accessor'), value: this.name('hvs') };
    this.tokens.set(made.accessor, made);
    return made;
  }

  tokenOf(value: string): SimToken | undefined {
    return [...this.tokens.values()].find((token) => token.value === value);
  }

  /** Revokes a token: at once, its children with it; its leases are due at once, whenever the engine can. */
  endToken(accessor: string): void {
    if (!this.tokens.delete(accessor)) return;
    for (const token of [...this.tokens.values()]) {
      if (token.parent === accessor) this.endToken(token.accessor);
    }
    for (const lease of [...this.leases.values()]) {
      if (lease.accessor !== accessor) continue;
      lease.endsAt = Math.min(lease.endsAt, this.now);
      this.endLease(lease.id);
    }
  }

  issue(path: string, secret: SimSecret, token: SimToken): SimLease {
    const id = `${path}/${this.name('lease')}`;
    const lease = {
      id,
      path,
      accessor: token.accessor,
      renewable: secret.engine === 'database',
      endsAt: this.now + secret.ttlMs,
      maxEndsAt: this.now + secret.maxTtlMs,
    };
    this.leases.set(id, lease);
    this.credentials.set(id, path);
    return lease;
  }

  /** False when the engine could not: the lease stays. */
  endLease(id: string): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined) return true;
    if (this.down.has(this.secrets[lease.path]!.engine)) return false;
    this.leases.delete(id);
    this.credentials.delete(id);
    return true;
  }

  /** Restored from a snapshot that is older than these leases: Vault forgets, the database does not. */
  forgetLeases(): void {
    this.leases.clear();
  }
}
