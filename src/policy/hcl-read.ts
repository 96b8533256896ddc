// Owns the reading of policies as Vault takes them: HCL, or JSON (docs/concepts/policies#policy-syntax). Invariant: a
// file that Vault would take is read as Vault reads it; what it would refuse is a fault with file and line.

import { CAPABILITIES, type Capability } from '../domain/policy-line.ts';
import { PolicyFault, type Token, tokensOf } from './hcl-tokens.ts';
import type { ParameterLimits, PathRule, Policy } from './model.ts';

type Body = Readonly<Record<string, unknown>>;

/** @throws PolicyFault */
export function readPolicy(text: string, name: string, file: string): Policy {
  return /^\s*\{/.test(text)
    ? fromJson(text, name, file)
    : new Reader(tokensOf(text, file), file).policy(name);
}

function fromJson(text: string, name: string, file: string): Policy {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new PolicyFault(file, 1, `is not JSON: ${(error as Error).message}`);
  }
  const { path } = parsed as { path?: unknown };
  if (path === null || typeof path !== 'object' || Array.isArray(path)) {
    throw new PolicyFault(file, 1, 'has no "path" with the paths in it');
  }
  const rules = Object.entries(path).map(([each, body]) => ruleOf(each, (body ?? {}) as Body, file, 1, []));
  return { name, file, rules };
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;
  /** Comment lines since the last other token. */
  #comments: Token[] = [];

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.#file = file;
  }

  policy(name: string): Policy {
    const rules: PathRule[] = [];
    let head: string[] | undefined;
    for (;;) {
      this.#skip();
      const comments = this.#comments;
      const token = this.#next();
      const [own, before] = parted(comments, token.line);
      if (rules.length === 0) head = token.kind === 'end' ? [...before, ...own] : before;
      if (token.kind === 'end') break;
      if (!isKey(token)) throw this.#fault(token, 'expected path "…" { … }');
      if (token.value !== 'path') {
        this.#sign('=');
        this.#value();
        continue;
      }
      const path = this.#next();
      if (path.kind !== 'text') throw this.#fault(path, 'expected the path in quotes');
      const equals = this.#peek();
      if (equals.kind === 'sign' && equals.value === '=') this.#next();
      rules.push(ruleOf(path.value, this.#object(), this.#file, token.line, own));
    }
    return { name, file: this.#file, rules, ...(head!.length === 0 ? {} : { comment: head! }) };
  }

  #object(): Record<string, unknown> {
    this.#sign('{');
    const found: Record<string, unknown> = {};
    for (;;) {
      const key = this.#next();
      if (key.kind === 'sign' && key.value === '}') return found;
      if (key.kind === 'sign' && key.value === ',') continue;
      if (!isKey(key)) throw this.#fault(key, 'expected a name and a value');
      if (Object.hasOwn(found, key.value)) throw this.#fault(key, `${key.value} is there twice`);
      const sign = this.#peek();
      if (sign.kind === 'sign' && (sign.value === '=' || sign.value === ':')) this.#next();
      else if (!(sign.kind === 'sign' && sign.value === '{'))
        throw this.#fault(sign, `expected = after ${key.value}`);
      found[key.value] = this.#value();
    }
  }

  #value(): unknown {
    const token = this.#peek();
    if (token.kind === 'sign' && token.value === '{') return this.#object();
    this.#next();
    if (token.kind === 'text') return token.value;
    if (token.kind === 'number') return Number(token.value);
    if (token.kind === 'name' && /^(?:true|false)$/.test(token.value)) return token.value === 'true';
    if (token.kind !== 'sign' || token.value !== '[') throw this.#fault(token, 'expected a value');
    const list: unknown[] = [];
    for (;;) {
      const next = this.#peek();
      if (next.kind === 'sign' && next.value === ']') {
        this.#next();
        return list;
      }
      list.push(this.#value());
      const after = this.#peek();
      if (after.kind === 'sign' && after.value === ',') this.#next();
      else if (!(after.kind === 'sign' && after.value === ']')) throw this.#fault(after, 'expected , or ]');
    }
  }

  #skip(): void {
    this.#comments = [];
    while (this.#tokens[this.#at]!.kind === 'comment') this.#comments.push(this.#tokens[this.#at++]!);
  }

  #peek(): Token {
    this.#skip();
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  #sign(value: string): void {
    const token = this.#next();
    if (token.kind !== 'sign' || token.value !== value) throw this.#fault(token, `expected ${value}`);
  }

  #fault(token: Token, expected: string): PolicyFault {
    const found = token.kind === 'end' ? 'the end of the file' : JSON.stringify(token.value);
    return new PolicyFault(this.#file, token.line, `${expected}, found ${found}`);
  }
}

