// Owns how the report writes numbers and times, and how anything becomes HTML. Invariant: text of the ledger (task ids,
// events, reasons) is a caller's words: it goes through `text` and through nothing else.

/** Text for an element or a quoted attribute. Control and bidirectional characters are shown, not obeyed. */
export const text = (value: string | number): string =>
  String(value)
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (c) => (/[\t\n]/.test(c) ? ' ' : '\ufffd'))
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** JSON inside a script element: no text of it can end the element. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** 2026-11-22 10:15:15, in UTC. */
export const clock = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

/** 4.1 s, 12 min 30 s, 3 h 20 min, 2 d 4 h. */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  const [unit, size] = units[first]!;
  const rest = units[first + 1];
  const whole = Math.floor(seconds / size);
  const left = rest === undefined ? 0 : Math.floor((seconds - whole * size) / rest[1]);
  return `${whole} ${unit}${left === 0 || rest === undefined ? '' : ` ${left} ${rest[0]}`}`;
}

/** 12 345, with a narrow space that does not break. */
export const grouped = (count: number): string => count.toLocaleString('en-US').replace(/,/g, '\u202f');

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;
