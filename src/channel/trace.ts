/**
 * Where the values of a call came from: for each leaf of its arguments, the segments it stands in.
 *
 * Literal provenance only: a value is found as it stands, or it is not found. What cannot be told is not
 * claimed. `trace` is pure; `segment.ts` loads what an agent was shown.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'

/** Whether the author of a segment may direct (`trusted`) or its text is data (`untrusted`). */
export type Trust = 'trusted' | 'untrusted'

/** A segment as `trace` sees it. */
export interface TracedSegment {
  readonly id: string
  readonly principal: string
  readonly trust: Trust
  /** The text of the segment; JSON content as the concatenation of its leaves, one a line. */
  readonly text: string
  /** Values of *system fields* (identifiers, address-book addresses): grounded although untrusted. */
  readonly systemValues?: readonly string[]
}

/** Where one argument value was found. */
export interface Provenance {
  /** Dotted path in the arguments, `[]` for list elements. */
  readonly path: string
  /** Identifiers of the segments that the value stands in, oldest first. */
  readonly from: readonly string[]
  /** Whether one of them is trusted, or holds the value in a system field. */
  readonly grounded: boolean
}

/** Leaves beyond this are not looked up, and are reported ungrounded. */
const MAX_LEAVES = 100
const MAX_SOURCES = 20

/** The provenance of every string and number in `argumentsValue`, in document order, at most 100. */
export function trace(
  segments: readonly TracedSegment[],
  argumentsValue: JsonObject,
): readonly Provenance[] {
  return leaves(argumentsValue)
    .slice(0, MAX_LEAVES)
    .map(({ path, text }) => {
      const found = segments.filter((segment) => standsIn(text, segment.text))
      return {
        path,
        from: found.slice(0, MAX_SOURCES).map((segment) => segment.id),
        grounded: found.some(
          (segment) =>
            segment.trust === 'trusted' || (segment.systemValues?.includes(text) ?? false),
        ),
      }
    })
}

/** Every string and number in `value` with its path. */
export function leaves(value: Json): { path: string; text: string }[] {
  const found: { path: string; text: string }[] = []
  collect(value, '', found)
  return found
}

function collect(
  value: Json | undefined,
  path: string,
  found: { path: string; text: string }[],
): void {
  if (typeof value === 'string' || typeof value === 'number') {
    found.push({ path, text: String(value) })
  } else if (Array.isArray(value)) {
    for (const element of value as readonly Json[]) collect(element, `${path}[]`, found)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value as JsonObject)) {
      collect(member, path === '' ? key : `${path}.${key}`, found)
    }
  }
}

const WORD = /[\p{L}\p{N}_]/u

/** Whether `value` occurs in `text` as a whole: `104` does not stand in `1042`. */
function standsIn(value: string, text: string): boolean {
  if (value === '') return false
  for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + 1)) {
    const before = text[at - 1]
    const after = text[at + value.length]
    const openLeft = before === undefined || !WORD.test(before) || !WORD.test(value[0] ?? '')
    const openRight = after === undefined || !WORD.test(after) || !WORD.test(value.at(-1) ?? '')
    if (openLeft && openRight) return true
  }
  return false
}
