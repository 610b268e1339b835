/**
 * The second evaluator: Cedar's own (WebAssembly), asked about every consequential permit.
 *
 * Call `disagreement`. It evaluates the policies as they were written and shares with the compiled path only
 * the facts. A failure, a diagnostic error or a trap is no confirmation. The request is not validated
 * against the schema each time, which doubles the cost: a fact of a wrong type errs, and an error denies.
 *
 * The library keeps parsed sets by name and cannot drop one, so names are a fixed ring and overwriting
 * frees. Sets beyond `MAX_WHOLE_SET` are sliced by principal, because the library clones the whole set in
 * each call.
 */

import {
  preparsePolicySet,
  statefulIsAuthorized,
  type CedarValueJson,
  type EntityJson,
  type FnAndArgs,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarRequest } from './expression.ts'
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
  const answer = statefulIsAuthorized({
    principal: typeAndId(request.principal),
    action: typeAndId(request.action),
    resource: typeAndId(request.resource),
    context: Object.fromEntries([...request.context].map(([name, v]) => [name, toJson(v)])),
    preparsedPolicySetId: slotOf(set, request),
    entities: [...request.entities.values()].map(entityJson),
  })
  if (answer.type === 'failure') {
    return { decision: 'deny', errors: answer.errors.map(({ message }) => message) }
  }
  const { decision, diagnostics } = answer.response
  return { decision, errors: diagnostics.errors.map(({ policyId }) => policyId) }
}

const MAX_WHOLE_SET = 100
const RING = 64

/** What each slot of the ring holds, least recently used first. */
const slots = new Map<string, string>()

/** The name under which the policies for this request are parsed. */
function slotOf(set: PolicySet, request: CedarRequest): string {
  const whole = set.policies.size <= MAX_WHOLE_SET
  const keys = whole ? [] : keysOf(request.principal, request.entities).toSorted()
  const content = JSON.stringify([set.name, set.version, keys])
  const present = slots.get(content)
  if (present !== undefined) {
    slots.delete(content)
    slots.set(content, present)
    return present
  }
  const [oldest] = slots.size < RING ? [] : slots
  const slot = oldest?.[1] ?? `behalf/policies/${slots.size}`
  if (oldest !== undefined) slots.delete(oldest[0])
  succeed(
    preparsePolicySet(slot, { staticPolicies: texts(set, whole ? undefined : new Set(keys)) }),
  )
  slots.set(content, slot)
  return slot
}

/** A policy whose principal constraint names nothing that the principal is or is in cannot apply. */
function texts(set: PolicySet, keys: ReadonlySet<string> | undefined): Record<string, string> {
  const relevant = (policy: Policy): boolean => keys === undefined || keys.has(policy.principalKey)
  return Object.fromEntries(
    [...set.policies.values()].filter(relevant).map(({ id, text }) => [id, text]),
  )
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
    const epoch = { __extn: { fn: 'datetime', arg: '1970-01-01' } }
    const since = { __extn: { fn: 'duration', arg: `${amount}ms` } }
    return { fn: 'offset', args: [epoch, since] }
  }
  const digits = (amount < 0n ? -amount : amount).toString().padStart(5, '0')
  const text = `${digits.slice(0, -4)}.${digits.slice(-4)}`
  return { fn: 'decimal', arg: amount < 0n ? `-${text}` : text }
}
