// Owns what the records of one task come to: who had what, from when to when, and how it ended. Invariant: one entry for
// each grant and one for each start that was refused before there was a grant, in the order in which they began.

import type { Outcome } from '../domain/fact.ts';
import type { Proof } from '../domain/lease.ts';
import type { Hmac, LedgerRecord, RecordedCaller, RecordedProblem } from '../domain/record.ts';

export interface AuditedLease {
  readonly generation: number;
  readonly secret: string;
  readonly path: string;
  readonly lease: Hmac | null;
  readonly issued_at: string;
  /** By now, as far as it is on record. */
  ends_at: string | null;
  ended_at: string | null;
  proof: Proof | null;
}

export interface AuditedTask {
  /** Null for a start that was refused before there was a grant. */
  readonly grant: string | null;
  readonly task: string | null;
  readonly profile: string | null;
  readonly profile_version: string | null;
  readonly event: { readonly type: string; readonly id: string } | null;
  readonly caller: RecordedCaller | null;
  readonly parent: string | null;
  readonly started_at: string;
  closed_at: string | null;
  /** `open` until it is stopped, then `stopping` until it is closed. */
  state: 'open' | 'stopping' | 'closed' | 'refused';
  outcome: Outcome | null;
  /** Why it was refused, or why its revocation failed last. */
  problem: RecordedProblem | null;
  exposure_seconds: number | null;
  rotations: number;
  renewals: number;
  leases: AuditedLease[];
  /** Number of its first and of its last record. */
  readonly first: number;
  last: number;
  jws: string | null;
}

/** Takes records in and gives the tasks that they tell of. */
export class AuditedTasks {
  readonly #grants = new Map<string, AuditedTask>();
  readonly #refused: AuditedTask[] = [];

  add(record: LedgerRecord): void {
    const { type, grant } = record;
    if (type === 'start.refused') {
      this.#refused.push({
        ...begun(record),
        state: 'refused',
        outcome: 'refused',
        problem: record.fact.problem,
      });
      return;
    }
    if (grant === null) return;
    let task = this.#grants.get(grant);
    if (task === undefined) {
      task = begun(record);
      this.#grants.set(grant, task);
    }
    task.last = record.seq;
    note(task, record);
  }

  /** In the order in which they began. */
  all(): AuditedTask[] {
    return [...this.#grants.values(), ...this.#refused].sort((a, b) => a.first - b.first);
  }
}

function begun(record: LedgerRecord): AuditedTask {
  const { grant, task, profile, profile_version, event, caller, parent, time, seq } = record;
  return {
    ...{ grant, task, profile, profile_version, event, caller, parent },
    started_at: time,
    closed_at: null,
    state: 'open',
    outcome: null,
    problem: null,
    exposure_seconds: null,
    rotations: 0,
    renewals: 0,
    leases: [],
    first: seq,
    last: seq,
    jws: null,
  };
}

function note(task: AuditedTask, record: LedgerRecord): void {
  const { fact, type, time } = record;
  switch (type) {
    case 'generation.opened':
      if (fact.n > 1) task.rotations += 1;
      return;
    case 'leases.issued':
      for (const { secret, path, lease, ends_at } of fact.leases) {
        task.leases.push(issued(fact.n, { secret, path, lease, ends_at }, time));
      }
      for (const { secret, path } of fact.lost) {
        task.leases.push(issued(fact.n, { secret, path, lease: null, ends_at: null }, time));
      }
      return;
    case 'leases.renewed':
      task.renewals += 1;
      for (const { lease, ends_at } of fact.leases) {
        for (const each of task.leases) if (each.lease === lease) each.ends_at = ends_at;
      }
      return;
    case 'leases.known':
      return ended(task, fact.gone, time);
    case 'generation.proved':
      return ended(task, fact.leases, time);
    case 'grant.refused':
    case 'revocation.failed':
      task.problem = fact.problem;
      if (type === 'grant.refused') {
        task.state = 'stopping';
        task.outcome = 'refused';
      }
      return;
    case 'grant.stopping':
      task.state = 'stopping';
      task.outcome = fact.reason;
      return;
    case 'grant.closed':
      task.state = 'closed';
      task.outcome = fact.outcome;
      task.closed_at = fact.receipt.closed_at;
      task.exposure_seconds = fact.receipt.exposure_seconds;
      task.jws = fact.jws;
      task.leases = fact.receipt.leases.map((line, i) => ({
        generation: task.leases[i]?.generation ?? 1,
        secret: line.secret,
        path: line.path,
        lease: line.lease,
        issued_at: line.issued_at,
        ends_at: line.ends_at,
        ended_at: line.ended_at,
        proof: line.proof,
      }));
  }
}

const issued = (
  generation: number,
  lease: Pick<AuditedLease, 'secret' | 'path' | 'lease' | 'ends_at'>,
  time: string,
): AuditedLease => ({ generation, ...lease, issued_at: time, ended_at: null, proof: null });

function ended(
  task: AuditedTask,
  proofs: readonly { readonly lease: Hmac; readonly proof: Proof }[],
  time: string,
): void {
  for (const { lease, proof } of proofs) {
    for (const each of task.leases) {
      if (each.lease !== lease || each.proof !== null) continue;
      each.proof = proof;
      each.ended_at = time;
    }
  }
}

export interface TaskFilter {
  readonly event?: { readonly type: string; readonly id: string };
  readonly profile?: string;
  readonly uid?: number;
  readonly outcome?: string;
  /** Whatever was under way then or later. */
  readonly since?: string;
  /** Whatever had begun by then. */
  readonly until?: string;
}

/** An id of `*` is any id of that type. */
export const fits = (task: AuditedTask, filter: TaskFilter): boolean => {
  const { event, profile, uid, outcome, since, until } = filter;
  if (event !== undefined) {
    if (task.event?.type !== event.type) return false;
    if (event.id !== '*' && task.event.id !== event.id) return false;
  }
  if (profile !== undefined && task.profile !== profile) return false;
  if (uid !== undefined && task.caller?.uid !== uid) return false;
  if (outcome !== undefined && task.outcome !== outcome && task.state !== outcome) return false;
  if (since !== undefined && (task.closed_at ?? (task.state === 'refused' ? task.started_at : since)) < since)
    return false;
  return until === undefined || task.started_at <= until;
};
