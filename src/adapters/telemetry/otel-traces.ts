// Owns the way of spans to an OpenTelemetry receiver. The packages are the user's own (optional peer dependencies),
// loaded only when an endpoint is set. Invariant: nothing waits for the receiver but the end of the agent, and that for
// a bounded time; what it does not take in time is dropped and counted.

import type { Context, Tracer as OtelTracer, Span } from '@opentelemetry/api';
import type { IdGenerator } from '@opentelemetry/sdk-trace';
import { idsOf, type TraceContext, type TraceIds } from '../../domain/trace.ts';
import type { Meter } from '../../ports/metrics.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import type { OpenSpan, SpanStart, Tracer } from '../../ports/tracing.ts';
import { CountedExporter } from './counted-exporter.ts';
import { type SamplerChoice, type TraceSettings, traceSettings } from './otel-settings.ts';

/** How long the end of the agent waits for its last spans to be taken. */
const FLUSH_MS = 2000;

export interface Traces extends Tracer {
  /** The last spans; resolves in a bounded time and never fails. */
  close(): Promise<void>;
}

type Api = typeof import('@opentelemetry/api');
type Sdk = typeof import('@opentelemetry/sdk-trace');

/** Null where none are asked for, or where they cannot be had, which the log says. */
export async function openTraces(
  environment: NodeJS.ProcessEnv,
  version: string,
  log: Telemetry['log'],
  count: Meter['count'],
): Promise<Traces | null> {
  const settings = traceSettings(environment, (fault) => log('error', 'traces', { fault }));
  if (settings === null) return null;
  try {
    const packages = await load(settings);
    const provider = providerOf(packages, settings, version, log, count);
    log('info', 'traces go to', { endpoint: settings.endpoint });
    return provider;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    log('error', 'no traces: an OpenTelemetry endpoint is set, but its packages cannot be loaded', {
      reason: missing ? 'they are not installed' : error instanceof Error ? error.message : String(error),
      hint: 'install the packages that the README names (Traces) beside tasklease, or unset OTEL_EXPORTER_OTLP_ENDPOINT',
    });
    return null;
  }
}

async function load({ exporter }: TraceSettings) {
  const [api, sdk, resources, otlp] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    exporter === 'proto'
      ? import('@opentelemetry/exporter-trace-otlp-proto')
      : import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  return { api, sdk, resources, exporter: new otlp.OTLPTraceExporter() };
}

function providerOf(
  { api, sdk, resources, exporter }: Awaited<ReturnType<typeof load>>,
  { sampler, batch }: TraceSettings,
  version: string,
  log: Telemetry['log'],
  count: Meter['count'],
): Traces {
  const { detectResources, resourceAttributesEnvDetector, resourceFromAttributes, serviceNameEnvDetector } =
    resources;
  const ids = new GivenIds(new sdk.RandomIdGenerator());
  const exported = new CountedExporter(exporter, log, count);
  const processor = new sdk.BatchSpanProcessor({
    exporter: exported,
    scheduledDelayMillis: batch.delayMs,
    maxQueueSize: batch.queue,
    maxExportBatchSize: batch.batch,
    exportTimeoutMillis: batch.timeoutMs,
  });
  const own = { 'service.name': 'tasklease', 'service.version': version, 'process.pid': process.pid };
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes(own).merge(detectResources({ detectors })),
    sampler: samplerOf(sdk, sampler),
    idGenerator: ids,
    spanProcessors: [exported.bounded(processor, batch.queue)],
  });
  const tracer = provider.getTracer('tasklease', version);
  return {
    open: (start) => open(api, tracer, ids, start),
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, FLUSH_MS);
      void provider.shutdown().then(resolve, resolve);
      await promise;
      clearTimeout(timer);
    },
  };
}

function samplerOf(sdk: Sdk, { parentBased, ratio }: SamplerChoice) {
  const root = ratio === 1 ? new sdk.AlwaysOnSampler() : new sdk.TraceIdRatioBasedSampler(ratio);
  return parentBased ? new sdk.ParentBasedSampler({ root }) : root;
}

function open(api: Api, tracer: OtelTracer, ids: GivenIds, start: SpanStart): OpenSpan {
  const { ROOT_CONTEXT, SpanStatusCode, trace } = api;
  const options = { startTime: hrTime(start.at), attributes: start.attributes };
  const parent = start.parent === null ? ROOT_CONTEXT : contextOf(api, start.parent);
  const span = ids.give(start.ids, () => tracer.startSpan(start.name, options, parent));
  const below = trace.setSpan(ROOT_CONTEXT, span);
  const fail = (failed: Span, message: string | null): void => {
    if (message !== null) failed.setStatus({ code: SpanStatusCode.ERROR, message });
  };
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-0${traceFlags & 1}`,
    part(name, from, to, attributes = {}, failure = null) {
      const part = tracer.startSpan(name, { startTime: hrTime(from), attributes }, below);
      fail(part, failure);
      part.end(hrTime(to));
    },
    note: (name, at, attributes = {}) => void span.addEvent(name, attributes, hrTime(at)),
    end(at, attributes, failure) {
      span.setAttributes(attributes);
      fail(span, failure);
      span.end(hrTime(at));
    },
  };
}

function contextOf({ ROOT_CONTEXT, createTraceState, trace }: Api, { parent, state }: TraceContext): Context {
  const { traceId, spanId, sampled } = idsOf(parent);
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...{ traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true },
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  });
}

/** A plain number would be taken for one of performance.now() where it is before this process began. */
const hrTime = (ms: number): [number, number] => {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))];
};

/** Ids as they are given for one span; random ones for all others. */
class GivenIds implements IdGenerator {
  readonly #random: IdGenerator;
  #given: TraceIds | null = null;

  constructor(random: IdGenerator) {
    this.#random = random;
  }

  give<T>(ids: TraceIds, make: () => T): T {
    this.#given = ids;
    try {
      return make();
    } finally {
      this.#given = null;
    }
  }

  generateTraceId = (): string => this.#given?.traceId ?? this.#random.generateTraceId();
  generateSpanId = (): string => this.#given?.spanId ?? this.#random.generateSpanId();
}
