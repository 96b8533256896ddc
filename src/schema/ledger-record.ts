// Owns the shape of a ledger's line as a reader may rely on it (README, Ledger), version 1. Invariant: it says the same as
// domain/record.ts, and every key is listed: what is not here is not on record.

import * as z from 'zod';
import type { Outcome } from '../domain/fact.ts';
import type { Proof } from '../domain/lease.ts';
import { CATALOGUE, type ProblemCode } from '../domain/problem.ts';
import type { LedgerRecord } from '../domain/record.ts';

const hmac = z.string().regex(/^hmac-sha256:[0-9a-f]{64}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const id = z.number().int().min(0);
const n = z.number().int().min(1);
const texts = z.array(z.string());
const proof = z.enum(['revoked', 'unproved', 'expires'] satisfies Proof[]);
const outcome = z.enum(['completed', 'expired', 'lost', 'refused', 'revoked', 'failed'] satisfies Outcome[]);
const code = z.enum(Object.keys(CATALOGUE) as [ProblemCode, ...ProblemCode[]]);
const problem = z.strictObject({ code, detail: z.string() });
const event = z.strictObject({ type: z.string(), id: z.string() });
const term = { expires_at: z.string(), deadline: z.string(), latest_deadline: z.string() };

const caller = z.strictObject({
  uid: id,
  gid: id,
  admin: z.boolean(),
  pid: id.nullable(),
  exe: z.string().nullable(),
  cgroup: z.string().nullable(),
  container: z.string().nullable(),
});

const ask = z.strictObject({
  secret: z.string(),
  method: z.enum(['read', 'write']),
  path: z.string(),
  files: texts,
});

export const publicKey = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  kid: z.string(),
});

const word = { uid: id.nullable(), reason: z.string().nullable() };

export const sealedReceipt = z.strictObject({
  task: z.string(),
  profile: z.string(),
  state: z.literal('closed'),
  outcome,
  event: event.nullable(),
  started_at: z.string(),
  closed_at: z.string(),
  exposure_seconds: z.number(),
  approval: z
    .strictObject({
      digest: z.string(),
      given: z.array(z.strictObject({ ...word, signer: z.string().optional(), at: z.string() })),
      denied: z.strictObject({ ...word, at: z.string() }).nullable(),
    })
    .optional(),
  leases: z.array(
    z.strictObject({
      secret: z.string(),
      path: z.string(),
      issued_at: z.string(),
      ended_at: z.string().nullable(),
      proof,
      ends_at: z.string().nullable(),
      engine: z.string(),
      lease: hmac.nullable(),
    }),
  ),
  grant: z.string(),
  profile_version: z.string().nullable(),
  caller,
  parent: z.string().nullable(),
  files: z.strictObject({ written: texts, erased_at: z.string().nullable() }),
  ledger: z.strictObject({ id: z.string(), seq: n, prev: hash }),
});

const lost = z.array(z.strictObject({ secret: z.string(), path: z.string() }));
const proved = z.array(z.strictObject({ lease: hmac, proof }));

