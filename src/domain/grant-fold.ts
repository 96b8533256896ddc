// Owns how facts become a grant. Invariant: the same facts give the same durable state, in a living
// process and after a crash; nothing else may change it.

import type { Entry, Fact, Outcome } from './fact.ts';
import { issue, look, newGeneration, prolonged, prove, settle, tokenLease } from './generation.ts';
import type { Generation, Grant } from './grant.ts';
import { IDLE } from './grant.ts';
import type { GrantId } from './ids.ts';
import type { Moment } from './instant.ts';
import { instantOf } from './instant.ts';
import { type Lease, perhapsCut } from './lease.ts';
import type { ProblemBody } from './problem.ts';

/** The grant after one more fact. `at` is the moment the fact was recorded, in terms of this boot's clock. */
export function apply(grant: Grant | null, id: GrantId, fact: Fact, at: Moment): Grant {
  if (fact.type === 'grant.accepted') {
    return {
      id,
      task: fact.task,
      profile: fact.profile,
      params: fact.params,
      event: fact.event,
      bind: fact.bind,
      owner: fact.owner,
      groups: fact.groups,
      admin: fact.admin,
      // Journals of earlier agents do not say: then no condition on it holds.
      evidence: fact.evidence ?? null,
      asserted: fact.asserted ?? null,
      assertedUntil: fact.asserted == null ? null : instantOf(fact.asserted.expires_at, at),
      bound: fact.bound,
      parent: fact.parent,
      trace: fact.trace ?? null,
      digest: fact.digest,
      plan: fact.plan,
      state: 'starting',
      approval: null,
      acceptedAt: at.at,
      expiresAt: instantOf(fact.expires_at, at),
      deadline: instantOf(fact.deadline, at),
      latestDeadline: instantOf(fact.latest_deadline, at),
      generations: [],
      opened: 0,
      held: false,
      filesSince: 0,
      untold: null,
      withdrawn: false,
      failing: null,
      wasActive: false,
      outcome: null,
      stoppedAt: null,
      refusal: null,
      problem: null,
      pending: IDLE,
    };
  }
  if (grant === null) throw new Error(`the journal has ${fact.type} of ${id} before its grant.accepted`);
  switch (fact.type) {
    case 'approval.requested': {
      const { digest, scope } = fact;
      const approveBy = instantOf(fact.approve_by, at);
      const approval = { digest, scope, approveBy, given: [], denied: null, plan: grant.plan };
      return { ...grant, state: 'pending_approval', approval };
    }
    case 'approval.given':
    case 'approval.denied':
      return said(grant, fact, at);
    case 'grant.approved':
      return { ...moved(grant, fact, at), state: 'starting', acceptedAt: at.at };
    case 'generation.opened':
      return {
        ...grant,
        plan: fact.plan ?? grant.plan,
        opened: fact.n,
        generations: [...grant.generations, newGeneration(fact.n, fact.plan ?? grant.plan)],
      };
    case 'token.opened': {
      const tokenEndsAt = instantOf(fact.ends_at, at);
      const { accessor, session, ttl_ms: ttlMs } = fact;
      const token = ttlMs === undefined ? null : tokenLease(accessor, ttlMs, tokenEndsAt, at);
      return change(grant, fact.n, () => ({ accessor, session, tokenEndsAt, token }));
    }
    case 'token.lost':
      return grant;
    case 'leases.issued':
      return change(grant, fact.n, () => issue(fact, at));
    case 'delivery.published':
      return {
        ...change(grant, fact.n, () => ({ files: fact.files, published: true })),
        ...(fact.unchanged === true && grant.filesSince > 0 ? {} : changedFiles(grant, fact.n)),
        state: 'active',
        wasActive: true,
        withdrawn: false,
        failing: null,
        problem: null,
      };
    case 'leases.renewed': {
      const renewed = new Map(fact.leases.map((lease) => [lease.id, lease]));
      const next = change(grant, fact.n, (generation) => {
        const prolong = (lease: Lease): Lease => {
          const news = lease.id === null ? undefined : renewed.get(lease.id);
          return news === undefined ? lease : prolonged(lease, news, at);
        };
        const token = generation.token === null ? null : prolong(generation.token);
        const tokenEndsAt = token?.endsAt ?? generation.tokenEndsAt;
        return { leases: generation.leases.map(prolong), token, tokenEndsAt };
      });
      return next.failing === 'renewal' && next.state === 'degraded'
        ? { ...next, state: 'active', failing: null, problem: null }
        : next;
    }
    case 'renewal.failed':
      // A rotation that fails is the worse news: a renewal that works again must not hide it.
      return degrade(grant, grant.failing ?? 'renewal', fact.problem);
    case 'leases.lost':
      return change(grant, fact.n, (generation) => {
        const lose = (lease: Lease): Lease =>
          lease.id !== null && fact.ids.includes(lease.id) ? { ...lease, lostAt: at.at } : lease;
        return {
          leases: generation.leases.map(lose),
          token: generation.token === null ? null : lose(generation.token),
        };
      });
    case 'generation.retiring': {
      const retiring = change(grant, fact.n, () => ({ retireAt: instantOf(fact.due, at) }));
      return fact.problem === null ? retiring : degrade(retiring, 'rotation', fact.problem);
    }
    case 'files.withdrawn':
      return { ...grant, withdrawn: true };
    case 'deadline.moved':
      return moved(grant, fact, at);
    case 'grant.held':
      return { ...grant, held: true };
    case 'grant.adopted':
      return perhapsSeen(grant);
    case 'workload.signalled':
      return fact.n === grant.untold ? { ...grant, untold: null } : grant;
    case 'revocation.abandoned':
      return grant;
    case 'grant.refused':
      return { ...stopped(grant, 'refused', at), refusal: fact.problem };
    case 'grant.stopping':
      return stopped(grant, fact.reason, at);
    case 'files.erased':
      return grant;
    case 'leases.known':
      return change(grant, fact.n, (generation) =>
        look({ ...generation, leases: prove(generation, fact.gone, at.at) }, fact.known),
      );
    case 'erasure.failed':
    case 'revocation.failed':
      return grant.state === 'stopping' ? { ...grant, problem: fact.problem } : grant;
    case 'generation.proved': {
      const next = change(grant, fact.n, (generation) => ({
        proved: true,
        leases: prove(generation, fact.leases, at.at).map((lease) => settle(lease, at.at)),
      }));
      // Nothing to say about it in the receipt: hours of failing rotations must not pile up.
      const empty = ({ n, leases }: Generation) => n === fact.n && leases.length === 0;
      return { ...next, generations: next.generations.filter((generation) => !empty(generation)) };
    }
    case 'grant.closed':
      return { ...grant, state: 'closed', outcome: fact.outcome };
    default:
      return fact satisfies never;
  }
}

