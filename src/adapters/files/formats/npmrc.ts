// Format npmrc: a login at one registry (npm, "npmrc"). npm would expand `${…}` and cut at ";" and "#": a token with
// anything but the characters of a token is refused; a password is in base64 anyhow.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Limit, Values } from '../values.ts';

const NO_TOKEN: Limit = [/[^A-Za-z0-9._~+/=-]/, 'a character that no token has'];
const COLON: Limit = [/:/, 'a colon'];

export function npmrc(values: Values, rule: RuleOf<'npmrc'>): string {
  const registry = rule.registry.replace(/\/?$/, '/');
  const place = registry.replace(/^https?:/, '');
  const chosen = rule.scope === undefined ? 'registry' : `${rule.scope}:registry`;
  return `${chosen}=${registry}\n${place}:${login(values, rule)}\n`;
}

/** With a token where there is one, unless the profile names a password instead. */
function login(values: Values, { fields, username }: RuleOf<'npmrc'>): string {
  const chosen = fields?.token === undefined && (username !== undefined || fields?.password !== undefined);
  const byPassword =
    chosen || (values.maybe('token') === undefined && values.maybe('password') !== undefined);
  if (!byPassword) return `_authToken=${values.text('token', NO_TOKEN)}`;
  // The first colon ends the user name (RFC 7617 section 2).
  const account = `${values.text('username', COLON)}:${values.text('password')}`;
  return `_auth=${Buffer.from(account).toString('base64')}`;
}
