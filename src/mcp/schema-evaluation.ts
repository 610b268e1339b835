/**
 * One value under one schema: what has been spoken of so far, where the walk stands, what it may cost.
 *
 * A schema *speaks of* a property when it held and named it (2020-12 §11.3, annotations of evaluated
 * properties). What a failed alternative spoke of is forgotten.
 */

import { canonicalJson, type Json } from '../base/canonical-json.ts'
import { isObject } from './message.ts'
import { MAX_STEPS as MAX_PATTERN_STEPS, type Budget } from './pattern.ts'

type Container = object

const MAX_STEPS = 200_000
const MAX_NESTING = 800

/** The state of one check; made new for each value. */
export class Evaluation {
  #spoken = new Map<Container, Set<string | number>>()
  readonly #path: (string | number)[] = []
  readonly #canonical = new Map<Container, string>()
  readonly #sizes = new Map<Container, number>()
  /** Shared by all patterns, so that many of them cost no more than one. */
  readonly patternBudget: Budget = { left: MAX_PATTERN_STEPS }
  #problem: { at: string; message: string } | undefined
  #left = MAX_STEPS
  #depth = 0
  /** Inside alternatives a failure is no problem yet. */
  #trying = 0

  /** Takes `steps` from the budget; false when it is used up, from then on for good. */
  spend(steps = 1): boolean {
    return (this.#left -= steps) >= 0 || this.fault('a value that is cheaper to check')
  }

  /** One look at `value` by one schema: pays for it, and bounds how deep one lies in another. */
  look(value: Json, check: () => boolean): boolean {
    // Too deep is as unfinished as too long: no alternative may take it for a failure.
    if (this.#depth >= MAX_NESTING) this.#left = 0
    if (!this.spend(1 + this.#weight(value))) return false
    this.#depth++
    const held = check()
    this.#depth--
    return held
  }

  /** What it may cost to read all of a text, list or set of names. */
  #weight(value: Json): number {
    if (typeof value === 'string') return value.length >> 8
    if (Array.isArray(value)) return value.length >> 3
    if (!isObject(value)) return 0
    const known = this.#sizes.get(value)
    const size = known ?? Object.keys(value).length
    if (known === undefined) this.#sizes.set(value, size)
    return size >> 2
  }

  /** The canonical text of a list or object, made once however many alternatives compare it. */
  canonical(value: Json & Container): string {
    const known = this.#canonical.get(value)
    if (known !== undefined) return known
    const text = canonicalJson(value)
    this.#canonical.set(value, text)
    return text
  }

  /** Notes that something else was expected here. Always false. */
  fault(expected: string): false {
    if (this.#trying === 0) this.#problem ??= { at: this.#where(), message: `expected ${expected}` }
    return false
  }

  /** What was wrong, for the refusal. */
  problem(): { readonly at: string; readonly message: string } {
    return this.#problem ?? { at: '', message: 'expected a value that the schema allows' }
  }

  /** Checks a member or item, which is thereby spoken of. */
  below(container: Container, key: string | number, check: () => boolean): boolean {
    this.#speak(container, key)
    this.#path.push(key)
    const held = check()
    this.#path.pop()
    return held
  }

  /** Checks an alternative: what it spoke of counts only if it held. */
  attempt(check: () => boolean): boolean {
    const outer = this.#spoken
    this.#spoken = new Map()
    this.#trying++
    const held = check()
    this.#trying--
    const inner = this.#spoken
    this.#spoken = outer
    if (held) {
      for (const [container, keys] of inner) for (const key of keys) this.#speak(container, key)
    }
    return held && this.#left >= 0
  }

  /** Whether the budget is used up: then no failure may be read as a success. */
  exhausted(): boolean {
    return this.#left < 0
  }

  /** Everything in `value` is meant. Always true unless the budget ends. */
  speakOfAll(value: Json): boolean {
    if (!this.spend()) return false
    if (Array.isArray(value)) {
      return value.every((item: Json, i) => this.below(value, i, () => this.speakOfAll(item)))
    }
    if (!isObject(value)) return true
    return Object.entries(value).every(
      ([key, member]) =>
        member === undefined || this.below(value, key, () => this.speakOfAll(member)),
    )
  }

  /** Whether every member and item in `value` has been spoken of. */
  spokenOf(value: Json): boolean {
    if (!isObject(value) && !Array.isArray(value)) return true
    const spoken = this.#spoken.get(value)
    const parts: Iterable<[string | number, Json | undefined]> = Array.isArray(value)
      ? (value as readonly Json[]).entries()
      : Object.entries(value)
    for (const [key, part] of parts) {
      if (part === undefined) continue
      this.#path.push(key)
      if (spoken?.has(key) !== true) return this.fault('only what the schema declares')
      if (!this.spokenOf(part)) return false
      this.#path.pop()
    }
    return true
  }

  #speak(container: Container, key: string | number): void {
    const keys = this.#spoken.get(container)
    if (keys === undefined) this.#spoken.set(container, new Set([key]))
    else keys.add(key)
  }

  #where(): string {
    let out = ''
    for (const key of this.#path) {
      out += typeof key === 'number' ? `[${key}]` : `${out === '' ? '' : '.'}${key}`
    }
    return out.slice(0, 200)
  }
}
