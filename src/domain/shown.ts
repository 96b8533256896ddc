// Owns which fields of which secrets a file shows to its readers. Invariant: what is not known counts as all of them.

import { drawnFrom, type FileRule, PARTS } from './file-rule.ts';
import { isStartSlot, slots } from './template.ts';

/** Every field of the file's own secret. */
const ALL = '*';

/** The fields by name; those of another secret of the task as `secret.field`. */
function fieldsOf(file: FileRule): readonly string[] {
  const chosen: readonly string[] | null =
    'fields' in file && file.fields !== undefined ? Object.values(file.fields) : null;
  switch (file.format) {
    case 'json':
    case 'dotenv':
      return chosen ?? [ALL];
    case 'raw':
      return [file.field];
    case 'template':
      return slots(file.template).filter((slot) => !isStartSlot(slot));
    default: {
      const parts = PARTS[file.format];
      return parts === undefined ? [ALL] : [...(chosen ?? []), ...Object.values(parts).flat()];
    }
  }
}

const sameReader = (one: FileRule, other: FileRule): boolean =>
  one.owner?.uid === other.owner?.uid && one.owner?.gid === other.owner?.gid;

/** The same bits, or fewer. What was left out is decided by who may read: it stays left out. */
export const modeWithin = (mode: number | undefined, before: number | undefined): boolean =>
  mode === before || (mode !== undefined && before !== undefined && (mode & ~before) === 0);

/**
 * True when a file shows nothing that its readers have not been shown by one of the files before.
 * @param others the other secrets of the task, by name
 */
export function showsNoMore(file: FileRule, before: readonly FileRule[], others: readonly string[]): boolean {
  const known = before.filter((one) => sameReader(one, file) && modeWithin(file.mode, one.mode));
  const shown = new Set(known.flatMap(fieldsOf));
  const foreign = (field: string): boolean => others.includes(field.split('.', 1)[0]!) && field.includes('.');
  return (
    known.length > 0 &&
    fieldsOf(file).every((field) => shown.has(field) || (shown.has(ALL) && !foreign(field))) &&
    drawnFrom(file, others).every((other) => known.some((one) => drawnFrom(one, others).includes(other)))
  );
}
