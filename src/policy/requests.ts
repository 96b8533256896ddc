// Owns the requests that tasks of a profile can make with their token, for whoever makes, checks or explains policies.
// Invariant: none is left out; where a start decides a value, its slot stays, and says what values can stand there.

import { neededFor } from '../domain/needed.ts';
import { match } from '../domain/params.ts';
import type { Capability } from '../domain/policy-line.ts';
import type { ParamRule, Profile, SecretRule } from '../domain/profile.ts';
import { slots } from '../domain/template.ts';
import { prefixOf, sampleOf } from './pattern-text.ts';

export interface TaskRequest {
  /** Name of the secret in the profile. */
  readonly secret: string;
  readonly method: 'read' | 'write';
  /** What Vault checks. A write that may make something new is checked as create. */
  readonly capabilities: readonly Capability[];
  /** With the slots that are not decided: `secret/data/{{params.customer}}`. */
  readonly path: string;
  /** Of a read: its query. Absent where there is none. Slots as in the path. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Values that make it this request and not its sister: from an enum, or given. */
  readonly values: Readonly<Record<string, string>>;
}

/** More combinations than this of the values that a profile lists are not written out one by one. */
export const MOST_VARIANTS = 128;

/**
 * Every request, one for each combination of the values that the profile lists.
 * @param given values that are decided, by slot: `params.env`, `task.id`
 */
export function profileRequests(
  profile: Profile,
  given: Readonly<Record<string, string>> = {},
): TaskRequest[] {
  return profile.secrets.flatMap((rule) =>
    variants(profile, rule, given).map((values) => asked(rule, values)),
  );
}

function asked(rule: SecretRule, values: Readonly<Record<string, string>>): TaskRequest {
  const body = filled(bodyOf(rule), values) as TaskRequest['body'];
  const path = fill(rule.path, values);
  return {
    secret: rule.name,
    method: rule.method,
    capabilities: neededFor(rule),
    path,
    ...(body === undefined || Object.keys(body).length === 0 ? {} : { body }),
    values,
  };
}

/** What is sent: what the agent fills in (ttl_field, a key of its own making) is a slot of which nobody decides. */
function bodyOf({ method, body, ttlField, key, version }: SecretRule): Readonly<Record<string, unknown>> {
  const made = key?.as === 'csr' ? 'csr' : 'public_key';
  return {
    ...body,
    ...(version === undefined || method === 'write' ? {} : { version: String(version) }),
    ...(ttlField === undefined ? {} : { [ttlField]: '{{task.ttl}}' }),
    ...(key === undefined || method === 'read' ? {} : { [made]: `{{key.${made}}}` }),
  };
}

/** The slots of a secret's path and body. */
export const slotsOf = (rule: Pick<SecretRule, 'path' | 'body'>): string[] => [
  ...new Set([...slots(rule.path), ...texts(rule.body).flatMap(slots)]),
];

const texts = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(texts) : [];
};

function variants(
  profile: Profile,
  rule: SecretRule,
  given: Readonly<Record<string, string>>,
): Record<string, string>[] {
  let all: Record<string, string>[] = [{}];
  for (const slot of slotsOf(rule)) {
    const value = slot === 'task.profile' ? profile.name : given[slot];
    const listed = value !== undefined ? [value] : valuesOf(paramOf(profile, slot));
    // Too many to write out: the slot stays, as one that a pattern decides.
    if (listed.length === 0 || all.length * listed.length > MOST_VARIANTS) continue;
    all = all.flatMap((values) => listed.map((each) => ({ ...values, [slot]: each })));
  }
  return all;
}

export const paramOf = ({ params }: Profile, slot: string): ParamRule | undefined =>
  slot.startsWith('params.') ? params[slot.slice('params.'.length)] : undefined;

/** The values that a profile lists for a parameter, without those that its pattern excludes. */
function valuesOf(rule: ParamRule | undefined): readonly string[] {
  const { enum: listed = [], pattern, claim } = rule ?? {};
  // A claim's pattern is about the claim; the list is about what it captures.
  if (pattern === undefined || claim !== undefined) return listed;
  return listed.filter((value) => match(pattern, value) !== null);
}

/** What a slot's every value begins with, so far as its rule says. */
export function startOfSlot(profile: Profile, slot: string): string {
  const rule = paramOf(profile, slot);
  return rule?.pattern === undefined || rule.claim !== undefined ? '' : prefixOf(rule.pattern);
}

const SAMPLE: Readonly<Record<string, string>> = {
  'task.id': 'sample-1',
  'task.ttl': '60s',
  'event.id': 'e-1',
};

/** A request as one task would send it: what is not decided has a value that the profile would take. */
export function sampleRequest(profile: Profile, request: TaskRequest): TaskRequest {
  const left = slotsOf(request).filter((slot) => request.values[slot] === undefined);
  const values = Object.fromEntries(
    left.map((slot) => [slot, SAMPLE[slot] ?? sampleOf(paramOf(profile, slot))]),
  );
  return filledRequest(request, values);
}

/** A request with more of its slots decided. */
export const filledRequest = (
  request: TaskRequest,
  values: Readonly<Record<string, string>>,
): TaskRequest => ({
  ...request,
  path: fill(request.path, values),
  ...(request.body === undefined ? {} : { body: filled(request.body, values) as Record<string, unknown> }),
  values: { ...request.values, ...values },
});

/** The template with the slots that have a value here; others stay. */
export const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(
    /\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g,
    (_whole, name: string) => values[name] ?? `{{${name}}}`,
  );

function filled(value: unknown, values: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') return fill(value, values);
  if (Array.isArray(value)) return value.map((each) => filled(each, values));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, values)]));
}
