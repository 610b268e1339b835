/**
 * The second evaluator: Cedar's own (WebAssembly), asked about every consequential permit.
 *
 * Call `disagreement`. It evaluates the policies as they were written and shares with the compiled path only
 * the facts. A failure, a diagnostic error or a trap is no confirmation. The request is not validated
 * against the schema each time, which doubles the cost: a fact of a wrong type errs, and an error denies.
 *
 * What a question costs is mostly the reading of facts (5 to 40 µs for an attribute, 10 to 20 for an
 * entity) and the copying of the set (some 3 µs for a policy), each time. So policies are sliced by
 * principal, and facts to those that the slice can look at (`mentions.ts`). The library keeps parsed sets by
 * name and cannot drop one, so names are a fixed ring and overwriting frees.
 */

import {
  policyToJson,
  preparsePolicySet,
  statefulIsAuthorized,
  type CedarValueJson,
  type EntityJson,
  type FnAndArgs,
  type PolicyJson,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarRequest } from './expression.ts'
import { mentionedContext, mentionedEntities, mentionsOf, type Mentions } from './mentions.ts'
import type { Policy, PolicySet } from './policy-set.ts'
import { keysOf } from './scope.ts'
import { CedarSet, EntityUid, Extension, type Entity, type Value } from './value.ts'

/** What Cedar itself says. */
interface OracleAnswer {
  readonly decision: 'allow' | 'deny'
  /** The ids of the policies that erred; or why there is no answer. */
  readonly errors: readonly string[]
}

/** Nothing if Cedar permits the request without any error; else what it said instead. */
export function disagreement(set: PolicySet, request: CedarRequest): string | undefined {
  try {
    const { decision, errors } = askOracle(set, request)
    if (decision === 'allow' && errors.length === 0) return undefined
    return `expected \`allow\`, got \`${decision}\` with errors ${JSON.stringify(errors)}`
  } catch (cause) {
    // A trap inside the library (stack, memory) is no confirmation.
    return `expected an answer, got ${String(cause)}`
  }
}

/** Asks Cedar about one request. */
export function askOracle(set: PolicySet, request: CedarRequest): OracleAnswer {
  const { name, mentions } = sliceFor(set, request)
  const context = mentionedContext(request, mentions)
  const answer = statefulIsAuthorized({
    principal: typeAndId(request.principal),
    action: typeAndId(request.action),
    resource: typeAndId(request.resource),
    context: Object.fromEntries([...context].map(([attribute, v]) => [attribute, toJson(v)])),
    preparsedPolicySetId: name,
    entities: mentionedEntities(request, context, mentions).map(entityJson),
  })
  if (answer.type === 'failure') {
    return { decision: 'deny', errors: answer.errors.map(({ message }) => message) }
  }
  const { decision, diagnostics } = answer.response
  return { decision, errors: diagnostics.errors.map(({ policyId }) => policyId) }
}

/** The policies that can apply to a principal, parsed. */
interface Slice {
  /** The name under which the library keeps them. */
  readonly name: string
  readonly mentions: Mentions
}

const RING = 256

/** What each place of the ring holds, least recently used first. */
const slices = new Map<string, Slice>()

/** The slice for this request; two principals of whom a set says the same share one. */
function sliceFor(set: PolicySet, request: CedarRequest): Slice {
  const byPrincipal = policiesByPrincipal(set)
  const keys = keysOf(request.principal, request.entities)
    .filter((key) => byPrincipal.has(key))
    .toSorted()
  const content = JSON.stringify([set.name, set.version, keys])
  const present = slices.get(content)
  if (present !== undefined) {
    slices.delete(content)
    slices.set(content, present)
    return present
  }
  const [oldest] = slices.size < RING ? [] : slices
  const name = oldest?.[1].name ?? `behalf/policies/${slices.size}`
  if (oldest !== undefined) slices.delete(oldest[0])
  // A policy whose principal constraint names nothing that the principal is or is in cannot apply.
  const policies = keys.flatMap((key) => byPrincipal.get(key) ?? [])
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]))
  succeed(preparsePolicySet(name, { staticPolicies }))
  const slice = { name, mentions: mentionsOf(policies.map(({ text }) => parsed(text))) }
  slices.set(content, slice)
  return slice
}

const filed = new WeakMap<PolicySet, ReadonlyMap<string, readonly Policy[]>>()

/** The policies of a set by the key of their principal constraint. */
function policiesByPrincipal(set: PolicySet): ReadonlyMap<string, readonly Policy[]> {
  const known = filed.get(set)
  if (known !== undefined) return known
  const made = Map.groupBy(set.policies.values(), ({ principalKey }) => principalKey)
  filed.set(set, made)
  return made
}

function parsed(text: string): PolicyJson {
  const answer = policyToJson(text)
  if (answer.type === 'success') return answer.json
  throw new Error('expected what was validated before to parse')
}

function succeed(answer: { type: string }): void {
  if (answer.type !== 'success') throw new Error('expected what was validated before to parse')
}

function typeAndId({ type, id }: EntityUid): TypeAndId {
  return { type, id }
}

function entityJson({ uid, attributes, ancestors }: Entity): EntityJson {
  return {
    uid: typeAndId(uid),
    attrs: Object.fromEntries([...attributes].map(([name, value]) => [name, toJson(value)])),
    parents: [...ancestors.values()].map(typeAndId),
  }
}

/** A value in Cedar's JSON form. */
export function toJson(value: Value): CedarValueJson {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof EntityUid) return { __entity: typeAndId(value) }
  if (value instanceof CedarSet) return [...value.elements.values()].map(toJson)
  if (value instanceof Extension) return { __extn: extensionJson(value) }
  return Object.fromEntries([...value].map(([name, member]) => [name, toJson(member)]))
}

function extensionJson({ type, amount }: Extension): FnAndArgs {
  if (type === 'duration') return { fn: 'duration', arg: `${amount}ms` }
  if (type === 'datetime') {
    // The plain form where the library knows it: four digits of year. It costs a third.
    if (amount >= 0n && amount <= LAST_PLAIN_DATETIME) {
      return { fn: 'datetime', arg: plainDatetime(amount) }
    }
    const epoch = { __extn: { fn: 'datetime', arg: '1970-01-01' } }
    const since = { __extn: { fn: 'duration', arg: `${amount}ms` } }
    return { fn: 'offset', args: [epoch, since] }
  }
  const digits = (amount < 0n ? -amount : amount).toString().padStart(5, '0')
  const text = `${digits.slice(0, -4)}.${digits.slice(-4)}`
  return { fn: 'decimal', arg: amount < 0n ? `-${text}` : text }
}

function plainDatetime(milliseconds: bigint): string {
  const instant = Temporal.Instant.fromEpochMilliseconds(Number(milliseconds))
  return instant.toString({ fractionalSecondDigits: 3 })
}

/** 9999-12-31T23:59:59.999Z. */
const LAST_PLAIN_DATETIME = 253_402_300_799_999n