/** Every type of record with what its `fact` holds. */
const FACTS = {
  'grant.accepted': z.strictObject({
    ...term,
    params: z.record(z.string(), z.string()),
    bind: z
      .union([
        z.strictObject({ pid: id }),
        z.strictObject({ cgroup: z.string() }),
        z.strictObject({ connection: z.literal(true) }),
      ])
      .nullable(),
    assertion: z
      .strictObject({
        issuer: z.string(),
        subject: z.string().nullable(),
        expires_at: z.string(),
        claims: z.record(z.string(), z.unknown()),
      })
      .nullable(),
    digest: z.string(),
    policies: texts,
    login: z.strictObject({ mount: z.string(), role: z.string() }).nullable(),
    entity_alias: z.string().nullable(),
    secrets: z.array(ask),
    reader: z.strictObject({ uid: id, gid: id }),
  }),
  'approval.requested': z.strictObject({
    digest: z.string(),
    approve_by: z.string(),
    approvers: z.array(id),
    count: n,
  }),
  'approval.given': z.strictObject({ ...word, signer: z.string().nullable() }),
  'approval.denied': z.strictObject(word),
  'grant.approved': z.strictObject(term),
  'generation.opened': z.strictObject({
    n,
    why: z.string().nullable(),
    // Earlier records do not say.
    profile_version: z.string().nullable().default(null),
    policies: texts.nullable(),
    secrets: z.array(ask).nullable(),
  }),
  'token.opened': z.strictObject({ n, token: hmac, session: hmac.nullable(), ends_at: z.string() }),
  'token.lost': z.strictObject({ n }),
  'leases.issued': z.strictObject({
    n,
    leases: z.array(
      z.strictObject({
        secret: z.string(),
        path: z.string(),
        lease: hmac.nullable(),
        ends_at: z.string().nullable(),
        renewable: z.boolean(),
        revocable: z.boolean(),
      }),
    ),
    lost,
  }),
  'delivery.published': z.strictObject({ n, files: texts }),
  'leases.renewed': z.strictObject({
    n,
    leases: z.array(z.strictObject({ lease: hmac, ends_at: z.string(), capped: z.boolean() })),
  }),
  'renewal.failed': z.strictObject({ n, problem }),
  'revocation.failed': z.strictObject({ n, problem }),
  'leases.lost': z.strictObject({ n, leases: z.array(hmac) }),
  'generation.retiring': z.strictObject({ n, due: z.string(), problem: problem.nullable() }),
  'files.withdrawn': z.strictObject({ n, detail: z.string() }),
  'deadline.moved': z.strictObject(term),
  'grant.held': z.strictObject({}),
  'grant.adopted': z.strictObject({}),
  'workload.signalled': z.strictObject({ n, signal: z.string(), delivered: z.boolean() }),
  'grant.refused': z.strictObject({ problem }),
  'erasure.failed': z.strictObject({ problem }),
  'grant.stopping': z.strictObject({ reason: outcome, detail: z.string().nullable() }),
  'files.erased': z.strictObject({ erased_at: z.string() }),
  'leases.known': z.strictObject({ n, known: z.array(hmac), gone: proved }),
  'generation.proved': z.strictObject({ n, leases: proved }),
  'revocation.abandoned': z.strictObject({ reason: z.string(), uid: id }),
  'grant.closed': z.strictObject({ outcome, receipt: sealedReceipt, jws: z.string() }),
  'start.refused': z.strictObject({ problem, left_out: id }),
  'refusals.left_out': z.strictObject({ count: n }),
  'agent.started': z.strictObject({ version: z.string() }),
  'ledger.opened': z.strictObject({ ledger: z.string(), key: publicKey }),
  'key.rotated': z.strictObject({ key: publicKey, signed: z.string().nullable() }),
  head: z.strictObject({ jws: z.string() }),
  'segment.retired': z.strictObject({
    from: n,
    to: n,
    hash,
    why: z.enum(['age', 'size']),
    archived: z.boolean(),
  }),
  'ledger.mismatch': z.strictObject({ detail: z.string() }),
} as const satisfies Record<LedgerRecord['type'], z.ZodType>;

export const RECORD_TYPES = Object.keys(FACTS) as readonly LedgerRecord['type'][];

/** The members of a line, in the order in which they are written. */
export const envelope = {
  v: z.literal(1),
  seq: n,
  prev: hash,
  time: z.string(),
  boot: z.string(),
  boot_ms: z.number(),
  type: z.enum(RECORD_TYPES as [LedgerRecord['type'], ...LedgerRecord['type'][]]),
  grant: z.string().nullable(),
  task: z.string().nullable(),
  profile: z.string().nullable(),
  profile_version: z.string().nullable(),
  event: event.nullable(),
  caller: caller.nullable(),
  parent: z.string().nullable(),
  fact: z.unknown(),
  hash,
};

const line = z.strictObject(envelope);

/** @throws ZodError; a record's fact is checked by its type */
export function parseRecord(value: unknown): LedgerRecord {
  const head = line.parse(value);
  const fact = FACTS[head.type].parse(head.fact);
  return { ...head, fact } as LedgerRecord;
}
