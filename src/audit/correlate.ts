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

interface Token {
  readonly time: string;
  readonly event: string | null;
  /** Its reply was lost: Vault may have made it, or not. */
  readonly lost: boolean;
}

/** By lease on one side, and the tokens by task. */
class Side {
  readonly leases = new Map<Hmac, Known>();
  readonly tokens = new Map<string, Token[]>();
  /** Reads whose reply was lost, each of which explains one lease. */
  readonly lost: { task: string | null; path: string }[] = [];

  token(task: string | null, token: Token): void {
    const of = this.tokens.get(task ?? '');
    if (of === undefined) this.tokens.set(task ?? '', [token]);
    else of.push(token);
  }

  takeLost({ task, path }: Known): boolean {
    const at = this.lost.findIndex((one) => one.task === task && one.path === path);
    if (at >= 0) this.lost.splice(at, 1);
    return at >= 0;
  }
}

export class Correlator {
  readonly #options: CorrelateOptions;
  readonly #ledger = new Side();
  readonly #vault = new Side();
  readonly #strayRenewals: { id: Hmac; time: string }[] = [];
  /** Tasks that logged in to Vault themselves (vault.mode jwt): their tokens do not say whose they are. */
  readonly #loggedIn = new Set<string>();
  /** When agents began. */
  readonly #starts: string[] = [];
  #unresolved = 0;
  #from = '9';
  #to = '';

  constructor(options: CorrelateOptions) {
    this.#options = options;
  }

  record(record: LedgerRecord): void {
    const { task, time } = record;
    const event = record.event === null ? null : `${record.event.type}:${record.event.id}`;
    switch (record.type) {
      case 'agent.started':
        this.#starts.push(time);
        return;
      case 'grant.accepted':
        if (record.fact.login !== null) this.#loggedIn.add(task ?? '');
        return;
      case 'token.opened':
      case 'token.lost':
        return this.#ledger.token(task, { time, event, lost: record.type === 'token.lost' });
      case 'leases.issued':
        for (const { lease, path } of record.fact.leases) {
          if (lease === null) continue;
          this.#ledger.leases.set(lease, {
            task,
            path,
            time,
            event,
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
    if (kind === 'token') return this.#vault.token(task, { time, event, lost: false });
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
        if (this.#ledger.takeLost(vault)) continue;
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
      else if (ledger.revoked !== null && ledger.revoked <= this.#to && this.#unresolved === 0)
        say('ledger', 'revoked, and not by Vault’s log', id, ledger);
    }
    for (const [id, ledger] of this.#ledger.leases) {
      if (this.#within(ledger.time) && !this.#vault.leases.has(id))
        say('ledger', 'issued, and not in Vault’s log', id, ledger);
    }
    for (const task of new Set([...this.#vault.tokens.keys(), ...this.#ledger.tokens.keys()])) {
      const made = this.#vault.tokens.get(task) ?? [];
      const known = this.#ledger.tokens.get(task) ?? [];
      const opened = known.filter(({ time, lost }) => !lost && this.#within(time)).length;
      agree.tokens += Math.min(known.length, made.length);
      const forged = made.find(({ event }) => known.length > 0 && !known.some((one) => one.event === event));
      if (forged !== undefined)
        say('vault', `made it a token under event ${forged.event ?? 'none'}`, null, { ...forged, task });
      if (known.length < made.length) {
        const what = `made ${made.length} tokens for it, on record ${known.length}`;
        const { time } = made.at(-1)!;
        say('vault', what, null, { task, time }, this.#nobodyHeard(time));
      } else if (opened > made.length && !this.#loggedIn.has(task)) {
        const what = `got ${opened} tokens, by Vault’s log ${made.length}`;
        say('ledger', what, null, { task, time: known.at(-1)!.time });
      }
    }
    for (const { id, time } of this.#strayRenewals) {
      const { task, path } = this.#ledger.leases.get(id)!;
      if (time >= this.#from)
        say('vault', 'acted on a lease whose issue is not in its log', id, { task, path, time });
    }
    return { differences, unheard, agree, unresolved: this.#unresolved };
  }

  /** While Vault's log lasted. */
  #within(time: string): boolean {
    return time >= this.#from.slice(0, 23) && time <= this.#to;
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
