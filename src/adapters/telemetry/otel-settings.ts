// Owns which of OpenTelemetry's environment variables hold (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
// Invariant: where none asks for traces nothing of OpenTelemetry is loaded; a wrong value is named and its default holds.

export interface TraceSettings {
  /** Where to; for people only: the exporter reads it, and its headers, from the environment itself. */
  readonly endpoint: string;
  /** The package whose OTLPTraceExporter speaks the protocol. */
  readonly exporter: 'http' | 'proto';
  readonly sampler: SamplerChoice;
  readonly batch: Readonly<Record<'delayMs' | 'queue' | 'batch' | 'timeoutMs', number>>;
}

export interface SamplerChoice {
  readonly parentBased: boolean;
  /** 0 to 1. */
  readonly ratio: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SAMPLERS: Readonly<Record<string, { readonly parentBased: boolean; readonly ratio: number | null }>> = {
  always_on: { parentBased: false, ratio: 1 },
  always_off: { parentBased: false, ratio: 0 },
  traceidratio: { parentBased: false, ratio: null },
  parentbased_always_on: { parentBased: true, ratio: 1 },
  parentbased_always_off: { parentBased: true, ratio: 0 },
  parentbased_traceidratio: { parentBased: true, ratio: null },
};

/** Null where no traces are asked for. `fault` is told what cannot be used. */
export function traceSettings(
  environment: Environment,
  fault: (sentence: string) => void,
): TraceSettings | null {
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const of = (name: string): [string, string] | undefined =>
    [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
      .map((key): [string, string | undefined] => [key, get(key)])
      .find((pair): pair is [string, string] => pair[1] !== undefined);
  const asked = of('ENDPOINT');
  if (asked === undefined || get('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null;
  if (get('OTEL_TRACES_EXPORTER')?.toLowerCase() === 'none') return null;
  const [key, endpoint] = asked;
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    fault(`${key} is not a URL like http://localhost:4318`);
    return null;
  }
  const protocol = of('PROTOCOL')?.[1] ?? 'http/json';
  if (protocol !== 'http/json' && protocol !== 'http/protobuf') {
    fault(`OTEL_EXPORTER_OTLP_PROTOCOL is ${quoted(protocol)}: it must be http/json or http/protobuf`);
    return null;
  }
  const number = (name: string, byDefault: number): number => {
    const text = get(name);
    if (text === undefined || /^\d{1,9}$/.test(text)) return text === undefined ? byDefault : Number(text);
    fault(`${name} is ${quoted(text)} and no whole number: ${byDefault} holds`);
    return byDefault;
  };
  return {
    endpoint: withoutSecrets(endpoint),
    exporter: protocol === 'http/json' ? 'http' : 'proto',
    sampler: sampler(get('OTEL_TRACES_SAMPLER'), get('OTEL_TRACES_SAMPLER_ARG'), fault),
    batch: {
      delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5000),
      queue: Math.max(1, number('OTEL_BSP_MAX_QUEUE_SIZE', 2048)),
      batch: Math.max(1, number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
      timeoutMs: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
    },
  };
}

function sampler(
  name = 'parentbased_always_on',
  arg: string | undefined,
  fault: (sentence: string) => void,
): SamplerChoice {
  const known = SAMPLERS[name];
  if (known === undefined) {
    fault(
      `OTEL_TRACES_SAMPLER is ${quoted(name)}: it must be one of ${Object.keys(SAMPLERS).join(', ')}; parentbased_always_on holds`,
    );
    return { parentBased: true, ratio: 1 };
  }
  if (known.ratio !== null) return { parentBased: known.parentBased, ratio: known.ratio };
  const ratio = Number(arg ?? '1');
  if (ratio >= 0 && ratio <= 1) return { parentBased: known.parentBased, ratio };
  fault(`OTEL_TRACES_SAMPLER_ARG is ${quoted(arg ?? '')} and no number from 0 to 1: 1 holds`);
  return { parentBased: known.parentBased, ratio: 1 };
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 100));

/** User, password and query of a URL are for the receiver alone. */
function withoutSecrets(endpoint: string): string {
  const { protocol, host, pathname } = new URL(endpoint);
  return `${protocol}//${host}${pathname}`;
}
