// Owns who hears of facts. Invariant: a fact is told after it is durable, in order, without ids that
// only Vault and the journal need.

import type { Entry, Fact } from '../domain/fact.ts';
import type { TaskId } from '../domain/ids.ts';
import type { ProblemBody } from '../domain/problem.ts';
import type { BusinessEvent } from '../domain/task-spec.ts';

/** One line of an events stream. */
export interface PublicFact {
  readonly at: string;
  readonly task: TaskId;
  readonly type: Fact['type'];
  readonly [key: string]: unknown;
}

/** A fact on its way to who listens, most of whom need no more than its type. */
export interface Told {
  readonly task: TaskId;
  readonly type: Fact['type'];
  /** What the task belongs to. */
  readonly event: BusinessEvent | null;
  /** Made when it is asked for. */
  readonly fact: PublicFact;
  /** As it is on record, for who counts and measures: never shown to anybody. */
  readonly entry: Entry;
}

export type Listener = (told: Told, owner: number) => void;

export class FactStream {
  readonly #listeners = new Set<Listener>();

  /** Returns how to stop listening. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(task: TaskId, owner: number, entry: Entry, event: BusinessEvent | null = null): void {
    if (this.#listeners.size === 0) return;
    const told = new Telling(task, entry, event);
    for (const listener of this.#listeners) listener(told, owner);
  }
}

class Telling implements Told {
  readonly task: TaskId;
  readonly event: BusinessEvent | null;
  readonly entry: Entry;
  #fact: PublicFact | null = null;

  constructor(task: TaskId, entry: Entry, event: BusinessEvent | null) {
    this.task = task;
    this.event = event;
    this.entry = entry;
  }

  get type(): Fact['type'] {
    return this.entry.fact.type;
  }

  get fact(): PublicFact {
    const { wallMs, fact } = this.entry;
    this.#fact ??= {
      at: new Date(wallMs).toISOString(),
      task: this.task,
      type: fact.type,
      ...publicPart(fact),
    };
    return this.#fact;
  }
}

const told = ({ code, detail, hint }: ProblemBody) => ({
  code,
  detail,
  ...(hint === undefined ? {} : { hint }),
});

function publicPart(fact: Fact): Record<string, unknown> {
  switch (fact.type) {
    case 'grant.accepted':
      return {
        profile: fact.profile,
        event: fact.event,
        expires_at: fact.expires_at,
        deadline: fact.deadline,
        parent: fact.parent,
        evidence: fact.evidence ?? null,
      };
    case 'approval.requested':
      return { digest: fact.digest, approve_by: fact.approve_by, ...fact.scope.approval };
    case 'approval.given':
      return { uid: fact.uid, signer: fact.signer ?? null, reason: fact.reason };
    case 'approval.denied':
      return { uid: fact.uid, reason: fact.reason };
    case 'grant.approved':
      return { expires_at: fact.expires_at, deadline: fact.deadline };
    case 'generation.opened':
      return { generation: fact.n, why: fact.why };
    case 'token.lost':
      return { generation: fact.n };
    case 'leases.lost':
      return { generation: fact.n, leases: fact.ids.length };
    case 'generation.retiring':
      return { generation: fact.n, due: fact.due, ...(fact.problem === null ? {} : told(fact.problem)) };
    case 'files.withdrawn':
      return { generation: fact.n, detail: fact.detail };
    case 'deadline.moved':
      return { expires_at: fact.expires_at, deadline: fact.deadline };
    case 'grant.held':
    case 'grant.adopted':
      return {};
    case 'workload.signalled':
      return { generation: fact.n, signal: fact.signal, delivered: fact.delivered };
    case 'revocation.abandoned':
      return { reason: fact.reason, uid: fact.uid };
    case 'token.opened':
      return { generation: fact.n, ends_at: fact.ends_at };
    case 'leases.issued':
      return {
        generation: fact.n,
        leases: fact.leases.map(({ secret, path, ends_at, revocable }) => ({
          secret,
          path,
          ends_at,
          revocable,
        })),
      };
    case 'delivery.published':
      return { generation: fact.n, files: fact.files, changed: fact.unchanged !== true };
    case 'leases.renewed':
      return { generation: fact.n, leases: fact.leases.map(({ ends_at, capped }) => ({ ends_at, capped })) };
    case 'renewal.failed':
    case 'revocation.failed':
      return { generation: fact.n, ...told(fact.problem) };
    case 'grant.refused':
    case 'erasure.failed':
      return told(fact.problem);
    case 'grant.stopping':
      return { reason: fact.reason, detail: fact.detail };
    case 'files.erased':
      return { erased_at: fact.erased_at };
    case 'leases.known':
      return { generation: fact.n, known: fact.known.length, gone: fact.gone.length };
    case 'generation.proved':
      return { generation: fact.n, leases: fact.leases.length };
    case 'grant.closed':
      return { outcome: fact.outcome };
    default:
      return fact satisfies never;
  }
}
