// Owns which slots a template of a profile may have (README, Profiles): those of every start, and the profile's own
// parameters.

import { isStartSlot, slots } from '../domain/template.ts';

/** A sentence for each slot of the template that will never have a value. */
export const slotFaults = (template: string, params: Readonly<Record<string, unknown>>): string[] =>
  slots(template).flatMap((slot) => {
    if (!isStartSlot(slot) && slot !== 'task.ttl') return [`uses {{${slot}}}, which does not exist`];
    const param = slot.startsWith('params.') ? slot.slice('params.'.length) : null;
    if (param === null || Object.hasOwn(params, param)) return [];
    return [`uses {{${slot}}}, but params has no ${param}`];
  });
