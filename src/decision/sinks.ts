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
  /** Links and names among them that stand nowhere: made up, or put together. */
  readonly unseen: readonly string[]
  /** Whether an amount stands in nothing trusted. */
  readonly amountUngrounded: boolean
  /** Hosts of URLs and domains of mail addresses, in lower case. */
  readonly hosts: readonly string[]
  /** The greatest amount, without its sign: minus 5,000 is no small amount. */
  readonly amount?: Extension
}

const NOTHING: SinkFacts = {
  sinks: [],
  ungrounded: [],
  unseen: [],
  amountUngrounded: false,
  hosts: [],
}

/** Beyond this a call is refused: nobody can judge what it reaches. */
const MAX_SINK_VALUES = 1_000

/** The sink facts of one call. */
export function sinkFacts(
  declared: readonly DeclaredSink[],
  argumentsValue: JsonObject,
  provenance: readonly ValueProvenance[],
): Result<SinkFacts, { reason: 'facts_refused'; message: string }> {
  if (declared.length === 0) return ok(NOTHING)
  const leaves = leavesAtSinks(declared, argumentsValue)
  if (leaves.length > MAX_SINK_VALUES) return refused('expected fewer values at declared sinks')
  const grounded = groundedPaths(provenance)
  const seen = seenPaths(provenance)
  let amountUngrounded = false
  const facts = {
    sinks: new Set<string>(),
    ungrounded: new Set<string>(),
    unseen: new Set<string>(),
    hosts: new Set<string>(),
  }
  let amount: Extension | undefined
  for (const { path, text, kind } of leaves) {
    if (kind === 'amount') {
      const magnitude = magnitudeOf(text)
      if (magnitude === undefined) return refused(`expected an exact amount at \`${path}\``)
      if (grounded.get(path) !== true) amountUngrounded = true
      if (amount === undefined || magnitude.amount > amount.amount) amount = magnitude
      continue
    }
    facts.sinks.add(text)
    if (grounded.get(path) !== true) facts.ungrounded.add(text)
    if (
      (kind === 'url' || kind === 'name') &&
      grounded.get(path) !== true &&
      seen.get(path) !== true
    )
      facts.unseen.add(text)
    for (const host of hostsOf(text, kind)) facts.hosts.add(host)
  }
  const { sinks, ungrounded, unseen, hosts } = facts
  return ok({
    sinks: [...sinks],
    ungrounded: [...ungrounded],
    unseen: [...unseen],
    amountUngrounded,
    hosts: [...hosts],
    ...(amount === undefined ? {} : { amount }),
  })
}

/** One value that a call carries to a sink. */
interface Leaf {
  readonly path: string
  readonly text: string
  readonly kind: DeclaredSink['kind']
}

/** The values at or below declared sinks, once for each kind; one walk, however many sinks there are. */
function leavesAtSinks(declared: readonly DeclaredSink[], argumentsValue: JsonObject): Leaf[] {
  const kindsAt = new Map<string, Set<DeclaredSink['kind']>>()
  for (const { path, kind } of declared) {
    const bare = path.replaceAll('[]', '')
    kindsAt.set(bare, (kindsAt.get(bare) ?? new Set()).add(kind))
  }
  const found: Leaf[] = []
  // `path` names list elements as provenance does, `bare` leaves them out: a list reaches no less.
  const visit = (value: Json | undefined, path: string, bare: string, above: Kinds): void => {
    const here = kindsAt.get(bare)
    const kinds = here === undefined ? above : above.union(here)
    if (Array.isArray(value)) {
      for (const element of value as readonly Json[]) visit(element, `${path}[]`, bare, above)
    } else if (typeof value === 'object' && value !== null) {
      // Names that the review declared; an object at another sink is refused before (`checkSinks`).
      const named = kindsAt.get(`${bare}{}`) ?? NO_KINDS
      for (const key of Object.keys(value))
        for (const kind of named) found.push({ path: `${path}{}`, text: key, kind })
      for (const [key, member] of Object.entries(value as JsonObject)) {
        const dot = bare === '' ? '' : '.'
        visit(member, `${path}${dot}${key}`, `${bare}${dot}${key}`, kinds)
      }
    } else if (value !== undefined && value !== null) {
      for (const kind of kinds) found.push({ path, text: String(value), kind })
    }
  }
  visit(argumentsValue, '', '', new Set())
  return found
}

type Kinds = ReadonlySet<DeclaredSink['kind']>

const NO_KINDS: Kinds = new Set()

/** A path is grounded when every value that was looked up there is. */
function groundedPaths(provenance: readonly ValueProvenance[]): Map<string, boolean> {
  const paths = new Map<string, boolean>()
  for (const { path, grounded } of provenance) {
    paths.set(path, grounded && (paths.get(path) ?? true))
  }
  return paths
}

/** A path was seen when every value that was looked up there stands somewhere. */
function seenPaths(provenance: readonly ValueProvenance[]): Map<string, boolean> {
  const paths = new Map<string, boolean>()
  for (const { path, from = [] } of provenance) {
    paths.set(path, from.length > 0 && (paths.get(path) ?? true))
  }
  return paths
}

function magnitudeOf(text: string): Extension | undefined {
  const [, unsigned] = /^-?(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (unsigned === undefined) return undefined
  return parseDecimal(unsigned.includes('.') ? unsigned : `${unsigned}.0`)
}

/** The hosts in a URL or in mail addresses, which may be several; what has none stands as a whole. */
function hostsOf(text: string, kind: DeclaredSink['kind']): string[] {
  if (kind === 'url') {
    const url = URL.parse(text)
    return [url === null || url.host === '' ? text.toLowerCase() : url.hostname.toLowerCase()]
  }
  if (kind !== 'email') return []
  const domains = [...text.matchAll(/@([^\s@,;<>()"']+)/g)].map(([, domain]) => domain ?? '')
  return (domains.length === 0 ? [text] : domains).map((domain) => domain.toLowerCase())
}

function refused(message: string): Result<never, { reason: 'facts_refused'; message: string }> {
  return refuse({ reason: 'facts_refused', message })
}
