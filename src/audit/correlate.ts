// Owns the comparison of the ledger with Vault's own audit log. Invariant: a difference is named with what it is about, in
// both directions; what cannot be compared is counted and never called equal.

import type { Hmac, LedgerRecord } from '../domain/record.ts';
import type { VaultAct } from './vault-log.ts';

export interface Difference {
  readonly where: 'vault' | 'ledger';
  readonly what: string;
  readonly task: string | null;
  readonly path: string | null;
  readonly lease: Hmac | null;
  readonly time: string;
}

export interface Correlation {
  readonly differences: readonly Difference[];
  /** What Vault did for an agent that died before it heard of it: the next one began soon after, and nobody has it. */
  readonly unheard: readonly Difference[];
  /** What both say. */
  readonly agree: {
    readonly tokens: number;
    readonly issued: number;
    readonly renewed: number;
    readonly revoked: number;
  };
  /** Revocations whose lease id Vault has hashed: ask sys/audit-hash to compare them. */
  readonly unresolved: number;
}

export interface CorrelateOptions {
  readonly hmac: (clear: string) => Hmac;
  /** What Vault's log has of a lease id that it hashed → in clear. */
  readonly resolved: ReadonlyMap<string, string>;
}

interface Known {
  readonly task: string | null;
  readonly path: string;
  readonly time: string;
  readonly event: string | null;
  renewals: number;
  renewedAt: string;
  revoked: string | null;
}

/** How long after its death the next agent may come. */
const SOON_MS = 3_600_000;

/** By lease on one side, and how many tokens by task. */
class Side {
  readonly leases = new Map<Hmac, Known>();
  readonly tokens = new Map<string, { count: number; time: string }>();
  readonly lost: { task: string | null; path: string }[] = [];

  token(task: string | null, time: string): void {
    const of = this.tokens.get(task ?? '') ?? { count: 0, time };
    of.count += 1;
    of.time = time;
    this.tokens.set(task ?? '', of);
  }
}

export class Correlator {
  readonly #options: CorrelateOptions;
  readonly #ledger = new Side();
  readonly #vault = new Side();
  readonly #strayRenewals: { id: Hmac; time: string }[] = [];
  /** When agents began. */
  readonly #starts: string[] = [];
  #unresolved = 0;
  #from = '9';
  #to = '';

  constructor(options: CorrelateOptions) {
    this.#options = options;
  }

