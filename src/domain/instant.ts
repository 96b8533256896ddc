// Owns time as the domain sees it. Invariant: an Instant is milliseconds on the boot clock
// (CLOCK_BOOTTIME, clock_gettime(2)), which neither jumps nor stops in suspend; wall-clock time
// appears only where people or Vault read it, as RFC 3339.

/** Milliseconds since boot, a whole number. */
export type Instant = number;

/** One reading of both clocks. Read once at the edge; everything inside is arithmetic. */
export interface Moment {
  readonly at: Instant;
  /** Milliseconds since 1970 at the same moment. */
  readonly wallMs: number;
}

/** An instant as RFC 3339 (UTC, milliseconds), as seen from `moment`. */
export const rfc3339 = (instant: Instant, moment: Moment): string =>
  new Date(moment.wallMs + (instant - moment.at)).toISOString();

/** The instant of an RFC 3339 time, as seen from `moment`; NaN when the text is not a time. */
export const instantOf = (text: string, moment: Moment): Instant =>
  Math.round(Date.parse(text) - moment.wallMs + moment.at);
