// What a receiver of OpenTelemetry's traces gets of real tasks (OTLP over HTTP, JSON), and what becomes of tasks when
// there is none: nothing.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.ts';
import { call, type Json } from '../harness/socket-api.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

interface Seen {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly events: readonly { readonly name: string }[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${CALLER}-01`;

let world: World;
let receiver: Server;
let endpoint: string;
const spans: Seen[] = [];
const bodies: string[] = [];
const headers: Json[] = [];
let resource: Readonly<Record<string, unknown>> = {};
let answer: 'well' | 'failing' | 'silent' = 'well';

const plain = (attributes: Json[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (answer === 'silent') return;
      if (answer === 'failing') return void response.writeHead(500).end();
      const text = Buffer.concat(chunks).toString();
      bodies.push(text);
      headers.push({ ...request.headers, url: request.url });
      for (const resourceSpans of JSON.parse(text).resourceSpans) {
        resource = plain(resourceSpans.resource.attributes);
        for (const scope of resourceSpans.scopeSpans)
          for (const span of scope.spans) spans.push({ ...span, attributes: plain(span.attributes) });
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  world = await createWorld({ start: false });
});
afterAll(async () => {
  await world?.close();
  receiver?.closeAllConnections();
  receiver?.close();
});

const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_BSP_SCHEDULE_DELAY: '100',
  ...more,
});
const running = async (more: Record<string, string> = {}): Promise<void> => {
  if (world.agent.running) await world.agent.term();
  await world.agent.start(environment(more));
};
const spanOf = (task: string): Promise<Seen> =>
  until(
    `the span of ${task}`,
    () => spans.find((span) => span.attributes['tasklease.task'] === task) ?? false,
  );
const partsOf = ({ spanId }: Seen): Seen[] => spans.filter(({ parentSpanId }) => parentSpanId === spanId);
const start = (task: string, more: Record<string, string>, body: Json = { profile: 'database' }) =>
  call(world.paths.socket, 'PUT', `/v1/tasks/${task}`, body, more);

beforeEach(() => {
  answer = 'well';
  spans.length = 0;
});

describe('with an endpoint', () => {
  test('a task is one span with its phases below it, in the trace of its start, and the answer names it', async () => {
    await running({ OTEL_SERVICE_NAME: 'lessor', OTEL_EXPORTER_OTLP_HEADERS: 'x-key=canary-key' });
    const event = { type: 'pull_request', id: 'acme/shop#412' };
    const started = await start(
      'traced',
      { traceparent: TRACEPARENT, tracestate: 'vendor=a,other=b' },
      { profile: 'database', event },
    );
    expect(started.status, started.text).toBe(201);
    const secret = JSON.parse(await world.file('traced', 'db.json'));
    const leases = await world.vaultLeases();
    const tokens = await world.taskTokens();
    await stopTask(world, 'traced');
    const span = await spanOf('traced');
    expect(span).toMatchObject({ name: 'task database', traceId: TRACE, parentSpanId: CALLER });
    expect(span.traceState).toBe('vendor=a,other=b');
    expect(started.headers.traceresponse).toBe(`00-${TRACE}-${span.spanId}-01`);
    expect(span.attributes).toMatchObject({
      'tasklease.profile': 'database',
      'tasklease.event.type': 'pull_request',
      'tasklease.event.id': 'acme/shop#412',
      'tasklease.outcome': 'completed',
      'tasklease.reason': 'completed',
      'tasklease.leases': 1,
      'tasklease.leases.unproved': 0,
    });
    expect(span.status.code ?? 0).toBe(0);
    // Its lease is cut to the deadline right after the start: a renewal, unless the stop comes first.
    const phases = () => partsOf(span).filter(({ name }) => name !== 'renew');
    const parts = await until('its phases', () => phases().length >= 7 && phases());
    expect(parts.map(({ name }) => name).sort()).toEqual([
      ...['erase', 'proof', 'publish', 'read', 'start', 'stop', 'token'],
    ]);
    for (const part of parts) {
      expect(part.traceId).toBe(TRACE);
      expect(BigInt(part.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
      expect(BigInt(part.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(part.startTimeUnixNano));
      expect(BigInt(part.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(span.endTimeUnixNano));
    }
    expect(resource).toMatchObject({ 'service.name': 'lessor' });
    expect(headers.at(-1)).toMatchObject({ 'x-key': 'canary-key', url: '/v1/traces' });
    const all = bodies.join('\n');
    const hidden = [secret.username, secret.password, ...leases, ...tokens.map(({ accessor }) => accessor)];
    expect(hidden.length).toBeGreaterThan(3);
    for (const canary of hidden) {
      expect(canary).toMatch(/.{8}/);
      expect(all).not.toContain(canary);
      // The id alone, without its mount, is one too.
      expect(all).not.toContain(canary.split('/').at(-1));
    }
    // Headers of the exporter are a secret as well.
    expect(world.logs()).not.toContain('canary-key');
  });

  test('a start without a trace, or with one that is not valid, begins its own', async () => {
    for (const [task, more] of [
      ['alone', {}],
      ['not-valid', { traceparent: `00-${'0'.repeat(32)}-${CALLER}-01`, tracestate: 'a=b' }],
      ['upper', { traceparent: TRACEPARENT.toUpperCase() }],
    ] as const) {
      expect((await start(task, more)).status).toBe(201);
      await stopTask(world, task);
      const span = await spanOf(task);
      expect(span.traceId, task).not.toBe(TRACE);
      expect(span.parentSpanId || undefined, task).toBeUndefined();
    }
  });

  test('what the caller does not sample is not sampled', async () => {
    await start('unsampled', { traceparent: `00-${TRACE}-${CALLER}-00` });
    await stopTask(world, 'unsampled');
    await startTask(world, 'after', 'database');
    await stopTask(world, 'after');
    await spanOf('after');
    expect(spans.filter((span) => span.attributes['tasklease.task'] === 'unsampled')).toEqual([]);
  });

  test('run gives its command the span of its task', async () => {
    const ran = await world.cli(
      ['run', '--profile', 'database', '--task', 'ran', '--', 'sh', '-c', 'echo "$TRACEPARENT"'],
      { env: { TRACEPARENT } },
    );
    const { spanId, parentSpanId } = await spanOf('ran');
    expect(ran.stdout.trim()).toBe(`00-${TRACE}-${spanId}-01`);
    expect(parentSpanId).toBe(CALLER);
  });

  test('an agent that takes a task over goes on with its span', async () => {
    const { headers: told } = await start('over', { traceparent: TRACEPARENT });
    const before = Date.now();
    await world.agent.kill9();
    await world.agent.start(environment());
    await stopTask(world, 'over');
    const span = await spanOf('over');
    expect(span).toMatchObject({ traceId: TRACE, parentSpanId: CALLER });
    expect(told.traceresponse).toBe(`00-${TRACE}-${span.spanId}-01`);
    expect(span.events.map(({ name }) => name)).toContain('grant.adopted');
    expect(Number(BigInt(span.startTimeUnixNano) / 1_000_000n)).toBeLessThanOrEqual(before);
  });

  test.each(['failing', 'silent'] as const)(
    'a receiver that is %s changes no start, stop or end of the agent',
    async (how) => {
      answer = how;
      await running({ OTEL_EXPORTER_OTLP_TIMEOUT: '500', OTEL_BSP_MAX_QUEUE_SIZE: '4' });
      for (let n = 0; n < 3; n += 1) {
        await startTask(world, `${how}-${n}`, 'database');
        await stopTask(world, `${how}-${n}`);
      }
      await until('lost spans are counted', async () =>
        /^tasklease_spans_total\{result="lost"\} [1-9]/m.test((await world.api('GET', '/v1/metrics')).text),
      );
      const ended = await world.agent.term();
      expect(ended).toMatchObject({ code: 0 });
      expect(world.logs()).toContain('traces are lost');
      receiver.closeAllConnections();
    },
  );
});

/** Writes down what is loaded, by a hook of Node's own. */
const watching = (file: string): string => {
  const hook = join(world.paths.scratch, 'loads.mjs');
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module';
import { appendFileSync } from 'node:fs';
registerHooks({ resolve(name, context, next) {
  if (name.includes('opentelemetry')) appendFileSync(${JSON.stringify(file)}, name + '\\n');
  ${'if (process.env.WITHOUT && name.startsWith("@opentelemetry")) throw Object.assign(new Error("no"), { code: "ERR_MODULE_NOT_FOUND" });'}
  return next(name, context);
} });`,
  );
  appendFileSync(file, '');
  return `--import=${hook}`;
};

