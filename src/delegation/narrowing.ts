/**
 * Narrowing: whether authority is contained in the authority above it.
 *
 * INVARIANT (narrowing): if `contains(above, below)` succeeds, every call that `below` covers is covered
 * by `above`, in the same stage, with an approver that `above` accepts, under limits that are stated no
 * wider. It is exact for what it accepts and conservative in what it refuses. Use is debited from
 * everything above as well (`limits.ts`), so limits hold even where many details share one above.
 */

import { type Result, ok, refuse } from '../base/result.ts'
import { samePath } from './argument-path.ts'
import { conditionsOn } from './covers.ts'
import type { Condition, McpCallDetail } from './intent.ts'
import { containsCondition } from './predicate.ts'

/** What is wider than what is above it. */
export interface Wider {
  readonly reason: 'not_contained'
  readonly message: string
}

/** One location and one action of a detail: what a single detail above has to contain. */
interface Grant {
  readonly detail: McpCallDetail
  readonly location: string
  readonly action: string
}

/** What is compared, from the coarsest to the finest; a refusal names the finest that was reached. */
const FACETS: readonly {
  readonly name: string
  readonly isWithin: (grant: Grant, above: McpCallDetail) => boolean
}[] = [
  { name: 'location', isWithin: ({ location }, above) => above.locations.includes(location) },
  { name: 'action', isWithin: ({ action }, above) => above.actions.includes(action) },
  { name: 'stages', isWithin: ({ detail }, above) => areStagesWithin(above.stages, detail.stages) },
  {
    // Who approves is part of the authority: another approver is not a narrower one.
    name: 'approval',
    isWithin: ({ detail }, { approval }) =>
      approval === undefined || approval.by === detail.approval?.by,
  },
  {
    name: 'limits',
    isWithin: ({ detail }, above) => areLimitsWithin(above.limits ?? {}, detail.limits ?? {}),
  },
  {
    name: 'arguments',
    isWithin: ({ detail, action }, above) =>
      areConditionsWithin(conditionsOn(above, action), conditionsOn(detail, action)),
  },
]

/** Succeeds if each detail of `below`, for each of its locations and actions, lies within one of `above`. */
export function contains(
  above: readonly McpCallDetail[],
  below: readonly McpCallDetail[],
): Result<undefined, Wider> {
  for (const [index, detail] of below.entries()) {
    for (const location of detail.locations) {
      for (const action of detail.actions) {
        const wider = widerThanAll(above, { detail, location, action })
        if (wider === undefined) continue
        const message = `detail ${index}: \`${action}\` at \`${location}\` has wider ${wider} than what is above it`
        return refuse({ reason: 'not_contained', message })
      }
    }
  }
  return ok()
}

function widerThanAll(above: readonly McpCallDetail[], grant: Grant): string | undefined {
  let finest = 0
  for (const detail of above) {
    const wider = FACETS.findIndex((facet) => !facet.isWithin(grant, detail))
    if (wider === -1) return undefined
    finest = Math.max(finest, wider)
  }
  return FACETS[finest]?.name
}

function areStagesWithin(
  above: readonly string[] | undefined,
  below: readonly string[] | undefined,
): boolean {
  if (above === undefined) return true
  return below !== undefined && below.every((stage) => above.includes(stage))
}

type Limits = NonNullable<McpCallDetail['limits']>

function areLimitsWithin(above: Limits, below: Limits): boolean {
  return (
    isNoMore(below.calls, above.calls) &&
    isNoMore(below.until, above.until) &&
    Object.entries(above.sum ?? {}).every(([path, most]) => isNoMore(sumAt(below, path), most))
  )
}

function sumAt(limits: Limits, path: string): number | undefined {
  const sums = limits.sum ?? {}
  return Object.hasOwn(sums, path) ? sums[path] : undefined
}

/** Whether a limit below is stated where one is stated above, and not larger. */
function isNoMore(below: number | undefined, above: number | undefined): boolean {
  return above === undefined || (below !== undefined && below <= above)
}

function areConditionsWithin(
  above: Readonly<Record<string, Condition>>,
  below: Readonly<Record<string, Condition>>,
): boolean {
  const paths = Object.keys(above)
  return (
    paths.every((path) => {
      const condition = Object.hasOwn(below, path) ? below[path] : undefined
      return condition !== undefined && containsCondition(above[path] as Condition, condition)
    }) &&
    // A path that is only mentioned below may be a sink, now or after the next review: mentioning it
    // would open what silence above keeps shut.
    Object.keys(below).every((path) => paths.some((known) => samePath(known, path)))
  )
}
