// The port to logs and metrics.

import type { Meter, MetricName } from './metrics.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Telemetry {
  /** One log line. Fields hold ids, codes and numbers, never a secret. */
  log(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Whether lines of this level are written at all: what nobody reads need not be made. */
  writes(level: Level): boolean;
  count(metric: MetricName, labels?: Readonly<Record<string, string>>): void;
  /** How long something took that no fact tells of. */
  readonly time?: Meter['time'];
}
