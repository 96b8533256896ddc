// Owns what an approver is shown and approves: exactly this, and any change of it is another request. Invariant: pure
// JSON, so that its digest can be taken by anybody; it holds no secret, because plans hold none.

import type { Asserted } from './assertion.ts';
import type { Grant } from './grant.ts';
import type { Profile } from './profile.ts';
import type { BusinessEvent, Plan } from './task-spec.ts';

/** A type, not an interface: so it is a plain JSON object to whoever takes one. */
export type Scope = {
  readonly task: string;
  readonly profile: string;
  readonly params: Readonly<Record<string, string>>;
  readonly event: BusinessEvent | null;
  readonly parent: string | null;
  readonly policies: readonly string[];
  /** The requests that issue its secrets; `{{task.ttl}}` alone is left in them. */
  readonly secrets: readonly {
    readonly secret: string;
    readonly method: 'read' | 'write';
    readonly path: string;
    readonly body?: Readonly<Record<string, unknown>>;
    /** What the time that the task has left is sent as. */
    readonly ttl_field?: string;
    readonly version?: number;
    readonly key?: { readonly type: string; readonly as: string };
    readonly files: readonly string[];
  }[];
  /** Where the credential is tried before the task hears of it. */
  readonly ready?: { readonly probe: string; readonly address: string };
  /** Who may read the files. */
  readonly reader: { readonly uid: number; readonly gid: number };
  /** Null where a deadline was named instead. */
  readonly duration_seconds: number | null;
  readonly deadline: string | null;
  readonly grace_seconds: number;
  /** How long it may be, extensions included. */
  readonly max_seconds: number;
  readonly extend: boolean;
  readonly requester: {
    readonly uid: number;
    readonly gid: number;
    readonly admin: boolean;
    /** What was seen of the calling process; null where there was none to see. */
    readonly pid: number | null;
    readonly exe: string | null;
    readonly cgroup: string | null;
    readonly container: string | null;
  };
  /** Who vouches for it, and for what; null where the profile asks for no assertion. */
  readonly assertion: Pick<Asserted, 'issuer' | 'subject' | 'claims'> | null;
  readonly bind: Grant['bind'];
  readonly approval: { readonly approvers: readonly number[]; readonly count: number };
  readonly asked_at: string;
  readonly approve_by: string;
};

/** What is the start's own word, and not the profile's. */
export type Terms = Pick<Scope, 'duration_seconds' | 'deadline' | 'asked_at' | 'approve_by'>;

type Asked = Pick<Grant, 'task' | 'params' | 'event' | 'parent' | 'owner' | 'admin' | 'evidence' | 'bind'> & {
  readonly asserted?: Asserted | null;
};

/** What a start asks for under this profile, which needs approvals. */
export function scopeOf(asked: Asked, profile: Profile, plan: Plan, terms: Terms): Scope {
  const { task, params, event, parent, owner, admin, evidence, bind } = asked;
  const { approvers, count } = profile.approval!;
  return {
    task,
    profile: profile.name,
    params,
    event,
    parent,
    policies: plan.policies,
    secrets: plan.asks.map(({ secret, method, path, body, ttlField, version, key, files }) => ({
      secret,
      method,
      path,
      ...(body === undefined ? {} : { body }),
      ...(ttlField === undefined ? {} : { ttl_field: ttlField }),
      ...(version === undefined ? {} : { version }),
      ...(key === undefined ? {} : { key: { ...key } }),
      files: files.map(({ name }) => name),
    })),
    ...(plan.ready === undefined ? {} : { ready: { probe: plan.ready.kind, address: plan.ready.address } }),
    reader: plan.reader,
    duration_seconds: terms.duration_seconds,
    deadline: terms.deadline,
    grace_seconds: profile.ttl.graceMs / 1000,
    max_seconds: profile.ttl.maxMs / 1000,
    extend: profile.ttl.extend,
    requester: {
      uid: owner.uid,
      gid: owner.gid,
      admin,
      pid: evidence?.pid ?? null,
      exe: evidence?.exe ?? null,
      cgroup: evidence?.cgroup ?? null,
      container: evidence?.container ?? null,
    },
    assertion: vouched(asked.asserted ?? null),
    bind,
    approval: { approvers, count },
    asked_at: terms.asked_at,
    approve_by: terms.approve_by,
  };
}

const vouched = (asserted: Asserted | null): Scope['assertion'] =>
  asserted === null ? null : { issuer: asserted.issuer, subject: asserted.subject, claims: asserted.claims };
