// Owns the text form of the metrics (Prometheus exposition format 0.0.4), as a scraper reads it.

import { expect, test } from 'vitest';
import { Metrics } from '../../../../src/adapters/telemetry/metrics.ts';
import { BUCKETS, METRICS, type MetricName, type MetricRule } from '../../../../src/ports/metrics.ts';

/** A sample line: name, labels, value. */
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,|(?=\})))*\})? -?\d+(?:\.\d+)?$/;

const linesOf = (metrics: Metrics, now = {}): string[] => metrics.text(now).trimEnd().split('\n');
const samplesOf = (lines: readonly string[], name: string): string[] =>
  lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

test('what is counted is there with its labels, gauges as they are now', () => {
  const metrics = new Metrics();
  metrics.count('tasklease_facts_total', { type: 'grant.accepted' });
  metrics.count('tasklease_facts_total', { type: 'grant.accepted' });
  metrics.count('tasklease_facts_total', { type: 'grant.closed' });
  metrics.count('tasklease_leases_unproved_total', {}, 3);
  const lines = linesOf(metrics, {
    tasklease_tasks: [
      { labels: { state: 'active' }, value: 2 },
      { labels: { state: 'stopping' }, value: 0 },
    ],
    tasklease_ready: [{ value: 1 }],
  });
  expect(lines).toEqual(
    expect.arrayContaining([
      'tasklease_facts_total{type="grant.accepted"} 2',
      'tasklease_facts_total{type="grant.closed"} 1',
      'tasklease_leases_unproved_total 3',
      'tasklease_tasks{state="active"} 2',
      'tasklease_tasks{state="stopping"} 0',
      'tasklease_ready 1',
    ]),
  );
});

test('what can be named beforehand is there at 0 from the first scrape, so that a first event is a rise', () => {
  const lines = linesOf(new Metrics());
  expect(lines).toContain('tasklease_tasks_closed_total{outcome="failed"} 0');
  expect(lines).toContain('tasklease_security_events_total{event="wrapping_token_used"} 0');
  expect(lines).toContain('tasklease_refusals_total{code="CAPACITY"} 0');
  expect(lines).toContain('tasklease_vault_errors_total{kind="unknown",code="VAULT_UNREACHABLE"} 0');
  expect(lines).toContain('tasklease_phase_duration_seconds_count{phase="proof"} 0');
});

test('buckets are cumulative, end with +Inf, and sum and count agree', () => {
  const metrics = new Metrics();
  const took = [0, 0.002, 0.0021, 0.3, 999];
  for (const seconds of took) metrics.time('tasklease_phase_duration_seconds', seconds, { phase: 'start' });
  const lines = linesOf(metrics).filter((line) => line.includes('phase="start"'));
  const buckets = lines
    .filter((line) => line.startsWith('tasklease_phase_duration_seconds_bucket'))
    .map((line) => [/le="([^"]+)"/.exec(line)![1], Number(line.split(' ').at(-1))] as const);
  expect(buckets.map(([limit]) => limit)).toEqual([...BUCKETS.map(String), '+Inf']);
  for (const [limit, count] of buckets) {
    const below = took.filter((seconds) => limit === '+Inf' || seconds <= Number(limit)).length;
    expect(count, `le ${limit}`).toBe(below);
  }
  expect(lines).toContain('tasklease_phase_duration_seconds_sum{phase="start"} 999.3041');
  expect(lines).toContain('tasklease_phase_duration_seconds_count{phase="start"} 5');
});

test('no label value breaks out of its quotes or its line', () => {
  const metrics = new Metrics();
  for (const value of ['a"b', 'a\\', 'a\nb', '"} 1\nfake_total 9', '\\"', '', '{}', 'ü']) {
    metrics.count('tasklease_facts_total', { type: value });
  }
  const lines = linesOf(metrics);
  expect(lines.filter((line) => !SAMPLE.test(line) && !/^# (?:HELP|TYPE) [a-z_]+ ./.test(line))).toEqual([]);
  expect(lines.filter((line) => line.startsWith('fake_total'))).toEqual([]);
});

test('no metric has more than 64 series, whatever is counted: the rest is "other"', () => {
  const metrics = new Metrics();
  for (let n = 0; n < 10_000; n += 1) {
    metrics.count('tasklease_facts_total', { type: `type-${n}` });
    metrics.count('tasklease_refusals_total', { code: `CODE_${n}` });
    metrics.count('tasklease_vault_errors_total', { kind: `kind-${n}`, code: `CODE_${n}` });
    metrics.time('tasklease_vault_request_duration_seconds', 0.01, { request: `call-${n}` });
  }
  const lines = linesOf(metrics);
  const names = new Set(lines.filter((line) => !line.startsWith('#')).map((line) => line.split(/[{ ]/)[0]!));
  for (const name of names) {
    const perSeries = name.endsWith('_bucket') ? BUCKETS.length + 1 : 1;
    expect(samplesOf(lines, name).length / perSeries, name).toBeLessThanOrEqual(64);
  }
  const total = (name: string) =>
    samplesOf(lines, name).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  expect(total('tasklease_facts_total'), 'nothing counted is lost').toBe(10_000);
  expect(lines).toContain('tasklease_refusals_total{code="other"} 10000');
  expect(lines).toContain('tasklease_vault_errors_total{kind="other",code="other"} 10000');
});

test('each metric has one HELP and one TYPE line, right before its samples', () => {
  const metrics = new Metrics();
  metrics.time('tasklease_vault_request_duration_seconds', 1, { request: 'read_secret' });
  const lines = linesOf(metrics, { tasklease_ready: [{ value: 1 }] });
  let current = '';
  const seen = new Set<string>();
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('# HELP ')) {
      current = line.split(' ')[2]!;
      expect(seen.has(current)).toBe(false);
      seen.add(current);
      expect(lines[i + 1]).toBe(`# TYPE ${current} ${METRICS[current as MetricName].type}`);
    } else if (!line.startsWith('# TYPE ')) {
      expect(SAMPLE.exec(line)?.[1]?.replace(/_(bucket|sum|count)$/, '')).toBe(current);
    }
  }
});

test('names follow the conventions: a prefix, base units, _total for counters and for nothing else', () => {
  for (const [name, rule] of Object.entries<MetricRule>(METRICS)) {
    expect(name).toMatch(/^(tasklease|process|nodejs)_[a-z_]+$/);
    expect(name.endsWith('_total'), name).toBe(rule.type === 'counter');
    expect(name).not.toMatch(/_(ms|millis|minutes|kb|percent)\b/);
    if (rule.type === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(rule.help, name).toMatch(/^[A-Z0-9].*[.\])]$/);
  }
});
