// Owns what the report says, as data: which grants, how much exposure by profile, what is not proved, who was busiest.
// Invariant: every number comes from the ledger; what is still open counts until now and is said to be open.

import type { Outcome } from '../../domain/fact.ts';
import type { Outage } from './marks.ts';

/** What became of a grant, worst last: `unproved` stands above any outcome. */
export const FATES = [
  ...(['completed', 'expired', 'revoked', 'lost', 'refused', 'failed', 'open', 'stopping'] as const),
  'unproved',
] as const;
export type Fate = (typeof FATES)[number];

export interface ReportGrant {
  readonly task: string;
  readonly profile: string;
  readonly event: string | null;
  readonly uid: number | null;
  readonly from: number;
  /** Null while it is open. */
  readonly to: number | null;
  readonly fate: Fate;
  readonly outcome: string;
  /** Seconds from issue to proof; until now where it is open. */
  readonly exposure: number;
  readonly leases: readonly { readonly path: string; readonly proof: string }[];
  readonly rotations: readonly number[];
  readonly why: string | null;
}

export interface ProfileLine {
  readonly profile: string;
  readonly grants: number;
  readonly exposure: number;
  readonly longest: number;
  readonly median: number;
  readonly unproved: number;
}

export interface Busiest {
  readonly name: string;
  readonly grants: number;
  readonly exposure: number;
  readonly refused: number;
}

export interface Verification {
  readonly state: 'verified' | 'broken' | 'unchecked';
  readonly sentence: string;
}

export interface ReportModel {
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly source: string;
  readonly verification: Verification;
  readonly grants: readonly ReportGrant[];
  /** Refused before there was a grant. */
  readonly refusals: number;
  readonly fates: Readonly<Record<Fate, number>>;
  readonly leases: {
    readonly issued: number;
    readonly revoked: number;
    readonly unproved: number;
    readonly expires: number;
    readonly live: number;
  };
  readonly attention: readonly ReportGrant[];
  readonly profiles: readonly ProfileLine[];
  readonly events: readonly Busiest[];
  readonly callers: readonly Busiest[];
  readonly outages: readonly {
    readonly from: number;
    readonly to: number | null;
    readonly code: string;
    readonly failures: number;
  }[];
}

/** What the records of one task come to, as far as the report needs it (audit/tasks.ts). */
export interface ReportTask {
  /** Null for a start that was refused before there was a grant. */
  readonly grant: string | null;
  readonly task: string | null;
  readonly profile: string | null;
  readonly event: { readonly type: string; readonly id: string } | null;
  readonly caller: { readonly uid: number } | null;
  readonly started_at: string;
  readonly closed_at: string | null;
  readonly state: 'open' | 'stopping' | 'closed' | 'refused';
  readonly outcome: Outcome | null;
  readonly problem: { readonly code: string; readonly detail: string } | null;
  readonly exposure_seconds: number | null;
  readonly leases: readonly {
    readonly path: string;
    readonly issued_at: string;
    readonly proof: string | null;
  }[];
}

export interface ReportInput {
  readonly tasks: readonly ReportTask[];
  readonly rotations: ReadonlyMap<string, readonly string[]>;
  readonly outages: readonly Outage[];
  readonly since: number;
  readonly now: number;
  readonly source: string;
  readonly verification: Verification;
}

export function reportModel(input: ReportInput): ReportModel {
  const { since, now } = input;
  const grants = input.tasks.map((task) => grantOf(task, input)).filter(({ to }) => (to ?? now) >= since);
  const leases = { issued: 0, revoked: 0, unproved: 0, expires: 0, live: 0 };
  const fates = Object.fromEntries(FATES.map((fate) => [fate, 0])) as Record<Fate, number>;
  for (const grant of grants) {
    fates[grant.fate] += 1;
    for (const { proof } of grant.leases) {
      leases.issued += 1;
      leases[proof as 'revoked' | 'unproved' | 'expires' | 'live'] += 1;
    }
  }
  const real = grants.filter(({ leases: own, fate }) => own.length > 0 || fate !== 'refused');
  const ms = (time: string): number => Date.parse(time);
  return {
    from: since,
    to: now,
    now,
    source: input.source,
    verification: input.verification,
    grants,
    refusals: input.tasks.filter(({ grant, started_at: at }) => grant === null && ms(at) >= since).length,
    fates,
    leases,
    attention: grants
      .filter(({ fate }) => fate === 'unproved' || fate === 'stopping')
      .sort((a, b) => b.exposure - a.exposure),
    profiles: byProfile(real),
    events: busiest(grants, ({ event }) => event),
    callers: busiest(grants, ({ uid }) => (uid === null ? null : `uid ${uid}`)),
    outages: input.outages
      .map(({ from, to, code, failures }) => ({
        from: ms(from),
        to: to === null ? null : ms(to),
        code,
        failures,
      }))
      .filter(({ to }) => (to ?? now) >= since),
  };
}

function grantOf(task: ReportTask, { now, rotations }: ReportInput): ReportGrant {
  const from = Date.parse(task.started_at);
  const unproved = task.leases.some(({ proof }) => proof === 'unproved');
  const ended = task.state === 'refused' ? from : task.closed_at === null ? null : Date.parse(task.closed_at);
  const fate: Fate = unproved
    ? 'unproved'
    : task.state === 'closed'
      ? (task.outcome ?? 'failed')
      : task.state;
  const issued = task.leases.map(({ issued_at: at }) => Date.parse(at));
  const live = issued.length === 0 ? 0 : (now - Math.min(...issued)) / 1000;
  return {
    task: task.task ?? '(no id)',
    profile: task.profile ?? '(no profile)',
    event: task.event === null ? null : `${task.event.type}:${task.event.id}`,
    uid: task.caller?.uid ?? null,
    from,
    to: ended,
    fate,
    outcome: task.outcome ?? task.state,
    exposure: task.exposure_seconds ?? (ended === null ? live : 0),
    leases: task.leases.map(({ path, proof }) => ({ path, proof: proof ?? 'live' })),
    rotations: (rotations.get(task.grant ?? '') ?? []).map((time) => Date.parse(time)),
    why: task.problem === null ? null : `${task.problem.code}: ${task.problem.detail}`,
  };
}

function byProfile(grants: readonly ReportGrant[]): ProfileLine[] {
  return [...Map.groupBy(grants, ({ profile }) => profile)]
    .map(([profile, own]) => {
      const times = own.map(({ exposure }) => exposure).sort((a, b) => a - b);
      return {
        profile,
        grants: own.length,
        exposure: times.reduce((sum, time) => sum + time, 0),
        longest: times.at(-1) ?? 0,
        median: times[Math.floor(times.length / 2)] ?? 0,
        unproved: own.reduce(
          (n, { leases }) => n + leases.filter(({ proof }) => proof === 'unproved').length,
          0,
        ),
      };
    })
    .sort((a, b) => b.exposure - a.exposure);
}

const SHOWN = 10;

function busiest(grants: readonly ReportGrant[], nameOf: (grant: ReportGrant) => string | null): Busiest[] {
  return [...Map.groupBy(grants, nameOf)]
    .flatMap(([name, own]) =>
      name === null
        ? []
        : [
            {
              name,
              grants: own.length,
              exposure: own.reduce((sum, { exposure }) => sum + exposure, 0),
              refused: own.filter(({ fate }) => fate === 'refused').length,
            },
          ],
    )
    .sort((a, b) => b.grants - a.grants || b.exposure - a.exposure)
    .slice(0, SHOWN);
}
