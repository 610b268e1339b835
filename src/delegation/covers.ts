/**
 * Whether an intent covers one call.
 *
 * Call `covers` with the details of one delegation. It answers for the detail that comes nearest, so
 * that the record can say what was missing; a call is covered when `detail` is present, and only then
 * are all four answers true of the same detail.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { canonicalSegments } from './canonical-path.ts'
import { type Found, samePath, valuesAt } from './argument-path.ts'
import { argumentsKey, type Condition, type McpCallDetail } from './intent.ts'
import { isOpen, meets } from './predicate.ts'

/** One MCP request as an intent sees it. */
export interface CallFacts {
  /** The resource URI of the one server that is called, never that of all servers. */
  readonly location: string
  /** `tools/call:read_text_file`, `resources/read`, … */
  readonly action: string
  /** The arguments; for `resources/read`, `{ uri }`. */
  readonly arguments: JsonObject
  /** The current stage of the delegation's tree. */
  readonly stage: string | null
  /** The argument paths that the review declared as sinks of this tool. */
  readonly sinks: readonly string[]
  /** Seconds since the Unix epoch; details whose `until` has passed cover nothing. */
  readonly at?: number
}

/** Which parts of an intent cover a call. */
export interface Coverage {
  readonly action: boolean
  readonly stage: boolean
  readonly arguments: boolean
  readonly sinks: boolean
  /** The index of the detail that covers the call; absent when none does. */
  readonly detail?: number
  /** Who has to agree; one of a covering detail, absent where another covers without. */
  readonly approval?: { readonly by: Approver }
  /** When the covering detail ends, in seconds: whoever admits the call compares it with the database's clock. */
  readonly until?: number
  /** What was missing, for the record. */
  readonly why?: string
}

/** The person or group of an intent's `approval`. */
export type Approver = NonNullable<McpCallDetail['approval']>['by']

/** Which parts of `details` cover `call`; the detail that asks for no approval is preferred. */
export function covers(details: readonly McpCallDetail[], call: CallFacts): Coverage {
  let nearest: Coverage = { ...NOTHING, why: `\`${call.action}\` is not granted on this server` }
  for (const [index, detail] of details.entries()) {
    const coverage = coverageOf(detail, index, call)
    if (coverage.detail !== undefined && coverage.approval === undefined) return coverage
    if (rank(coverage) > rank(nearest)) nearest = coverage
  }
  return nearest
}

/** The indexes of all details that cover `call`. */
export function coveringDetails(details: readonly McpCallDetail[], call: CallFacts): number[] {
  return [...details.keys()].filter((i) => covers(details.slice(i, i + 1), call).detail === 0)
}

/**
 * The argument paths whose values the details that cover `call` fix or enclose: by `equals`, by `oneOf`, or by
 * a `prefix` that says more than a root. Whoever wrote the details named what stands there.
 */
export function namedPaths(details: readonly McpCallDetail[], call: CallFacts): readonly string[] {
  const conditions = coveringDetails(details, call).flatMap((index) =>
    Object.entries(conditionsOn(details[index] as McpCallDetail, call.action)),
  )
  return conditions.flatMap(([path, condition]) => (isNaming(condition) ? [path] : []))
}

function isNaming({ equals, oneOf, prefix }: Condition): boolean {
  if (equals !== undefined || oneOf !== undefined) return true
  const enclosing = prefix === undefined ? undefined : canonicalSegments(prefix)
  return enclosing?.ok === true && enclosing.value.segments.length > 0
}

const NOTHING = { action: false, stage: false, arguments: false, sinks: false } as const

function rank(coverage: Coverage): number {
  const { action, stage, arguments: met, sinks } = coverage
  return Number(action) + Number(action && stage) + Number(stage && met) + Number(met && sinks)
}

function coverageOf(detail: McpCallDetail, index: number, call: CallFacts): Coverage {
  const { location, action, stage, at } = call
  if (!detail.locations.includes(location) || !detail.actions.includes(action)) return NOTHING
  const granted = { ...NOTHING, action: true }
  if (at !== undefined && detail.limits?.until !== undefined && at >= detail.limits.until) {
    return { ...granted, why: `\`${action}\` was granted until an earlier time` }
  }
  if (detail.stages !== undefined && (stage === null || !detail.stages.includes(stage))) {
    return { ...granted, why: `\`${action}\` is not granted in stage \`${stage ?? 'none'}\`` }
  }
  const inStage = { ...granted, stage: true }
  const conditions = conditionsOn(detail, action)
  const unmet = firstUnmet(conditions, detail, call)
  if (unmet !== undefined) return { ...inStage, why: `argument \`${unmet}\` is beyond the intent` }
  const met = { ...inStage, arguments: true }
  const open = firstUnmentionedSink(Object.keys(conditions), call)
  if (open !== undefined) return { ...met, why: `the intent does not mention \`${open}\`` }
  const { approval, limits } = detail
  return {
    ...met,
    sinks: true,
    detail: index,
    ...(approval !== undefined && { approval }),
    ...(limits?.until !== undefined && { until: limits.until }),
  }
}

/** The conditions on the arguments of one action. */
export function conditionsOn(
  detail: McpCallDetail,
  action: string,
): Readonly<Record<string, Condition>> {
  const all = detail.arguments ?? {}
  const key = argumentsKey(action)
  return Object.hasOwn(all, key) ? (all[key] ?? {}) : {}
}

function firstUnmet(
  conditions: Readonly<Record<string, Condition>>,
  detail: McpCallDetail,
  call: CallFacts,
): string | undefined {
  for (const [path, condition] of Object.entries(conditions)) {
    const found = valuesAt(call.arguments, path)
    if (found.kind !== 'mismatch' && isOpen(condition)) continue
    // An absent argument meets nothing: the server's own default takes its place, and that may be all.
    if (found.kind !== 'values' || !meets(found.values, condition)) return path
  }
  // What cannot be counted cannot be limited.
  return Object.keys(detail.limits?.sum ?? {}).find(
    (path) => !isCountable(valuesAt(call.arguments, path)),
  )
}

function isCountable(found: Found): boolean {
  return found.kind === 'values' && meets(found.values, { sum: Number.MAX_VALUE })
}

/** A declared sink that is present in the call and that no condition speaks of. */
function firstUnmentionedSink(mentioned: readonly string[], call: CallFacts): string | undefined {
  // The URI is what every resource method reaches, whatever a review says.
  const sinks = call.action.startsWith('resources/') ? [...call.sinks, 'uri'] : call.sinks
  return sinks.find(
    (sink) =>
      !mentioned.some((path) => samePath(path, sink)) &&
      valuesAt(call.arguments, sink).kind !== 'absent',
  )
}
