// Owns the requests to Vault that issue a task's secrets, from template to what is sent. Invariant: a value never
// leaves its path segment; the TTL alone is filled in right before the request.

import { wholeSeconds } from './duration.ts';
import { type FileRule, plannedFile } from './file-rule.ts';
import type { SecretRule } from './profile.ts';
import { renderSegments, slots } from './template.ts';

/** One request to Vault that issues a secret. */
export interface Ask {
  readonly secret: string;
  readonly method: 'read' | 'write';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly files: readonly FileRule[];
}

const TTL_SLOT = 'task.ttl';

/** The request of a rule with these values; `{{task.ttl}}` stays. */
export function askOf(rule: SecretRule, values: ReadonlyMap<string, string>): Ask {
  const value = (name: string) => values.get(name);
  const render = (template: string) => renderSegments(template, value, (name) => name === TTL_SLOT);
  return {
    secret: rule.name,
    method: rule.method,
    path: render(rule.path),
    ...(rule.body === undefined ? {} : { body: renderBody(rule.body, render) }),
    files: rule.files.map((file) => plannedFile(file, value)),
  };
}

/** The request as it is sent: for a task that ends `leftMs` from now. */
export function timed(ask: Ask, leftMs: number): Ask {
  const ttl = `${wholeSeconds(leftMs)}s`;
  const render = (template: string) =>
    renderSegments(template, (name) => (name === TTL_SLOT ? ttl : undefined));
  return {
    ...ask,
    path: render(ask.path),
    ...(ask.body === undefined ? {} : { body: renderBody(ask.body, render) }),
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
