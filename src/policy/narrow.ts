// Owns how narrowly a policy of Vault can say what a template of a profile says: wildcards for paths, globs for
// parameters. Invariant: everything that the template can become is permitted; what is permitted beside that is told.

import type { Profile } from '../domain/profile.ts';
import { slots } from '../domain/template.ts';
import { hasNumber } from './parameters.ts';
import { startOfSlot } from './requests.ts';

export interface Narrowed<T> {
  readonly as: T;
  /** What Vault cannot keep out, in a sentence each. */
  readonly notes: readonly string[];
}

const SLOT = /\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/;
/** A template that Vault fills itself is as good as text. */
const isOpen = (slot: string): boolean => !slot.startsWith('identity.');
const openSlots = (text: string): string[] => slots(text).filter(isOpen);

/** A path as policies write it: what a start decides is `+`, or `*` behind the end of the last segment's text. */
export function narrowPath(profile: Profile, path: string): Narrowed<string> {
  const notes: string[] = [];
  const segments = path.split('/');
  const narrowed = segments.map((segment, at) => {
    const open = openSlots(segment);
    if (open.length === 0) return segment;
    const names = open.map((slot) => `{{${slot}}}`).join(' and ');
    const text = textBefore(profile, segment);
    const last = at === segments.length - 1;
    if (!last || SLOT.exec(segment)![0] === segment || text === '') {
      notes.push(`Vault cannot see which ${names} this task has: + stands for any one segment.`);
      return '+';
    }
    notes.push(`Vault cannot see which ${names} this task has: * stands for any ending, deeper paths too.`);
    return `${text}*`;
  });
  return { as: narrowed.join('/'), notes };
}

/** What comes before the first open slot, and what every value of that begins with. */
function textBefore(profile: Profile, template: string): string {
  let rest = template;
  let text = '';
  for (let match = SLOT.exec(rest); match !== null; match = SLOT.exec(rest)) {
    text += rest.slice(0, match.index);
    if (isOpen(match[1]!)) return text + startOfSlot(profile, match[1]!);
    text += match[0];
    rest = rest.slice(match.index + match[0].length);
  }
  return text + rest;
}

const textAfter = (template: string): string => template.slice(template.lastIndexOf('}}') + 2);

/** Values of a parameter as allowed_parameters takes them; none stands for any. */
export function narrowValue(profile: Profile, name: string, value: unknown): Narrowed<readonly unknown[]> {
  const any = (why: string): Narrowed<readonly unknown[]> => ({ as: [], notes: [why] });
  if (typeof value !== 'string') {
    if (typeof value === 'boolean') return { as: [value], notes: [] };
    if (hasNumber(value)) return any(`Vault cannot compare numbers: ${name} may be anything.`);
    const texts = JSON.stringify(value);
    if (openSlots(texts).length > 0)
      return any(`Vault cannot compare a part of ${name}: it may be anything.`);
    return isFlat(value)
      ? { as: [value], notes: [] }
      : any(`Vault cannot compare ${name}: it may be anything.`);
  }
  const open = openSlots(value);
  if (open.length === 0) return { as: [value], notes: [] };
  const [before, after] = [textBefore(profile, value), textAfter(value)];
  if (before === '' && after === '') return { as: [], notes: [] };
  const notes =
    before !== '' && after !== '' ? [`Vault compares the beginning or the end of ${name}, not both.`] : [];
  return { as: [after.length >= before.length ? `*${after}` : `${before}*`], notes };
}

/** What HCL and JSON policies are read alike: texts, lists of texts, objects of texts. */
const isFlat = (value: unknown): boolean =>
  value !== null &&
  Object.values(value as object).every((each) => typeof each === 'string' || typeof each === 'boolean');

/** Text that everything begins with which the template can become, with `*` behind it where there is more. */
export const globOf = (profile: Profile, template: string): string =>
  openSlots(template).length === 0 ? template : `${textBefore(profile, template)}*`;
