// Owns the step from a fact to what the ledger says of it. Invariant: every id that only Vault and the journal need
// leaves here as an HMAC, also where it stands in the middle of a sentence.

import type { Fact, Receipt } from './fact.ts';
import type { Problem, ProblemBody } from './problem.ts';
import type {
  GrantBody,
  Hmac,
  RecordedAsk,
  RecordedCaller,
  RecordedProblem,
  SealedReceipt,
} from './record.ts';
import type { Caller, Plan } from './task-spec.ts';

/** What all records of one grant say alike, and what later ones need of earlier ones. */
export interface GrantMemory {
  readonly about: {
    readonly task: string;
    readonly profile: string;
    readonly profile_version: string | null;
    readonly event: { readonly type: string; readonly id: string } | null;
    readonly caller: RecordedCaller;
    readonly parent: string | null;
  };
  /** Clear → what it is on record. */
  readonly ids: Map<string, Hmac>;
  /** By secret and generation. */
  readonly leases: Map<string, Map<number, Hmac | null>>;
  readonly files: Set<string>;
  erasedAt: string | null;
}

type Accepted = Extract<Fact, { type: 'grant.accepted' }>;

export const memoryOf = (fact: Accepted): GrantMemory => ({
  about: {
    task: fact.task,
    profile: fact.profile,
    profile_version: fact.profile_version ?? null,
    event: fact.event,
    caller: {
      uid: fact.owner.uid,
      gid: fact.owner.gid,
      admin: fact.admin,
      pid: fact.evidence?.pid ?? null,
      exe: fact.evidence?.exe ?? null,
      cgroup: fact.evidence?.cgroup ?? null,
      container: fact.evidence?.container ?? null,
    },
    parent: fact.parent,
  },
  ids: new Map(),
  leases: new Map(),
  files: new Set(),
  erasedAt: null,
});

export const recordedCaller = ({ uid, gid, admin, pid }: Caller): RecordedCaller => ({
  ...{ uid, gid, admin },
  ...{ pid: pid === 0 ? null : pid, exe: null, cgroup: null, container: null },
});

export const recordedRefusal = ({ code, message }: Problem): RecordedProblem => ({ code, detail: message });

/** Takes note of what later records of the grant need to know; twice the same is as once. */
export function remember(memory: GrantMemory, fact: Fact, hmac: (id: string) => Hmac): void {
  const note = (id: string): Hmac => {
    const known = memory.ids.get(id);
    if (known !== undefined) return known;
    const made = hmac(id);
    memory.ids.set(id, made);
    return made;
  };
  switch (fact.type) {
    case 'token.opened':
      note(fact.accessor);
      if (fact.session !== null) note(fact.session);
      return;
    case 'leases.issued':
      for (const { secret, id } of [
        ...fact.leases,
        ...fact.lost.map(({ secret }) => ({ secret, id: null })),
      ]) {
        const lease = id === null ? null : note(id);
        const generations = memory.leases.get(secret) ?? new Map<number, Hmac | null>();
        memory.leases.set(secret, generations.set(fact.n, lease));
      }
      return;
    case 'delivery.published':
      for (const file of fact.files) memory.files.add(file);
      return;
    case 'files.erased':
      memory.erasedAt = fact.erased_at;
  }
}

/** A fact with its last one, the receipt, not sealed yet: that takes its place in the chain. */
export type Unsealed =
  | Exclude<GrantBody, { type: 'grant.closed' }>
  | {
      readonly type: 'grant.closed';
      readonly fact: Omit<Extract<GrantBody, { type: 'grant.closed' }>['fact'], 'receipt' | 'jws'> & {
        readonly receipt: Omit<SealedReceipt, 'ledger' | 'grant'>;
      };
    };

