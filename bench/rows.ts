/** What a bench says: rows of a figure beside its floor, measured in the same rounds. */

/** One figure beside its floor. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the floor is. */
  readonly floor: string
  /** The floor's own figure, in `unit`. */
  readonly floorValue?: number
  /** Value over floor, the median over rounds. For rates above 1 is better than the floor, for times below. */
  readonly ratio: number
  /** The least to the greatest ratio of a round, as a distance. */
  readonly spread: number
  /** What the design aims at (DESIGN §8), where it says. */
  readonly aim?: string
}

/** One round's figures by the name of what was measured. */
export type Round<K extends string> = Readonly<Record<K, number>>

/** The middle value. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

/** The durations of `count` runs in microseconds, sorted. */
export function timed(count: number, work: () => void): Float64Array {
  const times = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    work()
    times[i] = (performance.now() - start) * 1_000
  }
  return times.toSorted()
}

/** The duration below which a share of sorted ones lies. */
export function quantileOf(times: Float64Array, quantile: number): number {
  return times[Math.floor(times.length * quantile)] ?? 0
}

/** A row from rounds: medians, and the ratio within each round. */
export function rowOf<K extends string>(
  rounds: readonly Round<K>[],
  figure: { readonly name: string; readonly of: K; readonly unit: string; readonly aim?: string },
  floor: { readonly name: string; readonly of: K },
): Row {
  const ratios = rounds.map((round) => round[figure.of] / round[floor.of])
  return {
    name: figure.name,
    value: median(rounds.map((round) => round[figure.of])),
    unit: figure.unit,
    floor: floor.name,
    floorValue: median(rounds.map((round) => round[floor.of])),
    ratio: median(ratios),
    spread: Math.max(...ratios) - Math.min(...ratios),
    ...(figure.aim !== undefined && { aim: figure.aim }),
  }
}

/** Rows as text for a terminal. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${written(row.value)} ${row.unit}`,
    row.floorValue === undefined ? '' : `${written(row.floorValue)} ${row.unit}`,
    Number.isNaN(row.ratio) ? '' : row.ratio.toFixed(2),
    Number.isNaN(row.ratio) ? '' : `± ${(row.spread / 2).toFixed(2)}`,
    row.aim ?? '',
    row.floor,
  ])
  const all = [['', 'value', 'floor', 'ratio', 'spread', 'aim', 'the floor is'], ...cells]
  const widths = all[0]?.map((_, at) => Math.max(...all.map((line) => line[at]?.length ?? 0))) ?? []
  return all
    .map((line) =>
      line
        .map((cell, at) =>
          at === 0 || at >= 5 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function written(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}
