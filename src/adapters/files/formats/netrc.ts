// Format netrc: one machine's login (inetutils, "The .netrc file"; curl, "Everything curl: .netrc"). Readers agree on
// tokens between blanks. Only some know quotes: they are for who asks for them.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Limit, Values } from '../values.ts';

const NO_MACHINE: Limit = [/[^A-Za-z0-9.-]/, 'a character that no host name has'];
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const CONTROL: Limit = [/[\u0000-\u0008\u000a-\u001f\u007f]/, 'a control character or a line break'];
/** With its end; curl before 8.9 reads up to 4095 bytes at once. */
const LONGEST = 4094;
const NOT_BARE = /[\s"\\]|^#/;

export function netrc(values: Values, rule: RuleOf<'netrc'>): string {
  const machine = rule.machine ?? values.text('machine', NO_MACHINE);
  const [login, password] = ['username', 'password'].map((part) => token(values, part, rule.quoted === true));
  return values.line('password', `machine ${machine} login ${login} password ${password}\n`, LONGEST);
}

function token(values: Values, part: string, quoted: boolean): string {
  const text = values.text(part, CONTROL);
  if (!NOT_BARE.test(text)) return text;
  if (quoted) return `"${text.replace(/[\\"]/g, '\\$&')}"`;
  return values.refuse(
    values.part(part),
    'holds a blank, a double quote, a backslash or begins with "#"',
    'set quoted: true where its readers know quotes (curl from 7.84, git, Python from 3.11), else change the value',
  );
}
