// Owns the names of all metrics, with their kind, help text and labels (README, Metrics). Invariant: label values
// come from the sets given here or from a set of bounded size, never from callers, so that no caller can fill a
// Prometheus.

import { CATALOGUE } from '../domain/problem.ts';

export interface MetricRule {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Each label with its values; null for a set that the code bounds (the series are capped besides). */
  readonly labels?: Readonly<Record<string, readonly string[] | null>>;
}

const CODES = Object.keys(CATALOGUE);
const OUTCOMES = ['completed', 'expired', 'lost', 'refused', 'revoked', 'failed'];

/** How long what takes milliseconds to minutes took. Seconds. */
export const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

export const METRICS = {
  tasklease_starts_total: { type: 'counter', help: 'Starts that were accepted and put on record.' },
  tasklease_start_failures_total: {
    type: 'counter',
    help: 'Accepted starts that failed before their task was active, by problem code.',
    labels: { code: CODES },
  },
  tasklease_refusals_total: {
    type: 'counter',
    help: 'Calls of the API that were answered with a problem, by its code.',
    labels: { code: CODES },
  },
  tasklease_stops_total: {
    type: 'counter',
    help: 'Tasks that began to stop, by the reason.',
    labels: { reason: OUTCOMES },
  },
  tasklease_tasks_closed_total: {
    type: 'counter',
    help: 'Tasks that are closed, by outcome.',
    labels: { outcome: OUTCOMES },
  },
  tasklease_facts_total: {
    type: 'counter',
    help: 'Facts on record, by type (README, events).',
    labels: { type: null },
  },
  tasklease_phase_duration_seconds: {
    type: 'histogram',
    help: 'How long the phases of a task took: of its start (token, read, probe, publish; start is all of it), of its life (renew, rotate) and of its stop (erase, proof; stop is all of it).',
    labels: {
      phase: ['token', 'read', 'probe', 'publish', 'start', 'renew', 'rotate', 'erase', 'proof', 'stop'],
    },
  },
  tasklease_tasks: {
    type: 'gauge',
    help: 'Living tasks, by state.',
    labels: { state: ['pending_approval', 'starting', 'active', 'degraded', 'stopping'] },
  },
  tasklease_leases: { type: 'gauge', help: 'Leases of living tasks, those that are being revoked included.' },
  tasklease_leases_without_task: {
    type: 'gauge',
    help: 'Leases whose task has ended and that are not proved gone yet. Must return to 0 within seconds: the alert to have.',
  },
  tasklease_leases_unproved_total: {
    type: 'counter',
    help: 'Leases of closed tasks whose end could not be proved.',
  },
  tasklease_revocations_pending: {
    type: 'gauge',
    help: 'Generations (a token with its leases) that are due to be revoked and not proved gone yet.',
  },
  tasklease_revocation_oldest_age_seconds: {
    type: 'gauge',
    help: 'For how long the oldest of the pending revocations has been due.',
  },
  tasklease_revocation_failures_total: {
    type: 'counter',
    help: 'Attempts at a revocation that failed with a new reason.',
  },
  tasklease_renewal_lag_seconds: {
    type: 'gauge',
    help: 'By how much the most overdue renewal of a lease is late.',
  },
  tasklease_vault_request_duration_seconds: {
    type: 'histogram',
    help: 'How long requests to Vault took, waiting for their turn included, by what they are for.',
    labels: { request: null },
  },
  tasklease_vault_errors_total: {
    type: 'counter',
    help: 'Failed requests to Vault: whether they were refused, can be done later, were not done or have an unknown outcome, and the problem code.',
    labels: {
      kind: ['refused', 'later', 'not_done', 'unknown'],
      code: ['VAULT_DENIED', 'VAULT_CONTRACT', 'VAULT_UNREACHABLE', 'VAULT_SEALED'],
    },
  },
  tasklease_session_ttl_seconds: {
    type: 'gauge',
    help: 'When the Vault session ends, and every credential with it, unless it is renewed; 0 without one.',
  },
  tasklease_leash_seconds: {
    type: 'gauge',
    help: 'The leash of the configuration: the session TTL after each renewal.',
  },
  tasklease_session_renewals_total: { type: 'counter', help: 'Renewals of the Vault session.' },
  tasklease_session_failures_total: {
    type: 'counter',
    help: 'Logins to Vault and renewals of the session that failed, by problem code.',
    labels: { code: CODES },
  },
  tasklease_security_events_total: {
    type: 'counter',
    help: 'What somebody else may have a hand in (README, Operations): alarm on any.',
    labels: { event: ['wrapping_token_used', 'wrapping_token_replaced', 'assertion_presented_again'] },
  },
  tasklease_spans_total: {
    type: 'counter',
    help: 'Spans of traces (README, Traces): exported, or lost because their receiver was away, slow or refused them.',
    labels: { result: ['exported', 'lost'] },
  },
  tasklease_ready: { type: 'gauge', help: '1 when a start would be taken now, else 0.' },
  tasklease_live: { type: 'gauge', help: '0 when the agent itself is stuck, else 1.' },
  tasklease_profiles: { type: 'gauge', help: 'Profiles in force.' },
  tasklease_profile_faults: {
    type: 'gauge',
    help: 'Profile files that are not in force because of a fault.',
  },
  tasklease_profile_faulty: {
    type: 'gauge',
    help: 'Always 1; a profile file that is not in force as it is.',
    labels: { profile: null },
  },
  tasklease_profile_reload_failures_total: {
    type: 'counter',
    help: 'How often a profile file was read and not taken.',
  },
  tasklease_file_faulty: {
    type: 'gauge',
    help: 'Always 1; a file of the configuration that is not in force as it is: its last good version is.',
    labels: { file: null },
  },
  tasklease_file_reload_failures_total: {
    type: 'counter',
    help: 'How often a new fault of a file of the configuration was found.',
  },
  tasklease_journal_failures_total: { type: 'counter', help: 'Writes to the journal that failed.' },
  tasklease_ledger_head_age_seconds: {
    type: 'gauge',
    help: "Since when the ledger's newest record is there; absent before this agent's first.",
  },
  tasklease_ledger_unsigned_age_seconds: {
    type: 'gauge',
    help: "For how long the ledger's oldest record without a signed head waits for one; 0 when all have one. Stays below ledger.head_after.",
  },
  tasklease_build_info: {
    type: 'gauge',
    help: 'Always 1; what runs here.',
    labels: { version: null, node: null },
  },
  nodejs_eventloop_lag_seconds: {
    type: 'gauge',
    help: 'How late the event loop came to a timer, looked at every second.',
  },
  nodejs_eventloop_lag_max_seconds: { type: 'gauge', help: 'The same, the worst of the last minute.' },
  nodejs_heap_size_used_bytes: { type: 'gauge', help: 'Heap in use.' },
  nodejs_external_memory_bytes: { type: 'gauge', help: 'Memory outside the heap that belongs to objects.' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory.' },
  process_cpu_seconds_total: { type: 'counter', help: 'User and system CPU time.' },
  process_open_fds: { type: 'gauge', help: 'Open file descriptors.' },
  process_max_fds: { type: 'gauge', help: 'The limit on open file descriptors.' },
  process_start_time_seconds: { type: 'gauge', help: 'When the process started, since 1970.' },
} as const satisfies Readonly<Record<string, MetricRule>>;

export type MetricName = keyof typeof METRICS;

/** One sample of a gauge, or of a counter that somebody else keeps. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What is so now. */
export type Samples = Readonly<Partial<Record<MetricName, readonly Sample[]>>>;

export interface Meter {
  count(metric: MetricName, labels?: Readonly<Record<string, string>>, by?: number): void;
  /** How long something took, for a histogram. */
  time(metric: MetricName, seconds: number, labels?: Readonly<Record<string, string>>): void;
}
