// Owns how facts become a grant. Invariant: the same facts give the same durable state, in a living
// process and after a crash; nothing else may change it.

import type { Entry, Fact, IssuedLease } from './fact.ts';
import type { Generation, Grant } from './grant.ts';
import { IDLE } from './grant.ts';
import type { GrantId } from './ids.ts';
import type { Instant, Moment } from './instant.ts';
import { instantOf } from './instant.ts';
import type { Lease, Proof } from './lease.ts';

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
      digest: fact.digest,
      plan: fact.plan,
      state: 'starting',
      acceptedAt: at.at,
      expiresAt: instantOf(fact.expires_at, at),
      deadline: instantOf(fact.deadline, at),
      generations: [],
      wasActive: false,
      outcome: null,
      refusal: null,
      problem: null,
      pending: IDLE,
    };
  }
  if (grant === null) throw new Error(`the journal has ${fact.type} of ${id} before its grant.accepted`);
  switch (fact.type) {
    case 'generation.opened':
      return { ...grant, generations: [...grant.generations, newGeneration(fact.n)] };
    case 'token.opened':
      return change(grant, fact.n, () => ({
        accessor: fact.accessor,
        tokenEndsAt: instantOf(fact.ends_at, at),
      }));
    case 'token.lost':
      return grant;
    case 'leases.issued':
      return change(grant, fact.n, () => ({
        leases: [
          ...fact.leases.map((lease) => issued(lease, at)),
          ...fact.lost.map((lost) => lostLease(lost.secret, lost.path, at.at)),
        ],
      }));
    case 'delivery.published':
      return {
        ...change(grant, fact.n, () => ({ files: fact.files, published: true })),
        state: 'active',
        wasActive: true,
      };
    case 'leases.renewed': {
      const renewed = new Map(fact.leases.map((lease) => [lease.id, lease]));
      const next = change(grant, fact.n, (generation) => ({
        leases: generation.leases.map((lease) => {
          const news = lease.id === null ? undefined : renewed.get(lease.id);
          if (news === undefined) return lease;
          return {
            ...lease,
            ttlMs: news.ttl_ms,
            endsAt: instantOf(news.ends_at, at),
            renewedAt: at.at,
            capped: news.capped,
          };
        }),
      }));
      return next.state === 'degraded' ? { ...next, state: 'active', problem: null } : next;
    }
    case 'renewal.failed':
      return { ...grant, state: grant.state === 'active' ? 'degraded' : grant.state, problem: fact.problem };
    case 'grant.refused':
      return { ...grant, state: 'stopping', outcome: 'refused', refusal: fact.problem };
    case 'grant.stopping':
      return { ...grant, state: 'stopping', outcome: fact.reason };
    case 'files.erased':
      return grant;
    case 'leases.known': {
      const known = new Set(fact.known);
      return change(grant, fact.n, (generation) => ({
        checked: true,
        leases: prove(generation, fact.gone, at.at).map((lease) =>
          lease.id !== null && known.has(lease.id) ? { ...lease, known: true } : lease,
        ),
      }));
    }
    case 'erasure.failed':
    case 'revocation.failed':
      return { ...grant, problem: fact.problem };
    case 'generation.proved':
      return change(grant, fact.n, (generation) => ({
        proved: true,
        leases: prove(generation, fact.leases, at.at).map((lease) => settle(lease, at.at)),
      }));
    case 'grant.closed':
      return { ...grant, state: 'closed', outcome: fact.outcome };
    default:
      return fact satisfies never;
  }
}

/** Folds the journal's entries of one grant; null when there are none. */
export function fold(entries: readonly Entry[]): Grant | null {
  let grant: Grant | null = null;
  for (const { grant: id, at, wallMs, fact } of entries) grant = apply(grant, id, fact, { at, wallMs });
  return grant;
}

function change(grant: Grant, n: number, edit: (generation: Generation) => Partial<Generation>): Grant {
  return {
    ...grant,
    generations: grant.generations.map((generation) =>
      generation.n === n ? { ...generation, ...edit(generation) } : generation,
    ),
  };
}

const newGeneration = (n: number): Generation => ({
  n,
  accessor: null,
  tokenEndsAt: null,
  leases: [],
  files: [],
  published: false,
  checked: false,
  proved: false,
});

const issued = (lease: IssuedLease, at: Moment): Lease => ({
  secret: lease.secret,
  path: lease.path,
  id: lease.id,
  issuedAt: at.at,
  ttlMs: lease.ttl_ms,
  issuedTtlMs: lease.ttl_ms,
  endsAt: lease.ends_at === null ? null : instantOf(lease.ends_at, at),
  renewedAt: at.at,
  renewable: lease.renewable,
  revocable: lease.revocable,
  capped: false,
  known: false,
  proof: null,
  endedAt: null,
});

const lostLease = (secret: string, path: string, at: Instant): Lease => ({
  secret,
  path,
  id: null,
  issuedAt: at,
  ttlMs: null,
  issuedTtlMs: null,
  endsAt: null,
  renewedAt: at,
  renewable: false,
  revocable: true,
  capped: false,
  known: false,
  proof: null,
  endedAt: null,
});

function prove(
  generation: Generation,
  proofs: readonly { readonly id: string; readonly proof: Proof }[],
  at: Instant,
): readonly Lease[] {
  const byId = new Map(proofs.map(({ id, proof }) => [id, proof]));
  return generation.leases.map((lease) => {
    const proof = lease.id === null ? undefined : byId.get(lease.id);
    return proof === undefined || lease.proof !== null ? lease : { ...lease, proof, endedAt: at };
  });
}

/** What has no lease id gets its honest word when its token is gone. */
function settle(lease: Lease, at: Instant): Lease {
  if (lease.proof !== null) return lease;
  if (!lease.revocable) return { ...lease, proof: 'expires', endedAt: null };
  return { ...lease, proof: 'unproved', endedAt: at };
}