test('without an endpoint nothing of OpenTelemetry is loaded, and none of it is in what is shipped', async () => {
  const loaded = join(world.paths.scratch, 'loaded');
  const NODE_OPTIONS = watching(loaded);
  if (world.agent.running) await world.agent.term();
  await world.agent.start({ NODE_OPTIONS });
  await startTask(world, 'untraced', 'database');
  await stopTask(world, 'untraced');
  expect(readFileSync(loaded, 'utf8')).toBe('');
  await running({ NODE_OPTIONS });
  expect(readFileSync(loaded, 'utf8')).toContain('@opentelemetry/api');
  expect(readFileSync(join(ROOT, 'dist/THIRD-PARTY-LICENSES'), 'utf8')).not.toMatch(/opentelemetry/i);
  const bundle = readFileSync(join(ROOT, 'dist/bundle.cjs'), 'utf8');
  const imported = [...bundle.matchAll(/@opentelemetry\//g)].length;
  expect(imported).toBe([...bundle.matchAll(/import\([`'"]@opentelemetry\//g)].length);
  expect(imported).toBeGreaterThan(3);
});

test('an endpoint without the packages is one sentence in the log, and the agent goes on', async () => {
  const loaded = join(world.paths.scratch, 'loaded');
  await running({ NODE_OPTIONS: watching(loaded), WITHOUT: '1' });
  await startTask(world, 'packageless', 'database');
  await stopTask(world, 'packageless');
  const said = world.logs().match(/.*no traces: .*/g) ?? [];
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/they are not installed.*README/);
  expect(existsSync(loaded)).toBe(true);
});