/** @param hmac for ids that the memory does not hold */
export function recordOf(memory: GrantMemory, fact: Fact, hmac: (id: string) => Hmac): Unsealed {
  const id = (clear: string): Hmac => memory.ids.get(clear) ?? hmac(clear);
  const text = (words: string): string => scrubbed(words, memory);
  const problem = ({ code, detail }: ProblemBody): RecordedProblem => ({ code, detail: text(detail) });
  const { type } = fact;
  switch (type) {
    case 'grant.accepted': {
      const { params, bind, asserted, digest, plan, expires_at, deadline, latest_deadline } = fact;
      const { issuer, subject, expires_at: until, claims } = asserted ?? NOBODY;
      const assertion = asserted == null ? null : { issuer, subject, expires_at: until, claims };
      const { policies, login, entityAlias, reader } = plan;
      const ends = { expires_at, deadline, latest_deadline };
      const vault = { policies, login: login ?? null, entity_alias: entityAlias ?? null };
      return {
        type,
        fact: { ...ends, params, bind, assertion, digest, ...vault, secrets: asksOf(plan), reader },
      };
    }
    case 'approval.requested': {
      const { approvers, count } = fact.scope.approval;
      return { type, fact: { digest: fact.digest, approve_by: fact.approve_by, approvers, count } };
    }
    case 'approval.given':
      return { type, fact: { uid: fact.uid, signer: fact.signer ?? null, reason: fact.reason } };
    case 'approval.denied':
      return { type, fact: { uid: fact.uid, reason: fact.reason } };
    case 'grant.approved':
    case 'deadline.moved': {
      const { expires_at, deadline, latest_deadline } = fact;
      return { type, fact: { expires_at, deadline, latest_deadline } };
    }
    case 'generation.opened': {
      const { n, why, plan, profile_version = null } = fact;
      const changed = { policies: plan?.policies ?? null, secrets: plan && asksOf(plan) };
      return { type, fact: { n, why, profile_version, ...changed } };
    }
    case 'token.opened': {
      const { n, accessor, session, ends_at } = fact;
      return { type, fact: { n, token: id(accessor), session: session && id(session), ends_at } };
    }
    case 'token.lost':
      return { type, fact: { n: fact.n } };
    case 'leases.issued': {
      const leases = fact.leases.map(({ secret, path, id: lease, ends_at, renewable, revocable }) => ({
        ...{ secret, path, lease: lease && id(lease), ends_at, renewable, revocable },
      }));
      return { type, fact: { n: fact.n, leases, lost: fact.lost } };
    }
    case 'delivery.published':
      return { type, fact: { n: fact.n, files: fact.files } };
    case 'leases.renewed': {
      const leases = fact.leases.map(({ id: lease, ends_at, capped }) => ({
        lease: id(lease),
        ends_at,
        capped,
      }));
      return { type, fact: { n: fact.n, leases } };
    }
    case 'renewal.failed':
    case 'revocation.failed':
      return { type, fact: { n: fact.n, problem: problem(fact.problem) } };
    case 'leases.lost':
      return { type, fact: { n: fact.n, leases: fact.ids.map(id) } };
    case 'generation.retiring': {
      const why = fact.problem === null ? null : problem(fact.problem);
      return { type, fact: { n: fact.n, due: fact.due, problem: why } };
    }
    case 'files.withdrawn':
      return { type, fact: { n: fact.n, detail: text(fact.detail) } };
    case 'grant.held':
    case 'grant.adopted':
      return { type, fact: {} };
    case 'workload.signalled':
      return { type, fact: { n: fact.n, signal: fact.signal, delivered: fact.delivered } };
    case 'grant.refused':
    case 'erasure.failed':
      return { type, fact: { problem: problem(fact.problem) } };
    case 'grant.stopping':
      return { type, fact: { reason: fact.reason, detail: fact.detail && text(fact.detail) } };
    case 'files.erased':
      return { type, fact: { erased_at: fact.erased_at } };
    case 'leases.known': {
      const gone = fact.gone.map(({ id: lease, proof }) => ({ lease: id(lease), proof }));
      return { type, fact: { n: fact.n, known: fact.known.map(id), gone } };
    }
    case 'generation.proved': {
      const leases = fact.leases.map(({ id: lease, proof }) => ({ lease: id(lease), proof }));
      return { type, fact: { n: fact.n, leases } };
    }
    case 'revocation.abandoned':
      return { type, fact: { reason: fact.reason, uid: fact.uid } };
    case 'grant.closed':
      return { type, fact: { outcome: fact.outcome, receipt: receiptOf(memory, fact.receipt) } };
    default:
      return fact satisfies never;
  }
}

const NOBODY = { issuer: '', subject: null, expires_at: '', claims: {} };

const asksOf = ({ asks }: Plan): RecordedAsk[] =>
  asks.map(({ secret, method, path, files }) => ({
    ...{ secret, method, path },
    files: files.map(({ name }) => name),
  }));

/** Vault's own words may name a lease or an accessor. */
function scrubbed(words: string, { ids }: GrantMemory): string {
  let text = words;
  for (const [clear, hmac] of ids) if (text.includes(clear)) text = text.replaceAll(clear, hmac);
  return text;
}

function receiptOf(memory: GrantMemory, receipt: Receipt): Omit<SealedReceipt, 'ledger' | 'grant'> {
  const { about, files, erasedAt } = memory;
  // The lines of a receipt are in the order of the generations, each with every secret once.
  const queues = new Map(
    [...memory.leases].map(([secret, leases]) => {
      const sorted = [...leases].sort(([a], [b]) => a - b);
      return [secret, sorted.map(([, lease]) => lease)];
    }),
  );
  return {
    ...receipt,
    leases: receipt.leases.map((line) => ({
      ...line,
      engine: line.path.split('/')[0]!,
      lease: queues.get(line.secret)?.shift() ?? null,
    })),
    profile_version: about.profile_version,
    caller: about.caller,
    parent: about.parent,
    files: { written: [...files].sort(), erased_at: erasedAt },
  };
}
