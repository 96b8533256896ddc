// Format my.cnf: an option file for the clients of MySQL and MariaDB (MariaDB, "Configuring MariaDB with Option
// Files"). Values that are more than plain characters are in double quotes, with the escapes that the clients know. A
// password is bytes; which user non-ASCII bytes name depends on each client's character set.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { type Limit, NOT_ASCII, type Values } from '../values.ts';

/** The clients read lines of up to 4095 bytes. */
const LONG: Limit = [/^[\s\S]{1000}/, 'more than 1000 characters'];
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
  const client = {
    user: quoted(values.text('username', CONTROL, LONG, NOT_ASCII)),
    password: quoted(values.text('password', CONTROL, LONG)),
    host,
    port,
  };
  const lines = Object.entries(client).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}\n`],
  );
  // Not under [client]: programs such as mysqldump read that too, and refuse a database there.
  const mysql = database === undefined ? '' : `[mysql]\ndatabase=${database}\n`;
  return `[client]\n${lines.join('')}${mysql}`;
}

const quoted = (text: string): string =>
  /^[A-Za-z0-9._~@:+/-]+$/.test(text)
    ? text
    : `"${text.replace(/[\\"\n\r\t\b]/g, (char) => ESCAPES[char]!)}"`;
