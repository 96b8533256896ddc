// Owns the judges' own book of what is on record: built from journaled facts alone, with its own reading of
// them, so that a mistake of the fold cannot hide itself. Invariant: a fact is here once it is durable.

import type { Entry } from '../../../src/domain/fact.ts';
import type { Plan } from '../../../src/domain/task-spec.ts';

export interface LedgerLease {
  readonly id: string;
  /** As Vault said last. World time. */
  endsAt: number | null;
  /** When the agent heard of that end. */
  heardAt: number;
  proof: string | null;
}

export interface LedgerGeneration {
  readonly n: number;
  readonly openedAt: number;
  /** Null for the first. */
  readonly why: string | null;
  accessor: string | null;
  tokenEndsAt: number | null;
  session: string | null;
  readonly leases: Map<string, LedgerLease>;
  /** Ends of what hangs under no lease. World times. */
  readonly ends: number[];
  publishedAt: number | null;
  /** When it is to be revoked; world time. */
  retireAt: number | null;
  givenUp: boolean;
  proved: boolean;
}

export interface LedgerApproval {
  readonly approveBy: number;
  readonly approvers: readonly number[];
  readonly count: number;
  readonly policies: readonly string[];
  readonly paths: readonly string[];
  readonly given: Set<number>;
  denied: boolean;
  approved: boolean;
  /** How often it was approved. */
  times: number;
}

export interface LedgerGrant {
  readonly id: string;
  readonly task: string;
  readonly profile: string;
  readonly acceptedAt: number;
  readonly bind: { readonly pid?: number; readonly connection?: true } | null;
  readonly parent: string | null;
  /** The assertion that it was accepted for. */
  readonly use: string | null;
  overlapMs: number;
  asks: Plan['asks'];
  /** Policies and paths that it may have from now on. */
  scope: Set<string>;
  deadline: number;
  latestDeadline: number;
  readonly generations: Map<number, LedgerGeneration>;
  activeAt: number | null;
  stoppingAt: number | null;
  reason: string | null;
  refused: boolean;
  closedAt: number | null;
  withdrawn: boolean;
  abandoned: boolean;
  /** Null where it needs none. */
  approval: LedgerApproval | null;
  /** The process in which it was last on its way to become active. */
  life: number;
}

type Loose = Readonly<Record<string, unknown>> & { readonly type: string; readonly n: number };

interface Line {
  readonly entry: Entry;
  readonly now: number;
  readonly bootOffset: number;
  readonly life: number;
}

export class Ledger {
  readonly #lines: Line[] = [];
  readonly grants = new Map<string, LedgerGrant>();
  readonly byAccessor = new Map<string, { grant: LedgerGrant; generation: LedgerGeneration }>();
  readonly byLease = new Map<string, { grant: LedgerGrant; generation: LedgerGeneration }>();
  /** The newest life of each task id. */
  readonly byTask = new Map<string, LedgerGrant>();
  /** How often an id became active. */
  readonly granted = new Map<string, Set<string>>();
  /** The task that each assertion was granted for. */
  readonly grantedFor = new Map<string, string>();