/** The first files are no news: the start's answer tells of them. */
const changedFiles = ({ filesSince, plan }: Grant, n: number): Partial<Grant> => ({
  filesSince: n,
  untold: filesSince === 0 || plan.onChange === undefined ? null : n,
});

/**
 * An agent that was cut off between showing a generation and its record has turned `current` there and this one back:
 * who read in between has what is revoked now.
 */
function perhapsSeen(grant: Grant): Grant {
  const { filesSince, generations, withdrawn } = grant;
  const last = generations.at(-1);
  if (filesSince === 0 || withdrawn || last === undefined || last.published || last.retireAt !== null)
    return grant;
  return last.leases.length === 0 ? grant : { ...grant, ...changedFiles(grant, last.n) };
}

/** Folds the journal's entries of one grant; null when there are none. */
export function fold(entries: readonly Entry[]): Grant | null {
  let grant: Grant | null = null;
  for (const { grant: id, at, wallMs, fact } of entries) grant = apply(grant, id, fact, { at, wallMs });
  return grant;
}

function said(
  grant: Grant,
  fact: Extract<Fact, { type: 'approval.given' | 'approval.denied' }>,
  { at }: Moment,
): Grant {
  const approval = grant.approval!;
  const { type, ...word } = fact;
  return type === 'approval.denied'
    ? { ...grant, approval: { ...approval, denied: { ...word, at } } }
    : { ...grant, approval: { ...approval, given: [...approval.given, { ...word, at }] } };
}

function moved(
  grant: Grant,
  fact: Extract<Fact, { type: 'deadline.moved' | 'grant.approved' }>,
  at: Moment,
): Grant {
  const deadline = instantOf(fact.deadline, at);
  const later = deadline > grant.deadline;
  return {
    ...grant,
    expiresAt: instantOf(fact.expires_at, at),
    deadline,
    latestDeadline: instantOf(fact.latest_deadline, at),
    generations: !later
      ? grant.generations
      : grant.generations.map((generation) => ({
          ...generation,
          leases: generation.leases.map((lease) => perhapsCut(lease, grant.deadline, at.at)),
          token: generation.token === null ? null : perhapsCut(generation.token, grant.deadline, at.at),
        })),
  };
}

const stopped = (grant: Grant, outcome: Outcome, { at }: Moment): Grant => ({
  ...grant,
  state: 'stopping',
  outcome,
  stoppedAt: grant.stoppedAt ?? at,
});

function degrade(grant: Grant, failing: 'renewal' | 'rotation', problem: ProblemBody): Grant {
  if (grant.state !== 'active' && grant.state !== 'degraded') return { ...grant, problem };
  return { ...grant, state: 'degraded', failing, problem };
}

function change(grant: Grant, n: number, edit: (generation: Generation) => Partial<Generation>): Grant {
  return {
    ...grant,
    generations: grant.generations.map((generation) =>
      generation.n === n ? { ...generation, ...edit(generation) } : generation,
    ),
  };
}
