// Owns what the agent under test is told about its own death. Invariant: plain JSON, in one variable of the
// environment that the product does not know.

export type CrashPoint = {
  /** A step's name, as kill-at.ts writes it down. */
  readonly step: string;
  /** The how-many-th of that name, counted from 1. */
  readonly nth: number;
  readonly when: 'before' | 'after';
};

export type CrashPlan = {
  /** Where steps are written down, one JSON line each. */
  readonly record: string;
  /** Steps count once this file is there; left out, from the first one on. */
  readonly armedBy?: string;
  /** Directories whose files count. */
  readonly roots: readonly string[];
  readonly at?: CrashPoint;
};
