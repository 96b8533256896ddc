// Owns which files of the configuration are not in force as they are. Invariant: each fault is a line and a count once,
// and on display until it is mended.

import type { FileNews } from '../domain/last-good.ts';
import type { Samples } from '../ports/metrics.ts';
import type { Telemetry } from '../ports/telemetry.ts';

export class FileFaults implements FileNews {
  readonly #faults = new Map<string, string>();
  readonly #telemetry: Telemetry;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** @param key what the configuration calls the file */
  fault(key: string, sentence: string): void {
    if (this.#faults.get(key) === sentence) return;
    this.#faults.set(key, sentence);
    this.#telemetry.count('tasklease_file_reload_failures_total');
    this.#telemetry.log('error', 'file not taken; the last good version stays', {
      file: key,
      fault: sentence,
    });
  }

  mended(key: string): void {
    if (this.#faults.delete(key)) this.#telemetry.log('info', 'right again', { file: key });
  }

  /** A sentence for each. */
  faults(): string[] {
    return [...this.#faults].map(([key, sentence]) => `${key}: ${sentence}`);
  }

  /** What they are for: may be told to everybody, their paths not. */
  faulty(): string[] {
    return [...new Set([...this.#faults.keys()].map((key) => key.split(' ')[0]!))].sort();
  }

  samples(): Samples {
    return {
      tasklease_file_faulty: this.faulty().map((file) => ({ labels: { file }, value: 1 })),
    };
  }
}
