/**
 * What one agent was shown, ready to be asked where a value stands. It only grows.
 *
 * `Shown` keeps the texts in a `TextIndex` and the fields of answers by their value; `trace.ts` asks it.
 * `shown-memory.ts` fills it from the store, segment by segment.
 */

import { PLAIN_NUMBER } from './fold.ts'
import type { AnswerRecord, Field } from './structure.ts'
import { type Hit, TextIndex } from './text-index.ts'

/** Whether the author of a segment may direct (`trusted`) or its text is data (`untrusted`). */
export type Trust = 'trusted' | 'untrusted'

/** A segment as provenance sees it. */
export interface TracedSegment {
  readonly id: string
  /** Who authored it: `per_…`, `srv_…`. */
  readonly principal: string
  readonly trust: Trust
  /** What it says as text, one leaf a line: everything that is not a field of `records`. */
  readonly text: string
  /** What a person said in it: it selects records. Only of trusted segments. */
  readonly words?: string
  /** The records of an answer. */
  readonly records?: readonly AnswerRecord[]
  /** The look-up that it answers was put in the person's own words. */
  readonly directed?: boolean
  /** It answers a call that changed something: it echoes what the agent sent. */
  readonly echo?: boolean
  /** Not for everybody's eyes. */
  readonly confidential?: boolean
  /** What it answers, for people: `tools/call:read_page`. */
  readonly label?: string
  /** When it was shown, in any unit that orders: milliseconds, or a count. */
  readonly step: number
}

/** A field of an answer, and the answer. */
export interface Standing {
  readonly segment: TracedSegment
  readonly record: AnswerRecord
  readonly field: Field
  /** When the agent was shown it, as `step`. */
  readonly step: number
}

/** What one agent was shown. */
export class Shown {
  readonly #segments = new Map<string, TracedSegment>()
  readonly #trusted: TracedSegment[] = []
  readonly #confidential: TracedSegment[] = []
  readonly #index = new TextIndex<TracedSegment>()
  readonly #fields = new Map<string, Standing[]>()
  #forgets = false

  /** With these segments, oldest first. */
  constructor(segments: readonly TracedSegment[] = []) {
    for (const segment of segments) this.add(segment)
  }

  /** All segments, oldest first. */
  get segments(): Iterable<TracedSegment> {
    return this.#segments.values()
  }

  /** Those that may direct, oldest first: few among many, and asked for at every call. */
  get trusted(): readonly TracedSegment[] {
    return this.#trusted
  }

  /** Those that are not for everybody's eyes, oldest first. */
  get confidential(): readonly TracedSegment[] {
    return this.#confidential
  }

  /** Whether there is more that is not for everybody's eyes than is kept here. */
  get forgets(): boolean {
    return this.#forgets
  }

  /** Notes that something confidential is not kept: whatever leaves may carry it. */
  forget(): void {
    this.#forgets = true
  }

  has(id: string): boolean {
    return this.#segments.has(id)
  }

  /** Adds what was shown next; what is known already is left. */
  add(segment: TracedSegment): void {
    if (this.#segments.has(segment.id)) return
    this.#segments.set(segment.id, segment)
    if (segment.trust === 'trusted') this.#trusted.push(segment)
    if (segment.confidential === true) this.#confidential.push(segment)
    this.#index.add(segment, segment.text)
    for (const record of segment.records ?? []) {
      for (const field of record.fields) {
        if (field.kind === 'text') continue
        const standing = { segment, record, field, step: segment.step }
        const key = keyOf(field.text)
        const known = this.#fields.get(key)
        if (known === undefined) this.#fields.set(key, [standing])
        // What stands everywhere selects nothing more.
        else if (known.length < MOST_STANDINGS) known.push(standing)
      }
    }
  }

  /** The segments that hold a value; a number in any of the usual ways to write it. */
  find(value: string): readonly Hit<TracedSegment>[] {
    const isNumber = PLAIN_NUMBER.test(value)
    const found = this.#index.find(value)
    if (!isNumber) return found
    // What has the same digits is not the same number.
    const literal = found.filter((hit) => hit.manner === 'literal' || hit.manner === 'encoded')
    const known = new Set(literal.map((hit) => hit.of))
    const written = this.#index.find(value, { numeric: true }).filter((hit) => !known.has(hit.of))
    return [...literal, ...written]
  }

  /** The system fields and claims whose whole value this is. */
  fieldsWith(value: string): readonly Standing[] {
    return this.#fields.get(keyOf(value)) ?? []
  }
}

const MOST_STANDINGS = 100

/** Mail addresses are the same in any case; identifiers are not. */
function keyOf(value: string): string {
  return value.includes('@') ? value.toLowerCase() : value
}
