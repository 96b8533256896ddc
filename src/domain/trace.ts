// Owns W3C Trace Context (https://www.w3.org/TR/trace-context/) as a start signal brings it. Invariant: what is not
// valid counts as not given, as the specification says; nothing of it is part of what a start asks for.

export interface TraceContext {
  /** A traceparent of version 00: `00-<trace id>-<span id>-<flags>`. */
  readonly parent: string;
  /** The tracestate that came with it. */
  readonly state?: string;
}

export interface TraceIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
}

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const STATE_MAX = 512;
const MEMBERS_MAX = 32;
const MEMBER =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** What a traceparent and its tracestate say; null when the traceparent is not valid. */
export function traceContext(parent: unknown, state?: unknown): TraceContext | null {
  const [, version, traceId, spanId, flags, more] =
    (typeof parent === 'string' && parent.length <= STATE_MAX && PARENT.exec(parent.trim())) || [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return null;
  // Of a later version only what this one knows: whether it is sampled.
  const sampled = Number.parseInt(flags!, 16) & 1;
  const members = stateOf(state);
  return { parent: `00-${traceId}-${spanId}-0${sampled}`, ...(members === null ? {} : { state: members }) };
}

function stateOf(state: unknown): string | null {
  if (typeof state !== 'string' || state.length > STATE_MAX) return null;
  const members = state
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  const names = new Set(members.map((member) => member.slice(0, member.indexOf('='))));
  const valid =
    members.length > 0 && members.length <= MEMBERS_MAX && members.every((member) => MEMBER.test(member));
  return valid && names.size === members.length ? members.join(',') : null;
}

/** The ids in a traceparent, which is valid. */
export const idsOf = (parent: string): TraceIds & { readonly sampled: boolean } => ({
  traceId: parent.slice(3, 35),
  spanId: parent.slice(36, 52),
  sampled: parent.endsWith('1'),
});
