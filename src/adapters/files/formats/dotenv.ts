// Format dotenv: NAME=value lines that a POSIX shell (`set -a; . file`), dotenv libraries and Node's --env-file read
// alike. Between them some values have no common spelling: these are refused, unless the file is for shells alone.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Found, Values } from '../values.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const BARE = /^[A-Za-z0-9_.,:@%+=/-]+$/;

export function dotenv(values: Values, { fields, quoting = 'portable' }: RuleOf<'dotenv'>): string {
  const { secret, data } = values.own;
  const found: readonly (readonly [string, Found])[] =
    fields === undefined
      ? Object.entries(data).map(([field, value]) => [field, { secret, field, value }])
      : Object.entries(fields).map(([name, field]) => [name, values.named(field)]);
  return found
    .map(([name, value]) => {
      if (!NAME.test(name)) {
        values.refuse(value, `would be the variable ${name}`, 'map it to a variable name under fields:');
      }
      const text = values.plain(value);
      if (text.includes('\0')) values.refuse(value, 'holds a NUL byte');
      return `${name}=${quoting === 'shell' ? forShells(text) : forAll(values, value, text)}\n`;
    })
    .join('');
}

/** Bare, else in single quotes, else in double quotes with escapes where it holds a single quote (POSIX 2.2). */
function forShells(text: string): string {
  if (BARE.test(text)) return text;
  return text.includes("'") ? `"${text.replace(/[\\"$`]/g, '\\$&')}"` : `'${text}'`;
}

/** The same without what the other readers take for something else: escapes, and the way that they end lines. */
function forAll(values: Values, found: Found, text: string): string {
  const shells = 'set quoting: shell where only shells read the file, else use format json';
  if (text.includes('\r')) values.refuse(found, 'holds a carriage return', shells);
  if (text.includes("'") && /[\\"$`]/.test(text)) {
    values.refuse(found, 'holds a single quote beside one of \\ " $ `', shells);
  }
  if (text.endsWith('\\')) values.refuse(found, 'ends in a backslash', shells);
  return forShells(text);
}
