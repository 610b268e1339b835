/**
 * What a call reaches, as sets that policy can judge: Cedar has no loops, so this is computed here.
 *
 * Every string or number at or below a declared sink counts, whatever its shape: an argument that is a
 * list where the review saw a string reaches no less. What is doubtful is counted as worse: a value
 * without provenance is ungrounded, and an amount that is no exact decimal is refused.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { parseDecimal } from './extension.ts'
import type { DeclaredSink, ValueProvenance } from './facts.ts'
import type { Extension } from './value.ts'

/** The sets of `context` in the schema. */
export interface SinkFacts {
  /** Values at declared sinks, amounts aside. */
  readonly sinks: readonly string[]
  /** Those that were not found in anything trusted. */
  readonly ungrounded: readonly string[]
  /** Hosts of URLs and domains of mail addresses, in lower case. */
  readonly hosts: readonly string[]
  /** The greatest amount, without its sign: minus 5,000 is no small amount. */
  readonly amount?: Extension
}

/** Beyond this a call is refused: nobody can judge what it reaches. */
const MAX_SINK_VALUES = 1_000

/** The sink facts of one call. */
export function sinkFacts(
  declared: readonly DeclaredSink[],
  argumentsValue: JsonObject,
  provenance: readonly ValueProvenance[],
): Result<SinkFacts, { reason: 'facts_refused'; message: string }> {
  if (declared.length === 0) return ok({ sinks: [], ungrounded: [], hosts: [] })
  const values: Leaf[] = []
  collect(argumentsValue, '', values)
  const grounded = groundedPaths(provenance)
  const facts = {
    sinks: new Set<string>(),
    ungrounded: new Set<string>(),
    hosts: new Set<string>(),
  }
  let amount: Extension | undefined
  for (const { path, kind } of declared) {
    for (const leaf of values.filter((value) => isAtOrBelow(value.path, path))) {
      if (kind === 'amount') {
        const magnitude = magnitudeOf(leaf.text)
        if (magnitude === undefined) return refused(`expected an exact amount at \`${path}\``)
        if (amount === undefined || magnitude.amount > amount.amount) amount = magnitude
        continue
      }
      facts.sinks.add(leaf.text)
      if (grounded.get(leaf.path) !== true) facts.ungrounded.add(leaf.text)
      const host = kind === 'url' || kind === 'email' ? hostOf(leaf.text) : undefined
      if (host !== undefined) facts.hosts.add(host)
    }
  }
  if (facts.sinks.size > MAX_SINK_VALUES) return refused('expected fewer values at declared sinks')
  const { sinks, ungrounded, hosts } = facts
  return ok({
    sinks: [...sinks],
    ungrounded: [...ungrounded],
    hosts: [...hosts],
    ...(amount === undefined ? {} : { amount }),
  })
}

interface Leaf {
  readonly path: string
  readonly text: string
}

function collect(value: Json | undefined, path: string, found: Leaf[]): void {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    found.push({ path, text: String(value) })
  } else if (Array.isArray(value)) {
    for (const element of value as readonly Json[]) collect(element, `${path}[]`, found)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value as JsonObject)) {
      collect(member, path === '' ? key : `${path}.${key}`, found)
    }
  }
}

/** A path is grounded when every value that was looked up there is. */
function groundedPaths(provenance: readonly ValueProvenance[]): Map<string, boolean> {
  const paths = new Map<string, boolean>()
  for (const { path, grounded } of provenance) {
    paths.set(path, grounded && (paths.get(path) ?? true))
  }
  return paths
}

function isAtOrBelow(path: string, sink: string): boolean {
  const [at, top] = [path.replaceAll('[]', ''), sink.replaceAll('[]', '')]
  return at === top || at.startsWith(`${top}.`)
}

function magnitudeOf(text: string): Extension | undefined {
  const [, unsigned] = /^-?(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (unsigned === undefined) return undefined
  return parseDecimal(unsigned.includes('.') ? unsigned : `${unsigned}.0`)
}

/** The host of a URL, or the domain of a mail address; what is neither keeps its whole text. */
function hostOf(text: string): string {
  const url = URL.parse(text)
  if (url !== null && url.host !== '') return url.hostname
  return text.slice(text.lastIndexOf('@') + 1).toLowerCase()
}

function refused(message: string): Result<never, { reason: 'facts_refused'; message: string }> {
  return refuse({ reason: 'facts_refused', message })
}
