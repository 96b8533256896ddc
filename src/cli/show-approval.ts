// Owns how a request for approval looks to whoever is to approve it. Invariant: every member of the scope that its
// digest is of is there; what this version does not know is shown as it is.

import { formatDuration } from '../domain/duration.ts';
import { columns } from './output.ts';
import { event, fieldsOf, instant, listOf, textOf } from './show.ts';

type Rows = string[][];

export function request(body: unknown, now?: number): string {
  const { approval } = fieldsOf(body);
  const { scope, digest, given } = fieldsOf(approval);
  const { task, profile, params, event: business, parent, policies, secrets, ...rest } = fieldsOf(scope);
  const { duration_seconds, deadline, grace_seconds, max_seconds, extend, ...about } = rest;
  const { reader, requester, bind, approval: rule, asked_at, approve_by, ...others } = about;
  const grace = ` and ${seconds(grace_seconds)} of grace`;
  const lasts =
    deadline === null || deadline === undefined
      ? `${seconds(duration_seconds)} from the approval`
      : `until ${instant(deadline, now)}`;
  const rows: Rows = [
    ['task', textOf(task)],
    ['profile', textOf(profile)],
    ...Object.entries(fieldsOf(params)).map(([name, value]) => ['param', `${name}=${textOf(value)}`]),
    ['event', event(business)],
    ['lasts', lasts + grace],
    ['extensible', extend === true ? `to ${seconds(max_seconds)} in all` : ''],
    ['asked by', caller(requester)],
    ['asked', instant(asked_at, now)],
    ['bound to', plain(bind)],
    ['parent', textOf(parent)],
    ['policies', listOf(policies).map(textOf).join(' ')],
    ...listOf(secrets).map(secret),
    ['read by', plain(reader)],
    ...Object.entries(others).map(([name, value]) => [name, plain(value)]),
    ['approvals', approvals(rule, given)],
    ['until', instant(approve_by, now)],
    ['digest', textOf(digest)],
  ];
  return columns(rows.filter(([, text]) => text !== ''));
}

const seconds = (value: unknown): string => (typeof value === 'number' ? formatDuration(value * 1000) : '');

function secret(value: unknown): string[] {
  const { secret: name, method, path, body, files } = fieldsOf(value);
  const sent = body === undefined ? '' : ` ${JSON.stringify(body)}`;
  return [
    'secret',
    `${textOf(name)}: ${textOf(method)} ${textOf(path)}${sent} into ${listOf(files).join(' ')}`,
  ];
}

function caller(value: unknown): string {
  const { admin, ...seen } = fieldsOf(value);
  return plain(seen) + (admin === true ? ' (by the admin socket)' : '');
}

function approvals(rule: unknown, given: unknown): string {
  const { approvers, count } = fieldsOf(rule);
  const by = listOf(given).map((word) => nameOf(fieldsOf(word)));
  const uids = listOf(approvers).map(textOf);
  const whose = uids.length === 0 ? '' : `, of uid ${uids.join(', ')}`;
  return `${by.length} of ${textOf(count)}${by.length === 0 ? '' : ` (${by.join(', ')})`}${whose}`;
}

const nameOf = ({ uid, signer }: Record<string, unknown>): string =>
  signer === undefined ? `uid ${textOf(uid)}` : `signed by ${textOf(signer)}`;

/** Members that say something, each with its name. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .filter(([, member]) => member !== null)
    .map(
      ([name, member]) => `${name} ${typeof member === 'object' ? JSON.stringify(member) : String(member)}`,
    )
    .join(', ');
}
