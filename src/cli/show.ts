// Owns how answers of the API look to a person. Invariant: a field that is missing or of another type is
// left out, never printed as "undefined"; what is printed never holds a secret because no answer does.

import { formatDuration } from '../domain/duration.ts';
import { columns, paint } from './output.ts';
import * as voice from './voice.ts';

type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** `2026-11-22T10:15:15Z (in 14m3s)`. */
export function instant(value: unknown, now: number = Date.now()): string {
  const at = Date.parse(textOf(value));
  if (Number.isNaN(at)) return textOf(value);
  const distance = Math.round((at - now) / 1000) * 1000;
  if (distance === 0) return `${textOf(value)} (now)`;
  const length = formatDuration(Math.abs(distance));
  return `${textOf(value)} (${distance > 0 ? `in ${length}` : `${length} ago`})`;
}

/** A start answer or a task, one field a line. */
export function task(value: unknown, now?: number): string {
  const fields = fieldsOf(value);
  const rows: string[][] = [
    ['task', textOf(fields.task)],
    ['state', textOf(fields.state)],
    ['profile', textOf(fields.profile)],
    ['parent', textOf(fields.parent)],
    ['outcome', textOf(fields.outcome)],
    ['event', event(fields.event)],
    ['dir', fields.state === 'degraded' && fields.dir === null ? voice.withdrawn : textOf(fields.dir)],
    ['files', listOf(fields.files).map(textOf).join(' ')],
    ['generation', textOf(fields.generation)],
    ['deadline', fields.deadline === undefined ? '' : instant(fields.deadline, now)],
    ['closed', fields.closed_at === undefined ? '' : instant(fields.closed_at, now)],
    ...approvalRows(fields, now),
    ['reason', problem(fields.reason)],
    ...leaseRows(fields.leases, now),
  ];
  return columns(rows.filter((row) => row[1] !== ''));
}

function approvalRows({ state, approval }: Fields, now?: number): string[][] {
  const { approve_by: until, given } = fieldsOf(approval);
  if (state === 'pending_approval') return [['approval', `awaited until ${instant(until, now)}`]];
  return listOf(given).map((word) => ['approved', `by uid ${textOf(fieldsOf(word).uid)}`]);
}

function leaseRows(value: unknown, now?: number): string[][] {
  return listOf(value).map((item) => {
    const lease = fieldsOf(item);
    const end = typeof lease.proof === 'string' ? ended(lease, now) : living(lease, now);
    return ['lease', `${textOf(lease.secret)} ${end}`.trim()];
  });
}

/** A lease of a task that is not closed. */
function living(lease: Fields, now?: number): string {
  const ends = textOf(lease.expires_at);
  if (lease.revocable === false) return notRevocable(ends, now);
  return [
    ...(ends === '' ? [] : [`until ${instant(ends, now)}`]),
    ...(lease.renewable === true ? ['renewable'] : []),
  ].join(' ');
}

/** What became of a lease (README, API, Receipt). */
function ended(lease: Fields, now?: number): string {
  const ends = textOf(lease.ends_at);
  switch (lease.proof) {
    case 'revoked':
      return `revoked at ${textOf(lease.ended_at)}`;
    case 'expires':
      return notRevocable(ends, now);
    case 'unproved':
      return `not proved revoked, ${ends === '' ? 'its own end is not known' : `ends by itself at ${instant(ends, now)}`}`;
    default:
      return textOf(lease.proof);
  }
}

const notRevocable = (ends: string, now?: number): string =>
  `not revocable, ${ends === '' ? 'no end of its own' : `ends at ${instant(ends, now)}`}`;

export function event(value: unknown): string {
  const { type, id } = fieldsOf(value);
  return typeof type === 'string' && typeof id === 'string' ? `${type}:${id}` : '';
}

function problem(value: unknown): string {
  const { code, detail } = fieldsOf(value);
  return typeof code === 'string' ? `${code} ${textOf(detail)}` : '';
}

/** The tasks of `GET /v1/tasks`, one a line under a heading. */
export function tasks(value: unknown, now?: number): string {
  const list = listOf(fieldsOf(value).tasks).map(fieldsOf);
  if (list.length === 0) return voice.noTasks;
  // Children and troubles are rare: their columns are there when one of the tasks has something to say.
  const table: [heading: string, cell: (item: Fields) => string, always?: true][] = [
    ['TASK', (item) => textOf(item.task), true],
    ['STATE', (item) => textOf(item.state), true],
    ['PROFILE', (item) => textOf(item.profile), true],
    ['PARENT', (item) => textOf(item.parent)],
    ['EVENT', (item) => event(item.event), true],
    ['DEADLINE', (item) => (item.deadline === undefined ? '' : instant(item.deadline, now)), true],
    ['REASON', (item) => problem(item.reason)],
  ];
  const shown = table.filter(([, cell, always]) => always === true || list.some((item) => cell(item) !== ''));
  const rows = list.map((item) => shown.map(([, cell]) => cell(item) || '-'));
  const [heading = '', ...lines] = columns([shown.map(([name]) => name), ...rows]).split('\n');
  return [paint('bold', heading), ...lines].join('\n');
}

/** A receipt: what ended how, then one line a lease. */
export function receipt(value: unknown, now?: number): string {
  const fields = fieldsOf(value);
  const exposure = fields.exposure_seconds;
  const head = [
    textOf(fields.task),
    voice.state(textOf(fields.state)),
    textOf(fields.outcome),
    ...(typeof exposure === 'number'
      ? [`${voice.leases(listOf(fields.leases).length)}, exposed for ${exposure} s`]
      : []),
  ];
  const rows = listOf(fields.leases).map((item) => {
    const lease = fieldsOf(item);
    return ['', textOf(lease.secret), textOf(lease.path), ended(lease, now)];
  });
  return [head.filter((part) => part !== '').join('  '), ...(rows.length === 0 ? [] : [columns(rows)])].join(
    '\n',
  );
}

/** How many leases of a receipt are not proved revoked. */
export const unprovedLeases = (value: unknown): number =>
  listOf(fieldsOf(value).leases).filter((lease) => fieldsOf(lease).proof === 'unproved').length;

/** One fact of an events stream as a line: time, task, type, then whatever else it says. */
export function fact(value: unknown): string {
  const { at, task: name, type, seq: _seq, ...rest } = fieldsOf(value);
  const details = Object.entries(rest)
    .map(([key, item]) => [key, plain(item)] as const)
    .filter(([, text]) => text !== '')
    .map(([key, text]) => `${key}=${/[\s"]/.test(text) ? JSON.stringify(text) : text}`);
  const cells = [textOf(at), textOf(name), textOf(type), details.join(' ')];
  return columns([cells.filter((cell) => cell !== '')]);
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object') {
    if (event(value) !== '') return event(value);
    if (problem(value) !== '') return problem(value);
    return Array.isArray(value) && value.every((item) => typeof item === 'string')
      ? value.join(',')
      : `${Array.isArray(value) ? value.length : '…'}`;
  }
  return String(value);
}
