/**
 * Curves of cost as a picture: `svgOf` draws one panel for each thing that grows, all with the same axis
 * of time, both axes logarithmic, so that what is flat looks flat beside what is not.
 */

/** One size of something, and what it costs there in microseconds. */
export interface Point {
  readonly of: string
  /** What is measured. */
  readonly what: string
  readonly size: number
  readonly p50: number
  readonly p99: number
}

const PANEL = { width: 280, height: 210, left: 56, top: 58, gap: 44 }
const INK = '#1f2933'
const GRID = '#d9dee3'
const LINES = [
  { of: 'p50', name: 'median', colour: '#1f5fa8', dash: '' },
  { of: 'p99', name: 'p99', colour: '#b3541e', dash: ' stroke-dasharray="5 4"' },
] as const

/** The curves as an SVG; `about` says what was measured and where, under the title. */
export function svgOf(curve: readonly Point[], about: string): string {
  const panels = [...Map.groupBy(curve, ({ of }) => of)]
  const times = curve.flatMap(({ p50, p99 }) => [p50, p99])
  const y = scaleOf(times, PANEL.top + PANEL.height, PANEL.top)
  const width = PANEL.left + panels.length * (PANEL.width + PANEL.gap)
  const height = PANEL.top + PANEL.height + 62
  const parts = [
    text(PANEL.left, 22, 'What growth costs', 'font-size="15" font-weight="600"'),
    text(PANEL.left, 40, about),
    ...panels.flatMap(([of, points], at) => panel(of, points, { at, y })),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="11" fill="${INK}">
<title>What growth costs: ${escaped(panels.map(([of]) => of).join(', '))}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`
}

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

/** A logarithmic scale over whole powers of ten, from one place to another. */
function scaleOf(values: readonly number[], from: number, to: number): Scale {
  const low = Math.floor(Math.log10(Math.max(Math.min(...values), 1e-3)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  }
}

function panel(
  of: string,
  points: readonly Point[],
  { at, y }: { readonly at: number; readonly y: Scale },
): string[] {
  const left = PANEL.left + at * (PANEL.width + PANEL.gap)
  const right = left + PANEL.width
  const bottom = PANEL.top + PANEL.height
  const sizes = points.map(({ size }) => size)
  const x = scaleOf(sizes, left + 6, right - 6)
  return [
    ...y.ticks.flatMap((tick) => [
      line([left, y.at(tick)], [right, y.at(tick)]),
      ...(at === 0 ? [text(left - 6, y.at(tick) + 4, timeText(tick), 'text-anchor="end"')] : []),
    ]),
    ...x.ticks
      .filter((tick) => x.at(tick) >= left && x.at(tick) <= right)
      .flatMap((tick) => [
        line([x.at(tick), PANEL.top], [x.at(tick), bottom]),
        text(x.at(tick), bottom + 15, sizeText(tick), 'text-anchor="middle"'),
      ]),
    text((left + right) / 2, bottom + 32, of, 'text-anchor="middle" font-weight="600"'),
    text((left + right) / 2, bottom + 47, points[0]?.what ?? '', 'text-anchor="middle"'),
    ...LINES.flatMap((one, row) => [
      `<polyline fill="none" stroke="${one.colour}" stroke-width="2"${one.dash} points="${points
        .map((point) => `${round(x.at(point.size))},${round(y.at(point[one.of]))}`)
        .join(' ')}"/>`,
      ...points.map(
        (point) =>
          `<circle cx="${round(x.at(point.size))}" cy="${round(y.at(point[one.of]))}" r="3" fill="${one.colour}"><title>${escaped(
            `${point.size.toLocaleString('en')} ${of}: ${one.name} ${point[one.of].toFixed(1)} µs`,
          )}</title></circle>`,
      ),
      ...(at === 0
        ? [
            text(
              right - 6,
              PANEL.top + 14 + row * 14,
              one.name,
              `text-anchor="end" fill="${one.colour}"`,
            ),
          ]
        : []),
    ]),
  ]
}

function line([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${GRID}"/>`
}

function text(x: number, y: number, said: string, more = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(said)}</text>`
}

function timeText(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${microseconds / 1_000_000} s`
  return microseconds >= 1_000 ? `${microseconds / 1_000} ms` : `${microseconds} µs`
}

function sizeText(size: number): string {
  return size >= 1_000_000 ? `${size / 1_000_000} M` : size.toLocaleString('en')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
