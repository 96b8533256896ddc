// Owns what facts mean in a distributed trace: one span a task, its phases below it. Invariant: nothing but ids of
// tasks, names, numbers and codes goes into a span; its own ids follow from the grant's, so that an agent that takes a
// task over goes on with the same span.

import type { Entry, Fact } from '../domain/fact.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Instant } from '../domain/instant.ts';
import type { TraceIds } from '../domain/trace.ts';
import type { Attributes, OpenSpan, Tracer } from '../ports/tracing.ts';

export interface FactTracerOptions {
  readonly tracer: Tracer;
  /** Whatever lives under this task id. */
  readonly living: (task: TaskId) => Grant | undefined;
  /** Unique among agents, and the same for every agent that takes this grant over. */
  readonly idsOf: (id: GrantId) => TraceIds;
}

interface Traced {
  readonly span: OpenSpan;
  /** From this boot's clock to milliseconds since 1970: fixed, so that a clock that is set bends no span. */
  readonly wall: number;
  /** When what is under way began. */
  readonly began: Map<string, Instant>;
  /** Why it stops: the code of a refusal, else what its outcome will be. */
  reason: string | null;
}

/** Facts that are moments of a task, with a problem where they have one. */
const MOMENTS: ReadonlySet<Fact['type']> = new Set([
  'approval.given',
  'grant.adopted',
  'token.lost',
  'leases.lost',
  'files.withdrawn',
  'renewal.failed',
  'erasure.failed',
  'revocation.failed',
  'revocation.abandoned',
  'deadline.moved',
]);

export class FactTracer {
  readonly #options: FactTracerOptions;
  readonly #traced = new Map<GrantId, Traced>();

  constructor(options: FactTracerOptions) {
    this.#options = options;
  }

  /** How many tasks are under way. */
  get size(): number {
    return this.#traced.size;
  }

  /** What continues the trace of a living task; null when it has none. */
  traceparent(grant: GrantId): string | null {
    return this.#traced.get(grant)?.span.traceparent ?? null;
  }

  /** A phase that no fact tells of. */
  phase(grant: GrantId, name: string, from: Instant, to: Instant): void {
    const traced = this.#traced.get(grant);
    traced?.span.part(name, traced.wall + from, traced.wall + to);
  }

  tell(task: TaskId, entry: Entry): void {
    const traced = this.#traced.get(entry.grant) ?? this.#begin(this.#options.living(task), entry);
    if (traced === null) return;
    this.#follow(traced, entry);
    if (entry.fact.type === 'grant.closed') this.#traced.delete(entry.grant);
  }

  #begin(grant: Grant | undefined, { grant: id, at, wallMs, fact }: Entry): Traced | null {
    // A late word of one that is gone: its task id may be another's by now.
    if (grant?.id !== id) return null;
    const began = fact.type === 'grant.accepted' ? at : grant.acceptedAt;
    const wall = wallMs - at;
    const { task, profile, event, parent, trace } = grant;
    const span = this.#options.tracer.open({
      name: `task ${profile}`,
      ids: this.#options.idsOf(id),
      parent: trace,
      at: wall + began,
      attributes: {
        'tasklease.task': task,
        'tasklease.profile': profile,
        ...(event === null ? {} : { 'tasklease.event.type': event.type, 'tasklease.event.id': event.id }),
        ...(parent === null ? {} : { 'tasklease.parent': parent }),
      },
    });
    const traced = { span, wall, began: new Map<string, Instant>(), reason: null };
    this.#traced.set(id, traced);
    return traced;
  }

  #follow(traced: Traced, { at, fact }: Entry): void {
    const { span, wall, began } = traced;
    const end = (name: string, attributes: Attributes = {}, failure: string | null = null): void => {
      const [key] = name.split(' ');
      const from = began.get(name);
      began.delete(name);
      if (from !== undefined) span.part(key!, wall + from, wall + at, attributes, failure);
    };
    if (MOMENTS.has(fact.type)) span.note(fact.type, wall + at, codeOf(fact));
    switch (fact.type) {
      case 'grant.accepted':
        began.set('start', at);
        return;
      case 'approval.requested':
        // People are not a part of the start.
        began.delete('start');
        began.set('approval', at);
        return;
      case 'grant.approved':
        end('approval');
        began.set('start', at);
        return;
      case 'approval.denied':
        return end('approval', {}, 'APPROVAL_DENIED');
      case 'generation.opened':
        began.set('raising', at);
        if (fact.n > 1) began.set(`rotate ${fact.n}`, at);
        return;
      case 'token.opened':
      case 'leases.issued': {
        const from = began.get('raising');
        began.set('raising', at);
        if (from === undefined) return;
        const name = fact.type === 'token.opened' ? 'token' : 'read';
        const leases = fact.type === 'leases.issued' ? { 'tasklease.leases': fact.leases.length } : {};
        return span.part(name, wall + from, wall + at, { ...generation(fact.n), ...leases });
      }
      case 'delivery.published':
        end('start');
        return end(`rotate ${fact.n}`, generation(fact.n));
      case 'generation.retiring':
        return end(`rotate ${fact.n}`, generation(fact.n), fact.problem?.code ?? null);
      case 'grant.refused':
      case 'grant.stopping': {
        const code = fact.type === 'grant.refused' ? fact.problem.code : null;
        end('approval', {}, code);
        end('start', {}, code);
        traced.reason ??= code ?? (fact.type === 'grant.stopping' ? fact.reason : null);
        if (!began.has('stop')) began.set('stop', at);
        return;
      }
      case 'files.erased': {
        const from = began.get('stop');
        return from === undefined ? undefined : span.part('erase', wall + from, wall + at);
      }
      case 'leases.known':
        if (!began.has(`proof ${fact.n}`)) began.set(`proof ${fact.n}`, at);
        return;
      case 'generation.proved':
        return end(`proof ${fact.n}`, generation(fact.n));
      case 'grant.closed': {
        end('stop');
        return span.end(wall + at, ending(fact, traced.reason), failureOf(fact));
      }
      default:
        return;
    }
  }
}

const generation = (n: number): Attributes => ({ 'tasklease.generation': n });

const codeOf = (fact: Fact): Attributes => ({
  ...('problem' in fact && fact.problem !== null ? { 'tasklease.code': fact.problem.code } : {}),
  ...('n' in fact ? generation(fact.n) : {}),
});

type Closed = Extract<Fact, { type: 'grant.closed' }>;

const unproved = ({ receipt }: Closed): number =>
  receipt.leases.filter(({ proof }) => proof === 'unproved').length;

const ending = (fact: Closed, reason: string | null): Attributes => ({
  'tasklease.outcome': fact.outcome,
  'tasklease.reason': reason ?? fact.outcome,
  'tasklease.leases': fact.receipt.leases.length,
  'tasklease.leases.unproved': unproved(fact),
  'tasklease.exposure_seconds': fact.receipt.exposure_seconds,
});

/** What an operator would look for: a task that did not work, or whose leases may live. */
const failureOf = (fact: Closed): string | null =>
  fact.outcome === 'failed' || fact.outcome === 'refused'
    ? fact.outcome
    : unproved(fact) > 0
      ? 'unproved'
      : null;
