/** Counters and gauges in the Prometheus text format (exposition format 0.0.4), for `/metrics`. */

import type { Diagnostics } from '../base/diagnostics.ts'

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

/** Diagnostics that are counted by event, so that somebody can be paged for `agent.suspended`. */
export function counted(diagnostics: Diagnostics, metrics: Metrics): Diagnostics {
  const count = (level: string, event: string): void =>
    metrics.count('behalf_events_total', { level, event })
  return {
    info: (event, facts) => diagnostics.info(event, facts),
    warn: (event, facts) => {
      count('warn', event)
      diagnostics.warn(event, facts)
    },
    error: (event, cause, facts) => {
      count('error', event)
      diagnostics.error(event, cause, facts)
    },
  }
}

function labelled(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
