// Format database-url: scheme://user:password@host:port/database, as DATABASE_URL is read (libpq, "Connection URIs"). No
// newline at the end, so that what a program reads is the URL.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';
import { authority, encoded } from './url.ts';

export function databaseUrl(values: Values, rule: RuleOf<'database-url'>): string {
  const { scheme = 'postgresql', host = 'localhost', port, database, query } = rule;
  const account = `${encoded(values.text('username'))}:${encoded(values.text('password'))}`;
  const path = database === undefined ? '' : `/${encoded(database)}`;
  return `${scheme}://${account}@${authority(host, port)}${path}${query === undefined ? '' : `?${query}`}`;
}
