// Format pg-service: one section of a PostgreSQL connection service file (libpq, "The Connection Service File"). libpq
// takes a line as it is, but for blanks at its end, and none that is longer than its buffer.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { LINE_BREAK, type Limit, type Values } from '../values.ts';

const BLANK_END: Limit = [/[ \t\v\f]$/, 'a blank at its end'];
/** libpq reads lines of up to 1023 bytes; "password=" is in them. */
const LONG: Limit = [/^[\s\S]{240}/, 'more than 240 characters'];

export function pgService(values: Values, rule: RuleOf<'pg-service'>): string {
  const { service = values.own.secret, host, port, database, sslmode } = rule;
  const limits = [LINE_BREAK, BLANK_END, LONG];
  const settings = {
    host,
    port,
    dbname: database,
    sslmode,
    user: values.text('username', ...limits),
    password: values.text('password', ...limits),
  };
  const lines = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}\n`],
  );
  return `[${service}]\n${lines.join('')}`;
}
