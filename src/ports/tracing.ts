// The port to distributed traces. Invariant of whoever implements it: no call waits, fails or keeps more than a bounded
// number of spans, whatever becomes of who receives them.

import type { TraceContext, TraceIds } from '../domain/trace.ts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  readonly name: string;
  /** Its own span id; and the id of its trace where it has no parent. */
  readonly ids: TraceIds;
  readonly parent: TraceContext | null;
  /** Milliseconds since 1970, as everywhere here. */
  readonly at: number;
  readonly attributes: Attributes;
}

export interface OpenSpan {
  /** For who continues the trace below this span (W3C). */
  readonly traceparent: string;
  /** A part of it that is over; with a problem code when it failed. */
  part(name: string, from: number, to: number, attributes?: Attributes, failure?: string | null): void;
  /** Something that happened at one moment. */
  note(name: string, at: number, attributes?: Attributes): void;
  end(at: number, attributes: Attributes, failure: string | null): void;
}

export interface Tracer {
  open(start: SpanStart): OpenSpan;
}
