// Owns the way from the names in a file's rule to the values of the task's secrets, all of one generation. Invariant:
// which secret a name is of is settled by the profile alone, never by what a secret happens to hold; whoever cannot
// write a value exactly says so with the secret, the file and the field, and never with the value.

import { type FileRule, PARTS } from '../../domain/file-rule.ts';
import { Problem } from '../../domain/problem.ts';
import type { Delivery } from '../../ports/files.ts';

/** A value and where it is from. */
export interface Found {
  readonly secret: string;
  readonly field: string;
  readonly value: unknown;
}

/** What a format cannot hold, and the words for it. */
export type Limit = readonly [RegExp, string];

export const LINE_BREAK: Limit = [/[\r\n]/, 'a line break'];
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
export const CONTROL: Limit = [/[\u0000-\u001f\u007f]/, 'a control character or a line break'];

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with control characters
export const NOT_ASCII: Limit = [/[^\u0000-\u007f]/, 'a character that is not ASCII'];

type Fields = Delivery['data'];

export class Values {
  readonly rule: FileRule;
  readonly own: Delivery;
  readonly #others: ReadonlyMap<string, Fields>;

  constructor(rule: FileRule, own: Delivery, all: readonly Delivery[]) {
    this.rule = rule;
    this.own = own;
    this.#others = new Map(
      all.filter(({ secret }) => secret !== own.secret).map(({ secret, data }) => [secret, data]),
    );
  }

  /** The value of a field that the profile names. */
  named(name: string): Found {
    const found = this.#find(name);
    if (found !== undefined) return found;
    const [head, rest] = split(name);
    const other = this.#others.get(head);
    const [secret, field, data] =
      other === undefined ? [this.own.secret, name, this.own.data] : [head, rest, other];
    const has = Object.keys(data).sort().join(', ');
    const others = [...this.#others.keys()].join(', ');
    throw new Problem(
      'DELIVERY_FAILED',
      `secret ${secret} has no field ${field}, which ${this.rule.name} needs`,
      {
        hint:
          other === undefined && rest !== '' && others !== ''
            ? `it has ${has}; other secrets are ${others}`
            : `it has ${has}`,
      },
    );
  }

  /** A part of a ready-made format: where the profile says, else where it usually is. Undefined when it is not there. */
  maybe(part: string): Found | undefined {
    const { rule } = this;
    if (part === 'username' && 'username' in rule && rule.username !== undefined) {
      return { secret: this.own.secret, field: part, value: rule.username };
    }
    const name = mapped(rule)?.[part];
    const found =
      name === undefined
        ? this.#usual(part)
            .map((field) => this.#find(field, false))
            .find(isThere)
        : this.named(name);
    return isThere(found) ? found : undefined;
  }

  /** @throws Problem DELIVERY_FAILED when no field holds it */
  part(part: string): Found {
    const found = this.maybe(part);
    if (found !== undefined) return found;
    const { name, format } = this.rule;
    const named = mapped(this.rule)?.[part];
    const looked = named === undefined ? this.#usual(part) : [named];
    const missing =
      looked.length === 0 ? `says nothing of the ${part}` : `has nothing in ${looked.join(' or ')}`;
    throw new Problem(
      'DELIVERY_FAILED',
      `secret ${this.own.secret} ${missing}, which ${name} (${format}) needs`,
      {
        hint: `name its field under fields: { ${part}: … }; the secret has ${Object.keys(this.own.data).sort().join(', ')}`,
      },
    );
  }

  /** A part as text that keeps within the limits. */
  text(part: string, ...limits: readonly Limit[]): string {
    return this.within(this.part(part), ...limits);
  }

  /** The same for a part that need not be there. */
  maybeText(part: string, ...limits: readonly Limit[]): string | undefined {
    const found = this.maybe(part);
    return found === undefined ? undefined : this.within(found, ...limits);
  }

  /** A value as text that keeps within the limits. */
  within(found: Found, ...limits: readonly Limit[]): string {
    const { value } = found;
    const isNumber = (typeof value === 'number' && Number.isSafeInteger(value)) || isRawNumber(value);
    const text = isNumber ? JSON.stringify(value) : value;
    if (typeof text !== 'string') return this.refuse(found, 'is no text');
    this.#writable(found, text);
    if (text.includes('\0')) return this.refuse(found, 'holds a NUL byte');
    for (const [pattern, what] of limits) if (pattern.test(text)) return this.refuse(found, `holds ${what}`);
    return text;
  }

  /** The line that holds a part, unless it is longer than what its readers read at once. */
  line(part: string, line: string, most: number): string {
    if (Buffer.byteLength(line) <= most) return line;
    return this.refuse(this.part(part), `makes a line of more than ${most} bytes`);
  }

  /** Any value as text: what is none as JSON. */
  plain(found: Found): string {
    const { value } = found;
    return typeof value === 'string' ? this.#writable(found, value) : this.json(found);
  }

  /** Any value as JSON. */
  json(found: Found, indent?: number): string {
    return JSON.stringify(
      found.value,
      (_key, value) => {
        if (
          typeof value !== 'number' ||
          (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value)))
        )
          return value;
        return this.refuse(found, 'is a number that lost digits on its way', 'store it as a string');
      },
      indent,
    );
  }

  /** @throws Problem DELIVERY_FAILED */
  refuse(found: Found, why: string, hint?: string): never {
    const { name, format } = this.rule;
    throw new Problem(
      'DELIVERY_FAILED',
      `${name} cannot be written: field ${found.field} of secret ${found.secret} ${why}, which ${format} files cannot carry to their readers unchanged`,
      { hint: hint ?? 'change the value, or deliver it in format json or raw' },
    );
  }

  /** Half a character has no bytes in UTF-8. */
  #writable(found: Found, text: string): string {
    return text.isWellFormed() ? text : this.refuse(found, 'holds half a character (a lone surrogate)');
  }

  #usual(part: string): readonly string[] {
    return PARTS[this.rule.format]?.[part] ?? [];
  }

  /** @param named whether it is the profile that names it: then it may be of another secret */
  #find(name: string, named = true): Found | undefined {
    const { secret, data } = this.own;
    const [head, rest] = split(name);
    const other = named ? this.#others.get(head) : undefined;
    if (other !== undefined && rest !== '') return found(head, rest, lookup(other, rest));
    const whole = lookup(data, name);
    if (!named || head !== secret || rest === '') return found(secret, name, whole);
    const own = lookup(data, rest);
    if (whole !== undefined && own !== undefined && whole !== own) {
      throw new Problem(
        'DELIVERY_FAILED',
        `${name} in ${this.rule.name} can be two fields of secret ${secret}`,
        {
          hint: `write ${secret}.${name} for the one, ${rest} for the other`,
        },
      );
    }
    return found(secret, own === undefined ? name : rest, own ?? whole);
  }
}

const found = (secret: string, field: string, value: unknown): Found | undefined =>
  value === undefined ? undefined : { secret, field, value };

const isThere = (found: Found | undefined): found is Found =>
  found !== undefined && found.value !== null && found.value !== '';

const mapped = (rule: FileRule): Readonly<Record<string, string>> | undefined =>
  'fields' in rule ? rule.fields : undefined;

/** A number as Vault wrote it, which JavaScript would have changed. */
const isRawNumber = (value: unknown): boolean =>
  (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);

function split(name: string): [head: string, rest: string] {
  const dot = name.indexOf('.');
  return dot === -1 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
}

/** A field by its name, else by a dotted path (`data.password`). */
function lookup(data: Fields, name: string): unknown {
  if (Object.hasOwn(data, name)) return data[name];
  let value: unknown = data;
  for (const part of name.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined;
    value = (value as Fields)[part];
  }
  return value;
}
