// Owns what a parameter's pattern tells about its values without a search: how all of them begin, and one of them.
// Invariant: every value that the pattern takes begins with that text; where it cannot be seen, the text is empty.

import { isSegment } from '../domain/ids.ts';
import { match } from '../domain/params.ts';
import type { ParamRule } from '../domain/profile.ts';

/** The text that every match begins with: `c-` of `c-[0-9]+`. */
export function prefixOf(pattern: string): string {
  // With a choice anywhere, another branch may begin otherwise.
  if (pattern.includes('|')) return '';
  const source = pattern.replace(/^\^/, '');
  let text = '';
  for (let at = 0; at < source.length; ) {
    const escaped = source[at] === '\\';
    const letter = escaped ? source[at + 1] : source[at];
    if (letter === undefined) break;
    const literal = escaped ? /[^A-Za-z0-9]/.test(letter) : /[A-Za-z0-9_~@:=,-]/.test(letter);
    const next = at + (escaped ? 2 : 1);
    // What a quantifier follows may be missing.
    if (!literal || /[*+?{]/.test(source[next] ?? '')) break;
    text += letter;
    at = next;
  }
  return text;
}

const TAILS = [
  ...['', '1', 'a', 'x1', '12', 'aa', 'abc', '123', 'a1', 'a-1', 'A', 'abcd', '1234', '12345678'],
  'x',
];

/** A value that the rule takes, where one of the usual kinds is one; else one that at least begins so. */
export function sampleOf(rule: ParamRule | undefined): string {
  if (rule?.enum?.[0] !== undefined) return rule.enum[0];
  const pattern = rule?.claim === undefined ? rule?.pattern : undefined;
  if (pattern === undefined) return 'x';
  const start = prefixOf(pattern);
  const found = TAILS.map((tail) => start + tail).find(
    (value) => isSegment(value) && match(pattern, value) !== null,
  );
  return found ?? `${start}x`;
}
