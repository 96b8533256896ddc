// Owns the counters and their text form (Prometheus exposition format 0.0.4). Invariant: label values
// come from closed sets (fact types, problem codes, states), never from callers.

export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();

  count(metric: string, labels: Readonly<Record<string, string>> = {}): void {
    const series = this.#counters.get(metric) ?? new Map<string, number>();
    this.#counters.set(metric, series);
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + 1);
  }

  /** Counters, then the gauges as they are now: name → label text or '' → value. */
  text(
    gauges: Readonly<Record<string, readonly { labels?: Record<string, string>; value: number }[]>>,
  ): string {
    const lines: string[] = [];
    for (const [name, series] of [...this.#counters].sort(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push(`# TYPE ${name} counter`);
      for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
    }
    for (const [name, series] of Object.entries(gauges)) {
      lines.push(`# TYPE ${name} gauge`);
      for (const { labels, value } of series) lines.push(`${name}${labelText(labels ?? {})} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, '_')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
