// Owns the ledger as a table for spreadsheets: one line a lease, one for a task without any. Invariant: no cell is a formula.

import type { AuditedLease, AuditedTask } from './tasks.ts';

type Cell = string | number | boolean | null;

const COLUMNS: readonly (readonly [string, (task: AuditedTask, lease: AuditedLease | null) => Cell])[] = [
  ['task', ({ task }) => task],
  ['grant', ({ grant }) => grant],
  ['profile', ({ profile }) => profile],
  ['profile_version', (task) => task.profile_version],
  ['event_type', ({ event }) => event?.type ?? null],
  ['event_id', ({ event }) => event?.id ?? null],
  ['uid', ({ caller }) => caller?.uid ?? null],
  ['gid', ({ caller }) => caller?.gid ?? null],
  ['admin', ({ caller }) => caller?.admin ?? null],
  ['exe', ({ caller }) => caller?.exe ?? null],
  ['parent', ({ parent }) => parent],
  ['state', ({ state }) => state],
  ['outcome', ({ outcome }) => outcome],
  ['problem', ({ problem }) => problem && `${problem.code} ${problem.detail}`],
  ['started_at', (task) => task.started_at],
  ['closed_at', (task) => task.closed_at],
  ['exposure_seconds', (task) => task.exposure_seconds],
  ['generation', (_task, lease) => lease?.generation ?? null],
  ['secret', (_task, lease) => lease?.secret ?? null],
  ['path', (_task, lease) => lease?.path ?? null],
  ['lease', (_task, lease) => lease?.lease ?? null],
  ['issued_at', (_task, lease) => lease?.issued_at ?? null],
  ['ended_at', (_task, lease) => lease?.ended_at ?? null],
  ['ends_at', (_task, lease) => lease?.ends_at ?? null],
  ['proof', (_task, lease) => lease?.proof ?? null],
];

/** Lines as RFC 4180 has them, without their ends. */
export function* csv(tasks: Iterable<AuditedTask>): Generator<string> {
  yield COLUMNS.map(([name]) => name).join(',');
  for (const task of tasks) {
    for (const lease of task.leases.length === 0 ? [null] : task.leases) {
      yield COLUMNS.map(([, of]) => cell(of(task, lease))).join(',');
    }
  }
}

/** How one begins (OWASP, CSV injection), with the full-width signs that some take for the same, and after blanks. */
const FORMULA = /^[\s\u200b\ufeff]*[=+\-@\t\r\n＝＋－＠]/;

function cell(value: Cell): string {
  if (value === null) return '';
  const text = String(value);
  // What a caller has named must not be reckoned by the spreadsheet.
  const plain = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
