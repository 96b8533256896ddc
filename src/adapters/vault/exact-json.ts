// Owns the parsing of Vault's replies. Invariant: a number that JavaScript would change (beyond 2^53, with more digits than
// a double has, written as 1.10 or 1e3) stays as Vault wrote it, for most of its engines keep numbers as text and so do files.

interface Raw {
  /** Writes this very text into JSON (ECMAScript, JSON.rawJSON). */
  rawJSON(text: string): object;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}

/**
 * A number that may not come out of JavaScript as it went in: most replies have none, and are parsed without a look. Looked
 * for where a value begins only: ids are full of "1e3" and "-0".
 */
const SUSPECT = /(?:^|[:[,])\s*(?:-?\d+[.eE]|-?\d{16}|-0)/;

export function exactJson(text: string): unknown {
  if (!SUSPECT.test(text)) return JSON.parse(text);
  const { parse, rawJSON } = JSON as unknown as Raw;
  return parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value,
  );
}
