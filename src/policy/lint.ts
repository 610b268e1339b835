/**
 * What is most likely wrong with policies that load: shadowed, never matching, over-broad, unexplained.
 *
 * Call `lint`. A finding is advice, never a refusal. It compares scopes and conditions as written and
 * proves nothing about what two conditions have in common: what it does not report may still be wrong.
 */

import { policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import { SET_NAMES, type PolicySet, type PolicySets, type SetName } from '../decision/policy-set.ts'
import { ACTION_GROUPS } from '../decision/schema.ts'
import { actionsOf, uidOf } from '../decision/scope.ts'

/** One finding about one policy. */
export interface Finding {
  readonly set: SetName
  readonly policy: string
  readonly rule: 'shadowed' | 'never_matches' | 'over_broad' | 'no_reason' | 'unknown_name'
  /** One sentence: what is the matter. */
  readonly message: string
}

/** All findings, set by set; names are another question (`lint-names.ts`). */
export function lint(policies: PolicySets): Finding[] {
  return SET_NAMES.flatMap((name) => lintSet(policies[name]))
}

interface Parsed {
  readonly id: string
  readonly json: PolicyJson
  /** Conditions in canonical text: all must hold. */
  readonly conditions: ReadonlySet<string>
}

function lintSet(set: PolicySet): Finding[] {
  const parsed = [...set.policies.values()].map(({ id, text }) => parse(id, text))
  return parsed.flatMap((policy) => {
    const found = (rule: Finding['rule'], message: string): Finding[] => [
      { set: set.name, policy: policy.id, rule, message },
    ]
    const above = parsed.find((other) => other.id !== policy.id && shadows(other, policy, parsed))
    return [
      ...(above === undefined
        ? []
        : found('shadowed', `\`${above.id}\` decides everything that this could decide`)),
      ...(isNever(policy)
        ? found('never_matches', 'its condition is false, whatever is asked')
        : []),
      ...(isOverBroad(set.name, policy)
        ? found('over_broad', 'it permits everybody something consequential, on everything')
        : []),
      ...(policy.json.effect === 'permit' && policy.json.annotations?.['reason'] === undefined
        ? found('no_reason', 'a permit without @reason leaves the record without a sentence')
        : []),
    ]
  })
}

function parse(id: string, text: string): Parsed {
  const answer = policyToJson(text)
  if (answer.type === 'failure') throw new Error('expected a policy that was compiled to parse')
  const conditions = answer.json.conditions.map((one) => canonicalJson(one as unknown as Json))
  return { id, json: answer.json, conditions: new Set(conditions) }
}

/** Whether `other` leaves nothing for `policy` to decide. Of two that say the same, the later is shadowed. */
function shadows(other: Parsed, policy: Parsed, order: readonly Parsed[]): boolean {
  const { require } = other.json.annotations ?? {}
  const same = require === policy.json.annotations?.['require']
  // A hard forbid ends the matter for permits and soft forbids below it; else like decides like.
  const decides =
    other.json.effect === 'forbid' && require === undefined
      ? true
      : other.json.effect === policy.json.effect && same
  if (!decides || !isBroader(other, policy)) return false
  const equal = isBroader(policy, other) && other.json.effect === policy.json.effect && same
  return !equal || order.indexOf(other) < order.indexOf(policy)
}

/** Whether whatever `narrow` applies to, `broad` applies to as well: by scope, and by fewer conditions. */
function isBroader(broad: Parsed, narrow: Parsed): boolean {
  return (
    [...broad.conditions].every((condition) => narrow.conditions.has(condition)) &&
    covers(broad.json.principal, narrow.json.principal) &&
    covers(broad.json.resource, narrow.json.resource) &&
    coversActions(broad.json.action, narrow.json.action)
  )
}

type EntityScope = PolicyJson['principal'] | PolicyJson['resource']

function covers(broad: EntityScope, narrow: EntityScope): boolean {
  if (broad.op === 'All') return true
  if (canonicalJson(broad as unknown as Json) === canonicalJson(narrow as unknown as Json)) {
    return true
  }
  // `in X` covers `== X`; `is T` covers `is T in X` and `== T::…`.
  if (broad.op === 'in') {
    return narrow.op !== 'All' && narrow.op !== 'is' && uidOf(broad).key === uidOf(narrow).key
  }
  if (broad.op !== 'is' || broad.in !== undefined) return false
  if (narrow.op === 'is') return narrow.entity_type === broad.entity_type
  return narrow.op === '==' && uidOf(narrow).type === broad.entity_type
}

function coversActions(broad: PolicyJson['action'], narrow: PolicyJson['action']): boolean {
  const [wide, few] = [actionsOf(broad), actionsOf(narrow)]
  if (wide === undefined) return true
  if (few === undefined) return false
  const ids = new Set(wide.map(({ id }) => id))
  return few.every(({ id }) => ids.has(id) || ids.has(ACTION_GROUPS.get(id) ?? ''))
}

function isNever({ conditions }: Parsed): boolean {
  return ['{"body":{"Value":false},"kind":"when"}', '{"body":{"Value":true},"kind":"unless"}'].some(
    (never) => conditions.has(never),
  )
}

/** Groups of actions that show something and change nothing. */
const HARMLESS = new Set(['browse', 'look', 'begin'])

/** Guardrails and intents permit by a general rule on purpose; the other sets should name somebody. */
function isOverBroad(set: SetName, { json, conditions }: Parsed): boolean {
  if (set === 'guardrail' || set === 'intent' || json.effect !== 'permit') return false
  const everybody = json.principal.op === 'All' || json.principal.op === 'is'
  if (!everybody || json.resource.op !== 'All' || conditions.size > 0) return false
  const actions = actionsOf(json.action)
  return (
    actions?.some(({ id }) => !HARMLESS.has(id) && !HARMLESS.has(ACTION_GROUPS.get(id) ?? '')) ??
    true
  )
}
