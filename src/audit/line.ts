// Owns the reading of one line of a ledger for its place in the chain, without understanding it. Invariant: a line says
// what was hashed only if it has its own hash at its end and the envelope at its beginning, byte for byte.

export interface PlacedLine {
  readonly text: string;
  readonly file: string;
  readonly line: number;
  /** False for a last one without its end. */
  readonly whole: boolean;
}

export interface Link {
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
  /** The hash is that of the text. */
  readonly sound: boolean;
}

const ENVELOPE = /^\{"v":1,"seq":([1-9]\d{0,14}),"prev":"([0-9a-f]{64})","time":"/;
const END = ',"hash":"';
/** `,"hash":"`, 64 digits, `"}`. */
const END_LENGTH = END.length + 66;

/** Null when it is no line of a ledger. */
export function linkOf(text: string, sha256: (text: string) => string): Link | null {
  const start = ENVELOPE.exec(text);
  const at = text.length - END_LENGTH;
  if (start === null || at < 0 || !text.startsWith(END, at) || !text.endsWith('"}')) return null;
  const hash = text.slice(at + END.length, -2);
  return { seq: Number(start[1]), prev: start[2]!, hash, sound: sha256(text.slice(0, at)) === hash };
}

const TYPE = /"boot_ms":[\d.]+,"type":"([a-z.-]+)"/;

export const typeOf = (text: string): string => TYPE.exec(text.slice(0, 600))?.[1] ?? '';
