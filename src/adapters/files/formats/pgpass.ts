// Format pgpass: one line of a PostgreSQL password file (libpq, "The Password File"): a backslash before ":" and "\";
// a lone "*" matches anything.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { LINE_BREAK, type Values } from '../values.ts';

export function pgpass(values: Values, { host = '*', port, database = '*' }: RuleOf<'pgpass'>): string {
  const username = values.text('username', LINE_BREAK);
  const password = values.text('password', LINE_BREAK);
  const account = username === '*' ? '\\*' : escaped(username);
  return `${[escaped(host), port ?? '*', escaped(database), account, escaped(password)].join(':')}\n`;
}

const escaped = (text: string): string => text.replace(/[\\:]/g, '\\$&');
