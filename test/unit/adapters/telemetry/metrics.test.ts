// Owns the text form of the metrics (Prometheus exposition format 0.0.4), as a scraper reads it.

import { expect, test } from 'vitest';
import { Metrics } from '../../../../src/adapters/telemetry/metrics.ts';

/** A sample line: name, labels, value. */
const SAMPLE =
  /^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,|(?=\})))*\})? -?\d+(?:\.\d+)?$/;
const TYPE = /^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (?:counter|gauge)$/;

test('counters in the order of their names, then the gauges', () => {
  const metrics = new Metrics();
  metrics.count('tasklease_facts_total', { type: 'grant.accepted' });
  metrics.count('tasklease_facts_total', { type: 'grant.accepted' });
  metrics.count('tasklease_facts_total', { type: 'grant.closed' });
  metrics.count('tasklease_answers_total');
  expect(
    metrics.text({
      tasklease_tasks: [
        { labels: { state: 'active' }, value: 2 },
        { labels: { state: 'stopping' }, value: 0 },
      ],
      tasklease_ready: [{ value: 1 }],
    }),
  ).toBe(`# TYPE tasklease_answers_total counter
tasklease_answers_total 1
# TYPE tasklease_facts_total counter
tasklease_facts_total{type="grant.accepted"} 2
tasklease_facts_total{type="grant.closed"} 1
# TYPE tasklease_tasks gauge
tasklease_tasks{state="active"} 2
tasklease_tasks{state="stopping"} 0
# TYPE tasklease_ready gauge
tasklease_ready 1
`);
});

test('no label value breaks out of its quotes or its line', () => {
  const metrics = new Metrics();
  for (const value of ['a"b', 'a\\', 'a\nb', '"} 1\nfake_total 9', '\\"', '', '{}', 'ü']) {
    metrics.count('m_total', { code: value, other: 'x' });
  }
  const lines = metrics.text({}).trimEnd().split('\n');
  expect(lines.filter((line) => !SAMPLE.test(line) && !TYPE.test(line))).toEqual([]);
  expect(lines.filter((line) => line.startsWith('fake_total'))).toEqual([]);
});

test('each metric has one TYPE line, before its samples', () => {
  const metrics = new Metrics();
  for (let n = 0; n < 20; n += 1) metrics.count(`m${n % 4}_total`, { n: String(n) });
  const lines = metrics
    .text({ g: [{ value: 1 }] })
    .trimEnd()
    .split('\n');
  const types = lines.filter((line) => line.startsWith('# TYPE'));
  expect(new Set(types).size).toBe(types.length);
  expect(types).toHaveLength(5);
  let current = '';
  for (const line of lines) {
    if (line.startsWith('# TYPE ')) current = line.split(' ')[2]!;
    else expect(line.startsWith(current)).toBe(true);
  }
});

test('nothing counted is an empty but whole text', () => {
  expect(new Metrics().text({})).toBe('\n');
});
