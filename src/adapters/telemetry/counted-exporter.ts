// Owns the count of spans that were taken and lost, and what the log says of it. Invariant: said once when their
// receiver stops taking them and once when it does again, however many are lost.

import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Meter } from '../../ports/metrics.ts';
import type { Telemetry } from '../../ports/telemetry.ts';

type Result = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** ExportResultCode.SUCCESS of @opentelemetry/core. */
const SUCCESS = 0;

export class CountedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #log: Telemetry['log'];
  readonly #count: Meter['count'];
  #failing = false;
  /** Spans that wait, or are on their way. */
  #waiting = 0;

  constructor(exporter: SpanExporter, log: Telemetry['log'], count: Meter['count']) {
    this.#exporter = exporter;
    this.#log = log;
    this.#count = count;
  }

  export(spans: ReadableSpan[], done: (result: Result) => void): void {
    this.#exporter.export(spans, (result) => {
      this.#told(spans.length, result);
      done(result);
    });
  }

  /**
   * The processor, fed with no more spans than `most` that are not taken yet. (Its own limit counts only those that
   * are not on their way, and says nothing of what it drops.)
   */
  bounded(processor: SpanProcessor, most: number): SpanProcessor {
    return {
      onStart: (span, context) => processor.onStart(span, context),
      onEnd: (span) => {
        if ((span.spanContext().traceFlags & 1) === 0) return;
        if (this.#waiting >= most) return this.#count('tasklease_spans_total', { result: 'lost' });
        this.#waiting += 1;
        processor.onEnd(span);
      },
      forceFlush: () => processor.forceFlush(),
      shutdown: () => processor.shutdown(),
    };
  }

  forceFlush = (): Promise<void> => this.#exporter.forceFlush?.() ?? Promise.resolve();
  shutdown = (): Promise<void> => this.#exporter.shutdown();

  #told(spans: number, { code, error }: Result): void {
    const taken = code === SUCCESS;
    this.#waiting -= spans;
    this.#count('tasklease_spans_total', { result: taken ? 'exported' : 'lost' }, spans);
    if (taken === !this.#failing) return;
    this.#failing = !taken;
    if (taken) return this.#log('info', 'traces are taken again');
    const { code: errno, name } = (error ?? {}) as { code?: unknown; name?: string };
    const reason =
      typeof errno === 'number' ? `it answered ${errno}` : String(errno ?? error?.message ?? name);
    this.#log('warn', 'traces are lost: their receiver does not take them', { reason });
  }
}