const isKey = ({ kind }: Token): boolean => kind === 'name' || kind === 'text';

/** Comment lines that end right above a line, and those before. */
function parted(comments: readonly Token[], line: number): [own: string[], before: string[]] {
  let first = comments.length;
  for (let next = line; first > 0 && comments[first - 1]!.until >= next - 1; first -= 1)
    next = comments[first - 1]!.line;
  const text = (tokens: readonly Token[]) => tokens.map(({ value }) => value);
  return [text(comments.slice(first)), text(comments.slice(0, first))];
}

/** What `policy = "…"` stood for before there were capabilities. */
const OLD: Readonly<Record<string, readonly Capability[]>> = {
  deny: ['deny'],
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  sudo: ['create', 'read', 'update', 'delete', 'list', 'sudo'],
};

const KNOWN = new Set([
  'policy',
  'capabilities',
  'allowed_parameters',
  'denied_parameters',
  'required_parameters',
]);
/** Settings that are kept as they are. */
const OTHER = new Set([
  ...['min_wrapping_ttl', 'max_wrapping_ttl', 'control_group', 'mfa_methods', 'subscribe_event_types'],
  ...['pagination_limit', 'response_keys_filter_path', 'expiration', 'comment'],
]);

function ruleOf(path: string, body: Body, file: string, line: number, comment: readonly string[]): PathRule {
  const fault = (sentence: string) => new PolicyFault(file, line, `path ${JSON.stringify(path)} ${sentence}`);
  for (const key of Object.keys(body)) {
    if (!KNOWN.has(key) && !OTHER.has(key)) throw fault(`has ${key}, which Vault does not know`);
  }
  if (path.includes('+*')) throw fault('has +* in it, which Vault refuses');
  const named = body.capabilities === undefined ? OLD[String(body.policy)] : body.capabilities;
  const capabilities = (named ?? []) as readonly Capability[];
  if (!isTexts(capabilities)) throw fault('has capabilities that are no list of texts');
  const unknown = capabilities.find((name) => !CAPABILITIES.includes(name));
  if (unknown !== undefined) throw fault(`has the capability ${unknown}, which does not exist`);
  const limits = (key: 'allowed_parameters' | 'denied_parameters'): ParameterLimits | undefined => {
    const value = body[key];
    if (value === undefined) return undefined;
    if (value === null || typeof value !== 'object' || !Object.values(value).every(Array.isArray)) {
      throw fault(`has ${key} that are no lists of values`);
    }
    return value as ParameterLimits;
  };
  const [allowed, denied] = [limits('allowed_parameters'), limits('denied_parameters')];
  const { required_parameters: required } = body;
  if (required !== undefined && !isTexts(required))
    throw fault('has required_parameters that are no list of texts');
  const other = Object.entries(body).filter(([key]) => OTHER.has(key));
  return {
    path,
    capabilities,
    ...(allowed && { allowed }),
    ...(denied && { denied }),
    ...(required === undefined ? {} : { required: required as string[] }),
    ...(other.length === 0 ? {} : { other: Object.fromEntries(other) }),
    ...(comment.length === 0 ? {} : { comment }),
    line,
  };
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');
