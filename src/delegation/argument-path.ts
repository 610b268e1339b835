/**
 * Where a value stands in a call's arguments: `path`, `to[].email`, `options.target`.
 *
 * A step is a member's name; `[]` after it goes into every element of a list, `{}` after the last means
 * the names of the members there (`shares{}`: the addresses in `{"ann@acme.example": "reader"}`). Conditions
 * of an intent and sinks of a reviewed tool are written so, and both are looked up by `valuesAt`.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'

interface Step {
  readonly member: string
  /** Whether every element of the list there is meant. */
  readonly each: boolean
  /** Whether the names of the members there are meant. */
  readonly names: boolean
}

/** What stands at a path. */
export type Found =
  /** The member is not there. */
  | { readonly kind: 'absent' }
  /** Something is there, of another shape than the path says, or in some elements of a list only. */
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'values'; readonly values: readonly Json[] }

const MEMBER = /^(?!.*\{\})[^.[\]\p{Cc}]{1,128}$/u
const MAX_STEPS = 16

/** The steps of a path, or undefined if it is none. */
export function parseArgumentPath(path: string): readonly Step[] | undefined {
  const steps = path.split('.').map((part) => {
    const each = part.endsWith('[]')
    const names = part.endsWith('{}')
    return { member: each || names ? part.slice(0, -2) : part, each, names }
  })
  const sound = steps.every(
    ({ member, names }, at) =>
      MEMBER.test(member) && member !== '__proto__' && (!names || at === steps.length - 1),
  )
  return sound && steps.length <= MAX_STEPS ? steps : undefined
}

/** Two paths that mean the same values: a list's elements are meant with or without a last `[]`. */
export function samePath(a: string, b: string): boolean {
  return a.replace(/\[\]$/, '') === b.replace(/\[\]$/, '')
}

/** The values at `path`; a list at its end counts as its elements. */
export function valuesAt(value: JsonObject, path: string): Found {
  const steps = parseArgumentPath(path)
  if (steps === undefined) return { kind: 'mismatch' }
  return follow(value, steps)
}

function follow(value: Json, steps: readonly Step[]): Found {
  const [step, ...rest] = steps
  if (step === undefined) return { kind: 'values', values: isList(value) ? value : [value] }
  if (typeof value !== 'object' || value === null || isList(value)) return { kind: 'mismatch' }
  const member = Object.hasOwn(value, step.member) ? value[step.member] : undefined
  if (member === undefined) return { kind: 'absent' }
  if (!step.each && !step.names) return follow(member, rest)
  // In the place of a list, `null` is how callers leave it out; it reaches nothing.
  if (member === null) return { kind: 'absent' }
  if (step.names) {
    if (typeof member !== 'object' || isList(member)) return { kind: 'mismatch' }
    return { kind: 'values', values: Object.keys(member) }
  }
  if (!isList(member)) return { kind: 'mismatch' }
  if (rest.length === 0) return { kind: 'values', values: member }
  return joined(member.map((element) => follow(element, rest)))
}

function joined(found: readonly Found[]): Found {
  if (found.length > 0 && found.every((f) => f.kind === 'absent')) return { kind: 'absent' }
  const values: Json[] = []
  for (const one of found) {
    if (one.kind !== 'values') return { kind: 'mismatch' }
    // Each element has its own empty list to answer for: one full list does not speak for it.
    if (one.values.length === 0) return { kind: 'mismatch' }
    values.push(...one.values)
  }
  return { kind: 'values', values }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
