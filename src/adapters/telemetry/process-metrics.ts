// Owns what this process costs, under the names that Prometheus clients give it. Invariant: looked up when somebody
// asks; in between only one timer a second runs, which is also what the event loop's delay is measured by.

import { readdirSync, readFileSync } from 'node:fs';
import type { Samples } from '../../ports/metrics.ts';

const EVERY_MS = 1000;
const KEPT = 60;

export interface ProcessMetrics {
  samples(): Samples;
  close(): void;
}

export function openProcessMetrics(version: string): ProcessMetrics {
  const lags: number[] = [];
  let due = performance.now() + EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    if (lags.length === KEPT) lags.shift();
    lags.push(Math.max(0, now - due));
    due = now + EVERY_MS;
  }, EVERY_MS);
  timer.unref();
  const startedAt = Math.round(performance.timeOrigin) / 1000;
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  return {
    samples() {
      const { rss, heapUsed, external } = process.memoryUsage();
      const { user, system } = process.cpuUsage();
      // A loop that is held up now has not been measured yet.
      const lag = Math.max(lags.at(-1) ?? 0, performance.now() - due);
      const one = (value: number) => [{ value }];
      return {
        tasklease_build_info: [{ labels: { version, node: process.versions.node }, value: 1 }],
        nodejs_eventloop_lag_seconds: one(lag / 1000),
        nodejs_eventloop_lag_max_seconds: one(Math.max(lag, ...lags) / 1000),
        nodejs_heap_size_used_bytes: one(heapUsed),
        nodejs_external_memory_bytes: one(external),
        process_resident_memory_bytes: one(rss),
        process_cpu_seconds_total: one((user + system) / 1e6),
        process_open_fds: one(readdirSync('/proc/self/fd').length),
        ...(Number.isFinite(limit) ? { process_max_fds: one(limit) } : {}),
        process_start_time_seconds: one(startedAt),
      };
    },
    close: () => clearInterval(timer),
  };
}
