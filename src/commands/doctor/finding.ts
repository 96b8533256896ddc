// Owns what doctor says of one thing it looked at. Invariant: an id means the same for ever, since scripts read it;
// whatever is not ok has a reason and a next step.

export type Severity = 'ok' | 'info' | 'warning' | 'error';

export interface Finding {
  /** Stable; what belongs to a profile has its name in it: `profile.report-read.requests`. */
  readonly id: string;
  readonly severity: Severity;
  /** What was found, in one sentence. */
  readonly what: string;
  readonly reason: string | null;
  readonly next: string | null;
}

export const ok = (id: string, what: string): Finding => ({
  id,
  severity: 'ok',
  what,
  reason: null,
  next: null,
});

const not =
  (severity: Severity) =>
  (id: string, what: string, reason: string, next: string): Finding => ({ id, severity, what, reason, next });

/** Worth knowing; nothing has to be done. */
export const info = not('info');
/** It works, but a promise is weaker than it could be, or it will not work for long. */
export const warning = not('warning');
/** The agent will refuse to start, or tasks will fail. */
export const error = not('error');
