// The port to logs and metrics.

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Telemetry {
  /** One log line. Fields hold ids, codes and numbers, never a secret. */
  log(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  count(metric: string, labels?: Readonly<Record<string, string>>): void;
}
