// What facts mean in numbers, on a whole agent in a simulated host: each phase once, nothing left behind.

import { describe, expect, test } from 'vitest';
import { Metrics } from '../../../src/adapters/telemetry/metrics.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import { FactMeter } from '../../../src/engine/fact-meter.ts';
import { gauges } from '../../../src/engine/gauges.ts';
import { observe } from '../../../src/engine/observe.ts';
import type { Level } from '../../../src/ports/telemetry.ts';
import { caller } from '../domain/samples.ts';
import { House, taskId } from './house.ts';

const value = (text: string, series: string): number => {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  if (line === undefined) throw new Error(`no ${series}`);
  return Number(line.split(' ').at(-1));
};

const watched = async () => {
  const house = new House();
  const agent = await house.agent();
  const metrics = new Metrics();
  const log = (level: Level, message: string, fields: unknown) => house.logs.push({ level, message, fields });
  observe(agent, { log, writes: () => true, count: () => {} }, metrics);
  const read = (series: string): number => value(metrics.text(gauges(agent)), series);
  return { house, agent, read };
};

const phase = (name: string): string => `tasklease_phase_duration_seconds_count{phase="${name}"}`;

describe('a whole life', () => {
  test('is one start, one stop, one of each phase, and all gauges are back at 0', async () => {
    const { house, agent, read } = await watched();
    await house.start(agent, 'a');
    expect(read('tasklease_tasks{state="active"}')).toBe(1);
    expect(read('tasklease_leases')).toBe(1);
    expect(read('tasklease_leases_without_task')).toBe(0);
    const stopped = agent.stop(taskId('a'), caller(), 10_000);
    await house.clock.advance(1000);
    await stopped;
    for (const each of ['token', 'read', 'start', 'erase', 'proof', 'stop'])
      expect(read(phase(each)), each).toBe(1);
    expect(read('tasklease_starts_total')).toBe(1);
    expect(read('tasklease_stops_total{reason="completed"}')).toBe(1);
    expect(read('tasklease_tasks_closed_total{outcome="completed"}')).toBe(1);
    for (const gauge of [
      'tasklease_leases',
      'tasklease_leases_without_task',
      'tasklease_revocations_pending',
    ])
      expect(read(gauge), gauge).toBe(0);
  });

  test('while a revocation cannot be proved, the leases without a task and the age of the oldest say so', async () => {
    const { house, agent, read } = await watched();
    await house.start(agent, 'a');
    house.vault.model.sealed = true;
    void agent.stop(taskId('a'), caller(), 0);
    await house.clock.advance(20_000);
    expect(read('tasklease_leases_without_task')).toBe(1);
    expect(read('tasklease_revocations_pending')).toBe(1);
    expect(read('tasklease_revocation_oldest_age_seconds')).toBeGreaterThan(15);
    expect(read('tasklease_revocation_failures_total')).toBeGreaterThan(0);
    // An agent after it knows for how long as well.
    const next = await house.agent();
    await house.clock.advance(10_000);
    expect(
      value(new Metrics().text(gauges(next)), 'tasklease_revocation_oldest_age_seconds'),
    ).toBeGreaterThan(25);
    house.vault.model.sealed = false;
    await house.clock.advance(120_000);
    expect(value(new Metrics().text(gauges(next)), 'tasklease_leases_without_task')).toBe(0);
  });
});

test('a thousand grants leave nothing in memory once they are closed, also those that nobody saw begin', () => {
  const meter = new FactMeter({ count: () => {}, time: () => {} });
  for (let n = 0; n < 1000; n += 1) {
    const entry = (fact: Fact) => ({ grant: `g#${n}` as never, at: n, wallMs: n, fact });
    if (n % 2 === 0) meter.tell(entry({ type: 'grant.stopping', reason: 'expired', detail: null }));
    meter.tell(entry({ type: 'files.erased', erased_at: '' }));
    expect(meter.size).toBe(1);
    meter.tell(entry({ type: 'grant.closed', outcome: 'expired', receipt: { leases: [] } as never }));
  }
  expect(meter.size).toBe(0);
});

test('a line about a task names the task and its business event', async () => {
  const { house, agent } = await watched();
  await house.start(agent, 'a', { event: { type: 'pull_request', id: 'acme/shop#412' } });
  const lines = house.logs.filter(({ message }) => message.includes('.'));
  expect(lines.length).toBeGreaterThan(3);
  for (const { message, fields } of lines)
    expect(fields, message).toMatchObject({ task: 'a', event: 'pull_request:acme/shop#412' });
});
