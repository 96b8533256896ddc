// Owns whether the parameters of a request keep to a policy's limits, as Vault judges them
// (developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints; vault/acl.go). Invariant: as measured with
// Vault 1.21: a number fits no listed value; a list, and a text with commas, is judged by its parts as well, so that what
// has no part at all, such as an empty text, is allowed by every list.

import type { ParameterLimits } from './model.ts';

export interface Limits {
  readonly allowed: ParameterLimits;
  readonly denied: ParameterLimits;
  readonly required?: readonly string[];
}

/** What of it is refused, as the end of a sentence; null when nothing is. */
export function parameterFault(limits: Limits, body: Readonly<Record<string, unknown>>): string | null {
  const { allowed, denied, required = [] } = limits;
  const missing = required.find((name) => !Object.hasOwn(body, name.toLowerCase()));
  if (missing !== undefined) return `requires the parameter ${missing}`;
  const names = Object.keys(body);
  if (names.length === 0) return null;
  if (Object.hasOwn(denied, '*')) return 'denies every parameter';
  const refused = names.find((name) => {
    const values = denied[name.toLowerCase()];
    return values !== undefined && denies(body[name], values);
  });
  if (refused !== undefined) return `denies this value of the parameter ${refused}`;
  if (Object.keys(allowed).length === 0) return null;
  const rest = Object.hasOwn(allowed, '*');
  if (rest && Object.keys(allowed).length === 1) return null;
  for (const name of names) {
    const values = allowed[name.toLowerCase()];
    if (values === undefined && !rest) return `does not allow the parameter ${name}`;
    if (values !== undefined && !listed(body[name], values))
      return `does not allow this value of the parameter ${name}`;
  }
  return null;
}

const listed = (value: unknown, values: readonly unknown[]): boolean =>
  values.length === 0 ||
  isAmong(value, values) ||
  (partsOf(value)?.every((part) => isAmong(part, values)) ?? false);

const denies = (value: unknown, values: readonly unknown[]): boolean =>
  values.length === 0 ||
  isAmong(value, values) ||
  (partsOf(value)?.some((part) => isAmong(part, values)) ?? false);

const isAmong = (value: unknown, values: readonly unknown[]): boolean =>
  values.some((each) => fits(each, value));

function partsOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string') return null;
  return value === '' ? [] : value.split(',').map((part) => part.trim());
}

function fits(listedValue: unknown, value: unknown): boolean {
  if (typeof listedValue === 'string' && typeof value === 'string') return fitsText(listedValue, value);
  return !hasNumber(value) && JSON.stringify(listedValue) === JSON.stringify(value);
}

/** `*` counts at the beginning and at the end only. */
export function fitsText(listedText: string, text: string): boolean {
  if (listedText.length < 2) return listedText === text;
  const [open, close] = [listedText.startsWith('*'), listedText.endsWith('*')];
  if (open && close) return text.includes(listedText.slice(1, -1));
  if (open) return text.endsWith(listedText.slice(1));
  return close ? text.startsWith(listedText.slice(0, -1)) : text === listedText;
}

export const hasNumber = (value: unknown): boolean =>
  typeof value === 'number' ||
  (value !== null && typeof value === 'object' && Object.values(value).some(hasNumber));
