// Owns the requests to Vault that issue a task's secrets, from template to what is sent. Invariant: a value never
// leaves its path segment; the TTL alone is filled in right before the request.

import { wholeSeconds } from './duration.ts';
import { type FileRule, plannedFile } from './file-rule.ts';
import type { SecretRule, SecretTerms } from './profile.ts';
import { renderSegments, slots } from './template.ts';

/** One request to Vault that issues a secret. */
export interface Ask extends SecretTerms {
  readonly secret: string;
  readonly method: 'read' | 'write';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly files: readonly FileRule[];
}

/** The request as it is sent. */
export interface TimedAsk extends Ask {
  readonly query?: Readonly<Record<string, string>>;
  /** It replaces one that has ended: what Vault has not rotated yet will not do. */
  readonly fresh?: boolean;
}

const TTL_SLOT = 'task.ttl';

/** The request of a rule with these values; `{{task.ttl}}` stays. */
export function askOf(rule: SecretRule, values: ReadonlyMap<string, string>): Ask {
  const value = (name: string) => values.get(name);
  const render = (template: string) => renderSegments(template, value, (name) => name === TTL_SLOT);
  const { name: secret, method, path, body, files, ...terms } = rule;
  return {
    secret,
    method,
    path: render(path),
    ...(body === undefined ? {} : { body: renderBody(body, render) }),
    files: files.map((file) => plannedFile(file, value)),
    ...terms,
  };
}

/** The request as it is sent: for a task that ends `leftMs` from now. */
export function timed(ask: Ask, leftMs: number): TimedAsk {
  const { method, ttlField, version } = ask;
  const ttl = `${wholeSeconds(leftMs)}s`;
  const render = (template: string) =>
    renderSegments(template, (name) => (name === TTL_SLOT ? ttl : undefined));
  const field = ttlField === undefined ? {} : { [ttlField]: ttl };
  const body = {
    ...(ask.body === undefined ? {} : renderBody(ask.body, render)),
    ...(method === 'write' ? field : {}),
  };
  const query = {
    ...(version === undefined ? {} : { version: String(version) }),
    ...(method === 'read' ? field : {}),
  };
  return {
    ...ask,
    path: render(ask.path),
    ...(Object.keys(body).length === 0 && ask.body === undefined ? {} : { body }),
    ...(Object.keys(query).length === 0 ? {} : { query }),
  };
}

function renderBody(
  body: Readonly<Record<string, unknown>>,
  render: (template: string) => string,
): Record<string, unknown> {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return slots(value).length > 0 ? render(value) : value;
    if (Array.isArray(value)) return value.map(walk);
    if (value !== null && typeof value === 'object')
      return renderBody(value as Record<string, unknown>, render);
    return value;
  };
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, walk(value)]));
}
