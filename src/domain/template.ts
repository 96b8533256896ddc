// Owns `{{name}}` templates of profiles: which names they use, and their rendering. Invariant: a value
// put into a path is one segment, so a rendered path has exactly the segments that the profile wrote.

import { isSegment, SEGMENT_RULE } from './ids.ts';
import { Problem } from './problem.ts';

const SLOT = /\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g;

/** The names a template uses, in order. */
export const slots = (template: string): string[] => [...template.matchAll(SLOT)].map((match) => match[1]!);

/** What every start has, and its own parameters. */
const OF_A_START = /^(?:params\.[A-Za-z0-9_-]+|task\.(?:id|profile)|event\.id)$/;

/** Whether a slot is filled in with what the start says, and never with a field of a secret. */
export const isStartSlot = (name: string): boolean => OF_A_START.test(name);

/** Names that begin with one of these are never fields in a file's template. */
export const isReserved = (name: string): boolean => /^(?:params|task|event)\./.test(name);

/** What is left of the braces when every well-formed slot is taken out; non-empty means a malformed slot. */
export const hasStrayBraces = (template: string): boolean => /\{\{|\}\}/.test(template.replace(SLOT, ''));

/**
 * The same for the template of a file, where braces that close nothing are text, as at the end of JSON: non-empty means
 * that something opens a slot and is none, or that a slot lacks a brace.
 */
export const hasBrokenSlot = (template: string): boolean =>
  /\{\{|\{\s*[A-Za-z0-9_.-]+\s*\}\}/.test(template.replace(SLOT, ' '));

/** Values by slot name; undefined when the task does not have that value. */
export type Values = (name: string) => string | undefined;

/**
 * Renders a template whose result goes into a Vault path or a request body.
 * @param later slots that stay, for values that are known only later
 * @throws Problem SIGNAL_INVALID when a value is missing or is not one path segment.
 */
export function renderSegments(template: string, values: Values, later?: (name: string) => boolean): string {
  return template.replace(SLOT, (slot, name: string) => {
    if (later?.(name) === true) return slot;
    const value = values(name);
    if (value === undefined) {
      throw new Problem('SIGNAL_INVALID', `"${template}" needs ${name}, which this start does not have`, {
        hint: `give ${name.replace(/^params\./, 'param ')} in the start signal`,
      });
    }
    if (!isSegment(value)) {
      throw new Problem('SIGNAL_INVALID', `${name} is not ${SEGMENT_RULE}`, {
        hint: `choose another value for ${name}`,
      });
    }
    return value;
  });
}

/** Renders a file template: values go in as they are (logic-less, no escaping). */
export const renderText = (template: string, values: Values): string =>
  template.replace(SLOT, (slot, name: string) => values(name) ?? slot);