  record(record: LedgerRecord): void {
    const { task, time, event } = record;
    switch (record.type) {
      case 'agent.started':
        this.#starts.push(time);
        return;
      case 'token.opened':
        return this.#ledger.token(task, time);
      case 'token.lost':
        this.#ledger.token(task, time);
        return;
      case 'leases.issued':
        for (const { lease, path } of record.fact.leases) {
          if (lease === null) continue;
          const said = event === null ? null : `${event.type}:${event.id}`;
          this.#ledger.leases.set(lease, {
            task,
            path,
            time,
            event: said,
            renewals: 0,
            renewedAt: '',
            revoked: null,
          });
        }
        for (const { path } of record.fact.lost) this.#ledger.lost.push({ task, path });
        return;
      case 'leases.renewed':
        for (const { lease } of record.fact.leases) {
          const known = this.#ledger.leases.get(lease);
          if (known !== undefined) known.renewals += 1;
        }
        return;
      case 'generation.proved':
        for (const { lease, proof } of record.fact.leases) {
          const known = this.#ledger.leases.get(lease);
          if (known !== undefined && proof === 'revoked') known.revoked ??= time;
        }
    }
  }

  vault(act: VaultAct): void {
    if (act.time < this.#from) this.#from = act.time;
    if (act.time > this.#to) this.#to = act.time;
    const { kind, task, path, time, event } = act;
    if (kind === 'token') return this.#vault.token(task, time);
    const clear =
      act.id === null ? null : act.id.startsWith('hmac-') ? this.#options.resolved.get(act.id) : act.id;
    if (clear === undefined || clear === null) {
      this.#unresolved += 1;
      return;
    }
    const id = this.#options.hmac(clear);
    const known = this.#vault.leases.get(id);
    if (kind === 'issued') {
      this.#vault.leases.set(id, { task, path, time, event, renewals: 0, renewedAt: '', revoked: null });
    } else if (known === undefined) {
      // Of a lease that no task was issued, or before this log began.
      if (this.#ledger.leases.has(id)) this.#strayRenewals.push({ id, time });
    } else if (kind === 'renewed') {
      known.renewals += 1;
      if (this.#nobodyHeard(time)) known.renewedAt = time;
    } else known.revoked ??= time;
  }

  result(): Correlation {
    const differences: Difference[] = [];
    const unheard: Difference[] = [];
    const agree = { tokens: 0, issued: 0, renewed: 0, revoked: 0 };
    const say = (
      where: Difference['where'],
      what: string,
      lease: Hmac | null,
      of: Partial<Known>,
      lost = false,
    ) =>
      (lost ? unheard : differences).push({
        where,
        what,
        lease,
        task: of.task ?? null,
        path: of.path ?? null,
        time: of.time ?? '',
      });
    for (const [id, vault] of this.#vault.leases) {
      const ledger = this.#ledger.leases.get(id);
      if (ledger === undefined) {
        // Its reply was lost: the ledger has the path and not the id.
        const lost = this.#ledger.lost.some(({ task, path }) => task === vault.task && path === vault.path);
        if (lost) continue;
        say('vault', 'issued a lease that is not on record', id, vault, this.#nobodyHeard(vault.time));
        continue;
      }
      agree.issued += 1;
      if (vault.task !== ledger.task) say('vault', `issued it to task ${vault.task}`, id, ledger);
      if (vault.event !== ledger.event)
        say('vault', `has it under event ${vault.event ?? 'none'}`, id, ledger);
      agree.renewed += Math.min(vault.renewals, ledger.renewals);
      if (vault.renewals > ledger.renewals) {
        say(
          'vault',
          `renewed it ${vault.renewals} times, on record ${ledger.renewals}`,
          id,
          ledger,
          vault.renewedAt !== '' && vault.renewals <= ledger.renewals + this.#starts.length,
        );
      } else if (ledger.renewals > vault.renewals) {
        say('ledger', `renewed ${ledger.renewals} times, by Vault ${vault.renewals}`, id, ledger);
      }
      if (vault.revoked !== null && ledger.revoked !== null) agree.revoked += 1;
      else if (vault.revoked !== null) say('vault', 'revoked it, and no proof is on record', id, ledger);
      else if (ledger.revoked !== null && this.#unresolved === 0)
        say('ledger', 'revoked, and not by Vault’s log', id, ledger);
    }
    for (const [id, ledger] of this.#ledger.leases) {
      const within = ledger.time >= this.#from.slice(0, 23) && ledger.time <= this.#to;
      if (within && !this.#vault.leases.has(id)) say('ledger', 'issued, and not in Vault’s log', id, ledger);
    }
    for (const [task, { count, time }] of this.#vault.tokens) {
      const known = this.#ledger.tokens.get(task)?.count ?? 0;
      agree.tokens += Math.min(known, count);
      if (known < count)
        say(
          'vault',
          `made ${count} tokens for it, on record ${known}`,
          null,
          { task, time },
          this.#nobodyHeard(time),
        );
    }
    for (const { id, time } of this.#strayRenewals) {
      const { task, path } = this.#ledger.leases.get(id)!;
      if (time >= this.#from)
        say('vault', 'acted on a lease whose issue is not in its log', id, { task, path, time });
    }
    return { differences, unheard, agree, unresolved: this.#unresolved };
  }

  /** An agent began soon after: the one that asked was dead or about to die. */
  #nobodyHeard(time: string): boolean {
    const at = Date.parse(time);
    return this.#starts.some((start) => {
      const later = Date.parse(start) - at;
      return later >= 0 && later < SOON_MS;
    });
  }
}