  /**
   * @param now world time
   * @param bootOffset what the entries' clock is behind the world's
   */
  add(entry: Entry, now: number, bootOffset: number, life: number): void {
    this.#lines.push({ entry, now, bootOffset, life });
    const fact = entry.fact as unknown as Loose;
    const time = (text: unknown): number =>
      Math.round(Date.parse(String(text)) - entry.wallMs + entry.at + bootOffset);
    if (fact.type === 'grant.accepted') return this.#accept(entry.grant, fact, now, time, life);
    const grant = this.grants.get(entry.grant);
    if (grant === undefined) return;
    const generation = grant.generations.get(fact.n)!;
    switch (fact.type) {
      case 'approval.requested':
        grant.approval = requested(fact, time(fact.approve_by));
        return;
      case 'approval.given':
        grant.approval!.given.add(fact.uid as number);
        return;
      case 'approval.denied':
        grant.approval!.denied = true;
        return;
      case 'grant.approved':
        grant.approval!.approved = true;
        grant.approval!.times += 1;
        grant.deadline = time(fact.deadline);
        grant.latestDeadline = time(fact.latest_deadline);
        grant.life = life;
        return;
      case 'generation.opened':
        grant.generations.set(fact.n, newGeneration(fact.n, now, fact.why as string | null));
        if (fact.plan != null) {
          const { overlapMs, asks } = fact.plan as Plan;
          Object.assign(grant, { overlapMs, asks });
        }
        return;
      case 'token.opened':
        generation.accessor = fact.accessor as string;
        generation.session = (fact.session as string | undefined) ?? null;
        generation.tokenEndsAt = time(fact.ends_at);
        this.byAccessor.set(generation.accessor, { grant, generation });
        return;
      case 'leases.issued':
        for (const lease of fact.leases as { id: string | null; ends_at: string | null }[]) {
          const endsAt = lease.ends_at === null ? null : time(lease.ends_at);
          if (lease.id === null && endsAt !== null) generation.ends.push(endsAt);
          if (lease.id === null) continue;
          generation.leases.set(lease.id, { id: lease.id, endsAt, heardAt: now, proof: null });
          this.byLease.set(lease.id, { grant, generation });
        }
        return;
      case 'leases.renewed':
        for (const lease of fact.leases as { id: string; ends_at: string }[]) {
          const known = generation.leases.get(lease.id);
          if (known !== undefined) Object.assign(known, { endsAt: time(lease.ends_at), heardAt: now });
        }
        return;
      case 'delivery.published': {
        generation.publishedAt = now;
        grant.activeAt ??= now;
        grant.withdrawn = false;
        const lives = this.granted.get(grant.task) ?? new Set();
        this.granted.set(grant.task, lives.add(grant.id));
        if (grant.use !== null && !this.grantedFor.has(grant.use)) this.grantedFor.set(grant.use, grant.task);
        return;
      }
      case 'generation.retiring':
        generation.retireAt = time(fact.due);
        generation.givenUp = fact.problem !== null;
        return;
      case 'files.withdrawn':
        grant.withdrawn = true;
        return;
      case 'deadline.moved':
        // One that a shorter max moves into the past is over from now on, and was not before.
        grant.deadline = Math.max(time(fact.deadline), Math.min(grant.deadline, now));
        grant.latestDeadline = Math.max(grant.latestDeadline, time(fact.latest_deadline));
        return;
      case 'leases.known':
        for (const { id, proof } of fact.gone as { id: string; proof: string }[]) {
          const lease = generation.leases.get(id);
          if (lease !== undefined) lease.proof = proof;
        }
        return;
      case 'generation.proved':
        generation.proved = true;
        for (const { id, proof } of fact.leases as { id: string; proof: string }[]) {
          const lease = generation.leases.get(id);
          if (lease !== undefined) lease.proof = proof;
        }
        return;
      case 'grant.refused':
        grant.refused = true;
        grant.reason = 'refused';
        grant.stoppingAt ??= now;
        return;
      case 'grant.stopping':
        grant.reason = fact.reason as string;
        grant.stoppingAt ??= now;
        return;
      case 'revocation.abandoned':
        grant.abandoned = true;
        return;
      case 'grant.closed':
        grant.closedAt = now;
        return;
      default:
    }
  }

  /** The same without its last facts, which a power cut took. */
  without(lost: number): Ledger {
    const kept = new Ledger();
    const lines = this.#lines.slice(0, this.#lines.length - lost);
    for (const { entry, now, bootOffset, life } of lines) kept.add(entry, now, bootOffset, life);
    return kept;
  }

  #accept(id: string, fact: Loose, now: number, time: (text: unknown) => number, life: number): void {
    const plan = fact.plan as Pick<Plan, 'overlapMs' | 'policies' | 'asks'>;
    const deadline = time(fact.deadline);
    const grant: LedgerGrant = {
      id,
      task: fact.task as string,
      profile: fact.profile as string,
      acceptedAt: now,
      bind: fact.bind as LedgerGrant['bind'],
      parent: (fact.parent as string | null | undefined) ?? null,
      use: (fact.asserted as { use: string } | null)?.use ?? null,
      overlapMs: plan.overlapMs,
      asks: plan.asks,
      scope: new Set(scopeOf(plan)),
      deadline,
      latestDeadline: fact.latest_deadline === undefined ? deadline : time(fact.latest_deadline),
      generations: new Map(),
      activeAt: null,
      stoppingAt: null,
      reason: null,
      refused: false,
      closedAt: null,
      withdrawn: false,
      abandoned: false,
      approval: null,
      life,
    };
    this.grants.set(id, grant);
    this.byTask.set(grant.task, grant);
  }
}

/** Policies and paths of a plan. */
export const scopeOf = ({ policies, asks }: Pick<Plan, 'policies' | 'asks'>): string[] => [
  ...policies,
  ...asks.map(({ path }) => path),
];

function requested({ scope }: Loose, approveBy: number): LedgerApproval {
  const { approval, policies, secrets } = scope as {
    approval: { approvers: number[]; count: number };
    policies: string[];
    secrets: { path: string }[];
  };
  const paths = secrets.map(({ path }) => path);
  return {
    approveBy,
    ...approval,
    policies,
    paths,
    given: new Set(),
    denied: false,
    approved: false,
    times: 0,
  };
}

const newGeneration = (n: number, openedAt: number, why: string | null): LedgerGeneration => ({
  n,
  openedAt,
  why,
  accessor: null,
  tokenEndsAt: null,
  session: null,
  leases: new Map(),
  ends: [],
  publishedAt: null,
  retireAt: null,
  givenUp: false,
  proved: false,
});
