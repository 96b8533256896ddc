// The port to logs and metrics.

import type { GrantId } from '../domain/ids.ts';
import type { Instant } from '../domain/instant.ts';
import type { MetricName } from './metrics.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

/** Of the phases of a task (README, Metrics). */
export type Phase = 'probe' | 'publish' | 'renew';

export interface Telemetry {
  /** One log line. Fields hold ids, codes and numbers, never a secret. */
  log(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Whether lines of this level are written at all: what nobody reads need not be made. */
  writes(level: Level): boolean;
  count(metric: MetricName, labels?: Readonly<Record<string, string>>): void;
  /** A phase of a task that no fact tells of. */
  readonly phase?: (grant: GrantId, phase: Phase, from: Instant, to: Instant) => void;
  /** What continues the trace of a living task (W3C); null when it is not traced. */
  readonly traceparent?: (grant: GrantId) => string | null;
}
