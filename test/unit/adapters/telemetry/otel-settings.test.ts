// Which of OpenTelemetry's variables hold, and what is said of wrong ones.

import { expect, test } from 'vitest';
import { traceSettings } from '../../../../src/adapters/telemetry/otel-settings.ts';

const read = (environment: Record<string, string>) => {
  const faults: string[] = [];
  return { settings: traceSettings(environment, (fault) => faults.push(fault)), faults };
};
const AT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };

test.each([
  [{}],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  [{ OTEL_SERVICE_NAME: 'a', OTEL_TRACES_SAMPLER: 'always_on' }],
  [{ ...AT, OTEL_SDK_DISABLED: 'true' }],
  [{ ...AT, OTEL_TRACES_EXPORTER: 'none' }],
])('%j asks for no traces, and nothing is wrong', (environment) => {
  expect(read(environment as Record<string, string>)).toEqual({ settings: null, faults: [] });
});

test('an endpoint alone is enough; that of traces comes first, and its password stays with the exporter', () => {
  expect(read(AT).settings).toMatchObject({ exporter: 'http', sampler: { parentBased: true, ratio: 1 } });
  const own = { ...AT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://me:secret@host/v1/traces?key=secret' };
  expect(read(own)).toMatchObject({ settings: { endpoint: 'https://host/v1/traces' }, faults: [] });
  expect(read({ ...AT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }).settings?.exporter).toBe('proto');
});

test.each([
  ['always_off', undefined, { parentBased: false, ratio: 0 }],
  ['traceidratio', '0.25', { parentBased: false, ratio: 0.25 }],
  ['parentbased_traceidratio', '0.5', { parentBased: true, ratio: 0.5 }],
  ['parentbased_always_off', undefined, { parentBased: true, ratio: 0 }],
])('the sampler %s with %s', (name, arg, sampler) => {
  const more = arg === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: arg };
  expect(read({ ...AT, OTEL_TRACES_SAMPLER: name, ...more })).toMatchObject({
    settings: { sampler },
    faults: [],
  });
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT', false],
  [{ ...AT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'http/json or http/protobuf', false],
  [{ ...AT, OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER', true],
  [{ ...AT, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' }, '_ARG', true],
  [{ ...AT, OTEL_BSP_MAX_QUEUE_SIZE: 'many' }, 'OTEL_BSP_MAX_QUEUE_SIZE', true],
])('%j is named once', (environment, named, goesOn) => {
  const { settings, faults } = read(environment as Record<string, string>);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain(named);
  expect(settings !== null).toBe(goesOn);
});
