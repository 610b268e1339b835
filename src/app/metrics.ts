/** Counters and gauges in the Prometheus text format (exposition format 0.0.4), for `/metrics`. */

/** Where parts of the product count. Names end in `_total` for counters. */
export interface Metrics {
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void
  /** A value that is read when somebody asks. */
  gauge(name: string, read: () => number): void
}

/** Metrics that `text` renders. Label values must come from a closed set: each makes a series. */
export class MetricsPage implements Metrics {
  readonly #counters = new Map<string, number>()
  readonly #gauges = new Map<string, () => number>()

  count(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const series = name + labelled(labels)
    this.#counters.set(series, (this.#counters.get(series) ?? 0) + by)
  }

  gauge(name: string, read: () => number): void {
    this.#gauges.set(name, read)
  }

  /** The page, series in order of name. */
  text(): string {
    const lines = [
      ...this.#counters.entries(),
      ...[...this.#gauges].map(([name, read]) => [name, read()] as const),
    ].map(([series, value]) => `${series} ${value}`)
    return `${lines.toSorted().join('\n')}\n`
  }
}

function labelled(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
