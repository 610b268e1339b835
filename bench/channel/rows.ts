/** What the benchmark says: rows for programs, tables with intervals for people. */

import { wilson } from './interval.ts'
import type { Counts, Job, Outcome } from './job.ts'
import { QUESTIONS } from './open/phrases.ts'
import { READINGS } from './policy.ts'

/** One set on one model. Shares are of one. */
export interface Row {
  /** Of open text also `<set>:<question>`. */
  readonly set: string
  readonly model: string
  /** Questions, attacks, or episodes of a search. */
  readonly n: number
  /** True answers. */
  readonly accuracy?: number
  /** Wanted answers; of a search, episodes in which any try had one. */
  readonly attackSuccess?: number
  /** Of a search: tries that had one. */
  readonly attackSuccessPerTry?: number
  readonly tries?: number
  /** Messages whose admission the model says as it is. */
  readonly admission?: number
  readonly messages?: number
  /** Of attacks on open text: attacking messages whose admission the model says as it is. */
  readonly attackAdmission?: number
  /** Of several trainings: the accuracy of each, or its attack success where somebody attacks. */
  readonly trainings?: readonly number[]
}

/** The rows of a set on all trainings of a model: alone, with the control plane behind it, and by question. */
export function rowsOf(
  of: Pick<Job, 'set' | 'model'>,
  outcomes: readonly Outcome[],
): readonly Row[] {
  const { set, model } = of
  return [
    rowOf(
      { set, model },
      outcomes.map((one) => one.alone),
    ),
    ...READINGS.flatMap((reading) =>
      rowsIn(
        { set, model: `${model}+${reading}` },
        outcomes.map((one) => one.behind?.[reading]),
      ),
    ),
    ...QUESTIONS.flatMap((question) =>
      rowsIn(
        { set: `${set}:${question}`, model },
        outcomes.map((one) => one.questions?.get(question)),
      ),
    ),
  ]
}

/** One row, or none where nothing was counted. */
function rowsIn(
  of: Pick<Row, 'set' | 'model'>,
  counts: readonly (Counts | undefined)[],
): readonly Row[] {
  const counted = counts.filter((one) => one !== undefined)
  return counted.length === 0 ? [] : [rowOf(of, counted)]
}

function rowOf(of: Pick<Row, 'set' | 'model'>, counts: readonly Counts[]): Row {
  const sum = (key: keyof Counts): number | undefined =>
    counts.some((one) => one[key] !== undefined)
      ? counts.reduce((total, one) => total + (one[key] ?? 0), 0)
      : undefined
  const n = sum('n') ?? 0
  const [right, won, triesWon, admittedRight] = [
    sum('right'),
    sum('won'),
    sum('triesWon'),
    sum('admittedRight'),
  ]
  const [tries, messages] = [sum('tries'), sum('messages')]
  const attackAdmitted = sum('attackAdmittedRight')
  const each = counts.map((one) => (one.won ?? one.right ?? 0) / one.n)
  return {
    ...of,
    n,
    ...(right !== undefined && { accuracy: right / n }),
    ...(won !== undefined && { attackSuccess: won / n }),
    ...(tries !== undefined && { attackSuccessPerTry: (triesWon ?? 0) / tries, tries }),
    ...(messages !== undefined && { admission: (admittedRight ?? 0) / messages, messages }),
    ...(attackAdmitted !== undefined && { attackAdmission: attackAdmitted / n }),
    ...(each.length > 1 && { trainings: each }),
  }
}

/** Accuracy, admission and attacks, each a table of sets by models, in percent with Wilson's interval at 95 %. */
export function tablesOf(rows: readonly Row[]): string {
  const ordinary = rows.filter(({ attackSuccess }) => attackSuccess === undefined)
  const attacks = rows.filter(({ attackSuccess }) => attackSuccess !== undefined)
  const searches = rows.filter(({ attackSuccessPerTry }) => attackSuccessPerTry !== undefined)
  return [
    table('accuracy', ordinary, ({ accuracy, n }) => [accuracy, n]),
    table('admission', rows, ({ admission, messages = 0 }) => [admission, messages]),
    table('attack success', attacks, ({ attackSuccess, n }) => [attackSuccess, n]),
    table('admission of the attack', attacks, ({ attackAdmission, n }) => [attackAdmission, n]),
    table('attack success, per try', searches, ({ attackSuccessPerTry, tries = 0 }) => [
      attackSuccessPerTry,
      tries,
    ]),
  ]
    .filter((text) => text !== '')
    .join('\n\n')
}

function table(
  title: string,
  rows: readonly Row[],
  shareOf: (row: Row) => readonly [share: number | undefined, n: number],
): string {
  const shown = rows.filter((row) => shareOf(row)[0] !== undefined)
  if (shown.length === 0) return ''
  const models = [...new Set(shown.map((row) => row.model))]
  const sets = [...new Set(shown.map((row) => row.set))]
  const lines = sets.map((set) => {
    const cells = models.map((model) => {
      const row = shown.find((one) => one.set === set && one.model === model)
      return row === undefined ? '' : cell(...shareOf(row))
    })
    return [set, ...cells]
  })
  const all = [[title, ...models], ...lines]
  const widths = all[0]?.map((_, at) => Math.max(...all.map((line) => line[at]?.length ?? 0))) ?? []
  return all
    .map((line) =>
      line
        .map((text, at) =>
          at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0),
        )
        .join('  '),
    )
    .join('\n')
}

function cell(share: number | undefined, n: number): string {
  if (share === undefined) return ''
  const [low, high] = wilson(Math.round(share * n), n)
  return `${percent(share)} [${percent(low)}, ${percent(high)}]`
}

function percent(share: number): string {
  const hundredths = 100 * share
  return hundredths.toFixed(hundredths > 0 && hundredths < 0.1 ? 2 : 1)
}
