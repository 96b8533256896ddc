// Owns the words of a policy file (HCL 1, as far as Vault's policies use it): strings, numbers, names, signs, comments.
// Invariant: every character of the text belongs to a token or is blank; anything else is a fault with its line.

export class PolicyFault extends Error {
  constructor(file: string, line: number, sentence: string) {
    super(`${file}:${line}: ${sentence}`);
    this.name = 'PolicyFault';
  }
}

export interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'sign' | 'comment' | 'end';
  /** Of a text without its quotes and escapes; of a comment without its marks. */
  readonly value: string;
  readonly line: number;
  /** The line that it ends on. */
  readonly until: number;
}

const PARTS =
  /(?<blank>[ \t\r\n]+)|(?:#|\/\/)(?<remark>[^\n]*)|\/\*(?<block>[\s\S]*?)\*\/|"(?<text>(?:[^"\\\n]|\\[^\n])*)"|(?<number>-?\d+(?:\.\d+)?)(?![\w.])|(?<name>[A-Za-z_][\w.-]*)|(?<sign>[{}[\]=,:])/uy;

/** @throws PolicyFault */
export function tokensOf(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  const bare = text.replace(/^\uFEFF/, '');
  while (at < bare.length) {
    PARTS.lastIndex = at;
    const match = PARTS.exec(bare);
    if (match === null) throw new PolicyFault(file, line, strange(bare.slice(at)));
    const { blank, remark, block, text: quoted, number, name, sign } = match.groups!;
    const until = line + match[0].split('\n').length - 1;
    const add = (kind: Token['kind'], value: string) => tokens.push({ kind, value, line, until });
    if (blank !== undefined) {
      /* between tokens */
    } else if (remark !== undefined) add('comment', remark.replace(/^ /, '').trimEnd());
    else if (block !== undefined) for (const each of block.trim().split('\n')) add('comment', each.trim());
    else if (quoted !== undefined) add('text', withoutEscapes(quoted, file, line));
    else if (number !== undefined) add('number', number);
    else if (name !== undefined) add('name', name);
    else add('sign', sign!);
    at += match[0].length;
    line = until;
  }
  tokens.push({ kind: 'end', value: '', line, until: line });
  return tokens;
}

const strange = (rest: string): string =>
  rest.startsWith('"')
    ? 'a text does not end on its line: close it with a quote'
    : rest.startsWith('<<')
      ? 'heredocs have no place in a policy: write the value in quotes'
      : `${JSON.stringify(rest[0])} has no meaning here`;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

const withoutEscapes = (text: string, file: string, line: number): string =>
  text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gu, (whole, code?: string, letter?: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    const meant = ESCAPES[letter!];
    if (meant === undefined) throw new PolicyFault(file, line, `${whole} is no escape that HCL knows`);
    return meant;
  });
