// Owns the counters and histograms and the text form of all metrics (Prometheus exposition format 0.0.4). Invariant:
// what a rule lists is there from the first scrape, at 0; a value that it does not list is "other", and no metric
// has more than MAX_SERIES series, whatever is counted.

import {
  BUCKETS,
  METRICS,
  type Meter,
  type MetricName,
  type MetricRule,
  type Sample,
  type Samples,
} from '../../ports/metrics.ts';

const MAX_SERIES = 64;
const OTHER = 'other';

type Labels = Readonly<Record<string, string>>;

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

export class Metrics implements Meter {
  readonly #counters = new Map<string, Map<string, number>>();
  readonly #histograms = new Map<string, Map<string, Histogram>>();

  constructor() {
    for (const [name, rule] of Object.entries<MetricRule>(METRICS)) {
      for (const labels of known(rule)) {
        if (rule.type === 'counter') this.#countersOf(name).set(labelText(labels), 0);
        if (rule.type === 'histogram') this.#histogramsOf(name).set(labelText(labels), empty());
      }
    }
  }

  count(metric: MetricName, labels: Labels = {}, by = 1): void {
    const series = this.#countersOf(metric);
    const key = within(series, METRICS[metric], labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  time(metric: MetricName, seconds: number, labels: Labels = {}): void {
    const series = this.#histogramsOf(metric);
    const key = within(series, METRICS[metric], labels);
    const histogram = series.get(key) ?? empty();
    series.set(key, histogram);
    const bucket = BUCKETS.findIndex((limit) => seconds <= limit);
    if (bucket !== -1) histogram.counts[bucket]! += 1;
    histogram.sum += seconds;
    histogram.count += 1;
  }

  /** Everything, in the order of the catalogue; `now` has the gauges as they are. */
  text(now: Samples): string {
    const lines: string[] = [];
    for (const [name, rule] of Object.entries<MetricRule>(METRICS)) {
      const samples = [
        ...(now[name as MetricName] ?? []).map(({ labels = {}, value }: Sample) => [
          labelText(labels),
          value,
        ]),
        ...(this.#counters.get(name) ?? []),
      ].map(([labels, value]) => `${name}${labels} ${value}`);
      for (const [labels, histogram] of this.#histograms.get(name) ?? [])
        samples.push(...histogramLines(name, labels, histogram));
      lines.push(`# HELP ${name} ${rule.help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`);
      lines.push(`# TYPE ${name} ${rule.type}`, ...samples);
    }
    return `${lines.join('\n')}\n`;
  }

  #countersOf(name: string): Map<string, number> {
    return grown(this.#counters, name, () => new Map<string, number>());
  }

  #histogramsOf(name: string): Map<string, Histogram> {
    return grown(this.#histograms, name, () => new Map<string, Histogram>());
  }
}

/** Buckets are cumulative on the wire and single in memory. */
function histogramLines(name: string, labels: string, { counts, sum, count }: Histogram): string[] {
  const le = (limit: string): string =>
    labels === '' ? `{le="${limit}"}` : `${labels.slice(0, -1)},le="${limit}"}`;
  let below = 0;
  const buckets = BUCKETS.map((limit, i) => {
    below += counts[i]!;
    return `${name}_bucket${le(String(limit))} ${below}`;
  });
  return [
    ...buckets,
    `${name}_bucket${le('+Inf')} ${count}`,
    `${name}_sum${labels} ${Number(sum.toFixed(6))}`,
    `${name}_count${labels} ${count}`,
  ];
}

const empty = (): Histogram => ({ counts: BUCKETS.map(() => 0), sum: 0, count: 0 });

function grown<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** The series of these labels; where there are too many, the one that all others share. */
function within(
  series: ReadonlyMap<string, unknown>,
  { labels: rule = {} }: MetricRule,
  given: Labels,
): string {
  const key = labelText(given);
  // Every series that a rule lists is there from the start: a known key needs no further look.
  if (series.has(key)) return key;
  const values = Object.entries(given).map(([name, value]): [string, string] => {
    const allowed = rule[name];
    return [name, allowed == null || allowed.includes(value) ? value : OTHER];
  });
  const bounded = labelText(Object.fromEntries(values));
  if (series.has(bounded) || series.size < MAX_SERIES - 1) return bounded;
  return labelText(Object.fromEntries(values.map(([name]) => [name, OTHER])));
}

/** The series that can be named beforehand. */
function known({ labels = {} }: MetricRule): Labels[] {
  let all: Labels[] = [{}];
  for (const [name, values] of Object.entries(labels)) {
    if (values === null) return [];
    all = all.flatMap((labelled) => values.map((value) => ({ ...labelled, [name]: value })));
  }
  return all;
}

function labelText(labels: Labels): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name]!;
    // Plain in all but a test; the three characters that would break out of the quotes are replaced.
    text += `${text === '' ? '{' : ','}${name}="${UNSAFE.test(value) ? value.replace(/[\\"\n]/g, '_') : value}"`;
  }
  return text === '' ? '' : `${text}}`;
}

const UNSAFE = /[\\"\n]/;
