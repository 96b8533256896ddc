// Owns the bytes of a file: one secret's fields in the format that its rule names. Invariant: a field
// that the secret does not have is an error, never an empty value.

import { Problem } from '../../domain/problem.ts';
import type { FileRule } from '../../domain/profile.ts';
import { slots } from '../../domain/template.ts';
import { dotenv } from './formats/dotenv.ts';
import { json } from './formats/json.ts';
import { template } from './formats/template.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** @throws Problem DELIVERY_FAILED that names the secret, the file and the missing field */
export function render(secret: string, rule: FileRule, data: Fields): Buffer {
  const take = (name: string): unknown => {
    const value = field(data, name);
    if (value !== undefined) return value;
    throw new Problem('DELIVERY_FAILED', `secret ${secret} has no field ${name}, which ${rule.name} needs`, {
      hint: `it has ${Object.keys(data).sort().join(', ')}`,
    });
  };
  switch (rule.format) {
    case 'json':
      return json(rule.fields === undefined ? data : pick(rule.fields, take));
    case 'dotenv':
      return dotenv(rule.name, rule.fields === undefined ? data : pick(rule.fields, take));
    case 'raw':
      return Buffer.from(plain(take(rule.field!)));
    case 'template':
      return template(
        rule.template!,
        new Map(slots(rule.template!).map((name) => [name, plain(take(name))])),
      );
    default:
      return rule.format satisfies never;
  }
}

/** A field by its name, else by a dotted path (`data.password`). */
function field(data: Fields, name: string): unknown {
  if (Object.hasOwn(data, name)) return data[name];
  let value: unknown = data;
  for (const part of name.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined;
    value = (value as Fields)[part];
  }
  return value;
}

const pick = (fields: Readonly<Record<string, string>>, take: (name: string) => unknown): Fields =>
  Object.fromEntries(Object.entries(fields).map(([output, name]) => [output, take(name)]));

const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
