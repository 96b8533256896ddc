// Owns the promises of the facts that are told: in order, numbered, to every listener, without the ids and
// accessors that only Vault and the journal need.

import { expect, test } from 'vitest';
import type { Fact } from '../../../src/domain/fact.ts';
import { grantId, type TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import { FactStream, type PublicFact } from '../../../src/engine/fact-stream.ts';
import { ACCEPTED, PLAN } from '../domain/samples.ts';

const task = 'build-81' as TaskId;
const wallMs = Date.UTC(2026, 10, 22, 10);
const entry = (fact: Fact) => ({ grant: grantId(task, 1), at: 1, wallMs, fact });
const problem = new Problem('VAULT_UNREACHABLE', 'Vault is away', { hint: 'wait' }).body();
const CANARY = 'canary-4711';

const told = (fact: Fact): PublicFact => {
  const stream = new FactStream();
  let heard: PublicFact | undefined;
  stream.listen((each) => {
    heard = each.fact;
  });
  stream.tell(task, 1000, entry(fact));
  return heard!;
};

const lease = {
  secret: 'db',
  path: 'database/creds/report',
  id: `database/creds/report/${CANARY}`,
  ttl_ms: 600_000,
  ends_at: '2026-11-22T10:10:00.000Z',
  renewable: true,
  revocable: true,
};

test.each<[Fact, Record<string, unknown>]>([
  [
    {
      type: 'generation.opened',
      n: 2,
      why: 'the profile was changed',
      plan: { ...PLAN, policies: [CANARY] },
    },
    { generation: 2, why: 'the profile was changed' },
  ],
  [{ type: 'token.lost', n: 1 }, { generation: 1 }],
  [
    { type: 'token.opened', n: 1, accessor: CANARY, session: CANARY, ends_at: lease.ends_at },
    { generation: 1, ends_at: lease.ends_at },
  ],
  [
    { type: 'leases.issued', n: 1, leases: [lease], lost: [] },
    {
      generation: 1,
      leases: [{ secret: 'db', path: lease.path, ends_at: lease.ends_at, revocable: true }],
    },
  ],
  [
    { type: 'delivery.published', n: 2, files: ['db.env'], unchanged: true },
    { generation: 2, files: ['db.env'], changed: false },
  ],
  [
    {
      type: 'leases.renewed',
      n: 1,
      leases: [{ id: lease.id, ttl_ms: 1, ends_at: lease.ends_at, capped: true }],
    },
    { generation: 1, leases: [{ ends_at: lease.ends_at, capped: true }] },
  ],
  [
    { type: 'renewal.failed', n: 1, problem },
    { generation: 1, code: 'VAULT_UNREACHABLE', detail: 'Vault is away', hint: 'wait' },
  ],
  [
    { type: 'revocation.failed', n: 1, problem },
    { generation: 1, code: 'VAULT_UNREACHABLE', detail: 'Vault is away', hint: 'wait' },
  ],
  [
    { type: 'erasure.failed', problem },
    { code: 'VAULT_UNREACHABLE', detail: 'Vault is away', hint: 'wait' },
  ],
  [
    { type: 'grant.refused', problem },
    { code: 'VAULT_UNREACHABLE', detail: 'Vault is away', hint: 'wait' },
  ],
  [
    { type: 'grant.stopping', reason: 'lost', detail: 'the process ended' },
    { reason: 'lost', detail: 'the process ended' },
  ],
  [
    { type: 'leases.lost', n: 1, ids: [lease.id] },
    { generation: 1, leases: 1 },
  ],
  [
    { type: 'generation.retiring', n: 1, due: lease.ends_at, problem: null },
    { generation: 1, due: lease.ends_at },
  ],
  [
    { type: 'generation.retiring', n: 2, due: lease.ends_at, problem },
    { generation: 2, due: lease.ends_at, code: 'VAULT_UNREACHABLE', detail: 'Vault is away', hint: 'wait' },
  ],
  [
    { type: 'files.withdrawn', n: 1, detail: 'the credential in them ended' },
    { generation: 1, detail: 'the credential in them ended' },
  ],
  [
    { type: 'deadline.moved', expires_at: 'a', deadline: 'b', latest_deadline: 'c' },
    { expires_at: 'a', deadline: 'b' },
  ],
  [{ type: 'grant.held' }, {}],
  [{ type: 'grant.adopted' }, {}],
  [
    { type: 'workload.signalled', n: 2, signal: 'SIGHUP', delivered: false },
    { generation: 2, signal: 'SIGHUP', delivered: false },
  ],
  [
    { type: 'revocation.abandoned', reason: 'engine deleted', uid: 0 },
    { reason: 'engine deleted', uid: 0 },
  ],
  [{ type: 'files.erased', erased_at: lease.ends_at }, { erased_at: lease.ends_at }],
  [
    { type: 'leases.known', n: 1, known: [lease.id], gone: [{ id: CANARY, proof: 'unproved' }] },
    { generation: 1, known: 1, gone: 1 },
  ],
  [
    { type: 'generation.proved', n: 1, leases: [{ id: lease.id, proof: 'revoked' }] },
    { generation: 1, leases: 1 },
  ],
])('$type: what is told, and no id', (fact, part) => {
  const heard = told(fact);
  expect(heard).toEqual({ at: '2026-11-22T10:00:00.000Z', task, type: fact.type, ...part });
  expect(JSON.stringify(heard)).not.toContain(CANARY);
});

test('grant.accepted tells profile, event, times and what was seen of the caller, neither params nor owner nor plan', () => {
  const heard = told(ACCEPTED);
  expect(heard).toMatchObject({ type: 'grant.accepted', deadline: expect.any(String) });
  expect(Object.keys(heard).toSorted()).toEqual(
    ['at', 'task', 'type', 'profile', 'event', 'expires_at', 'deadline', 'parent', 'evidence'].toSorted(),
  );
});

test('every listener hears every fact in order, with its owner, until it stops', () => {
  const stream = new FactStream();
  const first: [unknown, number][] = [];
  const second: [unknown, number][] = [];
  const stop = stream.listen(({ fact }, owner) => first.push([fact.generation, owner]));
  stream.tell(task, 1000, entry({ type: 'token.lost', n: 1 }));
  stream.listen(({ fact }, owner) => second.push([fact.generation, owner]));
  stream.tell(task, 1001, entry({ type: 'token.lost', n: 2 }));
  stop();
  stop();
  stream.tell(task, 1002, entry({ type: 'token.lost', n: 3 }));
  expect(first).toEqual([
    [1, 1000],
    [2, 1001],
  ]);
  expect(second).toEqual([
    [2, 1001],
    [3, 1002],
  ]);
});
