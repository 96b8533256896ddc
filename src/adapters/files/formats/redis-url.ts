// Format redis-url: redis://user:password@host:port/db, or rediss:// over TLS (IANA, "redis" and "rediss" URI schemes).
// No newline at the end, so that what a program reads is the URL. A password alone is the default user's, who is named,
// because redis-cli takes an empty name for one.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';
import { authority, encoded } from './url.ts';

export function redisUrl(values: Values, rule: RuleOf<'redis-url'>): string {
  const { host = 'localhost', port, tls = false, db } = rule;
  const username = values.maybeText('username') ?? 'default';
  const account = `${encoded(username)}:${encoded(values.text('password'))}`;
  const path = db === undefined ? '' : `/${db}`;
  return `${tls ? 'rediss' : 'redis'}://${account}@${authority(host, port)}${path}`;
}
