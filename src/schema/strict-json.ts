// Owns the reading of JSON bodies (RFC 8259). Invariant: one document, no duplicate names, no deep
// nesting; JSON.parse alone would let the last duplicate win, and two readers could see two requests.

import { Problem } from '../domain/problem.ts';

export { canonical } from '../domain/canonical.ts';

const MAX_DEPTH = 8;

export interface ReadOptions {
  /** A good body, for the hint. */
  readonly example?: string;
  readonly depth?: number;
}

/** @throws Problem SIGNAL_INVALID */
export function parseStrict(
  text: string,
  { example = '{"profile": "report-read"}', depth = MAX_DEPTH }: ReadOptions = {},
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('the body is not JSON', `send one JSON object, like ${example}`);
  }
  scan(text, depth);
  return value;
}

// Strings, and the marks that structure a document; all else is of no interest here.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** Looks for what JSON.parse swallows. The text is known to be valid JSON. */
function scan(text: string, depth: number): void {
  const objects: (Set<string> | null)[] = [];
  let previous = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      objects.push(token === '{' ? new Set() : null);
      if (objects.length > depth) {
        throw invalid(`the body is nested deeper than ${depth} levels`, 'send a flat object');
      }
    } else if (token === '}' || token === ']') {
      objects.pop();
    } else if (token === ':') {
      const names = objects.at(-1)!;
      const name = JSON.parse(previous) as string;
      if (names!.has(name))
        throw invalid(`the name ${JSON.stringify(name)} stands twice in the body`, 'send it once');
      // JSON.parse takes it for a member; most that comes after takes it for the prototype.
      if (name === '__proto__') throw invalid('the name "__proto__" is not a known key', 'leave it out');
      names!.add(name);
    }
    previous = token;
  }
}

const invalid = (detail: string, hint: string) => new Problem('SIGNAL_INVALID', detail, { hint });
