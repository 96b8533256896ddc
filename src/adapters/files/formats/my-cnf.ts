// Format my.cnf: an option file for the clients of MySQL and MariaDB (MariaDB, "Configuring MariaDB with Option
// Files"). Values that are more than plain characters are in double quotes, with the escapes that the clients know. A
// password is bytes; which user non-ASCII bytes name depends on each client's character set.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { type Limit, NOT_ASCII, type Values } from '../values.ts';

/** With its end; the clients read up to 4095 bytes at once. */
const LONGEST = 4094;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const CONTROL: Limit = [/[\u0001-\u0007\u000b\u000c\u000e-\u001f\u007f]/, 'a control character'];
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
};

export function myCnf(values: Values, { host, port, database }: RuleOf<'my.cnf'>): string {
  const username = quoted(values.text('username', CONTROL, NOT_ASCII));
  const password = quoted(values.text('password', CONTROL));
  return [
    '[client]\n',
    values.line('username', `user=${username}\n`, LONGEST),
    values.line('password', `password=${password}\n`, LONGEST),
    host === undefined ? '' : `host=${host}\n`,
    port === undefined ? '' : `port=${port}\n`,
    // Not under [client]: programs such as mysqldump read that too, and refuse a database there.
    database === undefined ? '' : `[mysql]\ndatabase=${database}\n`,
  ].join('');
}

const quoted = (text: string): string =>
  /^[A-Za-z0-9._~@:+/-]+$/.test(text)
    ? text
    : `"${text.replace(/[\\"\n\r\t\b]/g, (char) => ESCAPES[char]!)}"`;
