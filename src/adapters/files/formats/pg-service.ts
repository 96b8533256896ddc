// Format pg-service: one section of a PostgreSQL connection service file (libpq, "The Connection Service File"). libpq
// takes a line as it is, but for blanks at its end, and none that is longer than its buffer.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { LINE_BREAK, type Limit, type Values } from '../values.ts';

const BLANK_END: Limit = [/[ \t\v\f]$/, 'a blank at its end'];
/** With its end; libpq has room for one more (fe-connect.c, parseServiceFile). */
const LONGEST = 1022;

export function pgService(values: Values, rule: RuleOf<'pg-service'>): string {
  const { service = values.own.secret, host, port, database, sslmode } = rule;
  const limits = [LINE_BREAK, BLANK_END];
  const username = values.text('username', ...limits);
  const password = values.text('password', ...limits);
  const settings = Object.entries({ host, port, dbname: database, sslmode });
  return [
    `[${service}]\n`,
    ...settings.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}\n`])),
    values.line('username', `user=${username}\n`, LONGEST),
    values.line('password', `password=${password}\n`, LONGEST),
  ].join('');
}
