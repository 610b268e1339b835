/**
 * Whether one version certainly permits no more than another.
 *
 * Call `widening(from, to)`. Each line it returns is a way in which `to` might permit what `from` does not;
 * no line is a proof that it does not. The question is decided by comparing policies whole, so it errs
 * only to the side of caution: a version that is narrower in a way that this cannot see is called wider.
 *
 * Why none is a proof: a set permits where some permit applies, no forbid applies and nothing errs. With
 * fewer permits, more forbids and no policy gone that could have erred, nothing new is permitted.
 */

import { policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import {
  SET_NAMES,
  type Policy,
  type PolicySet,
  type PolicySets,
  type SetName,
} from '../decision/policy-set.ts'

/** One way in which a version might permit more. */
export interface Widening {
  readonly set: SetName
  /** A permit that would be added, a forbid that would be gone, a permit that denied where it erred. */
  readonly change: 'permit_added' | 'forbid_gone' | 'error_gone'
  /** The policy that makes the difference, of the version that has it. */
  readonly policy: Policy
}

/** In which ways `to` might permit more than `from`, in plain words; empty when it certainly does not. */
export function widening(from: PolicySets, to: PolicySets): string[] {
  return widenings(from, to).map(told)
}

/** The same, with the policies. */
export function widenings(from: PolicySets, to: PolicySets): Widening[] {
  return SET_NAMES.flatMap((set) => {
    if (from[set].version === to[set].version) return []
    const [before, after] = [meanings(from[set]), meanings(to[set])]
    const gone = missing(before, after, 'permit').filter(({ mayErr }) => mayErr)
    return [
      ...missing(after, before, 'permit').map(widened(set, 'permit_added')),
      ...missing(before, after, 'forbid').map(widened(set, 'forbid_gone')),
      ...gone.map(widened(set, 'error_gone')),
    ]
  })
}

/** One way in plain words. */
export function told({ set, change, policy }: Widening): string {
  return `\`${set}\`: ${WORDS[change](policy.id)}`
}

const WORDS: Readonly<Record<Widening['change'], (id: string) => string>> = {
  permit_added: (id) => `the permit \`${id}\` would be added`,
  forbid_gone: (id) => `the forbid \`${id}\` would be gone`,
  error_gone: (id) => `\`${id}\`, which denies where it errs, would be gone`,
}

function widened(set: SetName, change: Widening['change']): (meaning: Meaning) => Widening {
  return ({ policy }) => ({ set, change, policy })
}

interface Meaning {
  readonly policy: Policy
  readonly effect: PolicyJson['effect']
  /** All that decides, and nothing that only explains. */
  readonly text: string
  readonly mayErr: boolean
}

function meanings(set: PolicySet): readonly Meaning[] {
  return [...set.policies.values()].map(meaningOf)
}

/** The policies of one effect in `among` whose meaning no policy of `others` has. */
function missing(
  among: readonly Meaning[],
  others: readonly Meaning[],
  effect: PolicyJson['effect'],
): Meaning[] {
  const known = new Set(others.map(({ text }) => text))
  return among.filter((meaning) => meaning.effect === effect && !known.has(meaning.text))
}

/** Arithmetic overflows and a text that is no decimal, date or address: what validation leaves possible. */
const MAY_ERR = /"(?:\+|-|\*|neg|decimal|ip|datetime|duration|offset|durationSince|toDate|toTime)":/

function meaningOf(policy: Policy): Meaning {
  const answer = policyToJson(policy.text)
  if (answer.type === 'failure') throw new Error('expected a policy that was compiled to parse')
  const { annotations, ...decides } = answer.json
  const { require } = annotations ?? {}
  const text = canonicalJson({ ...(decides as unknown as Record<string, Json>), require })
  return { policy, effect: answer.json.effect, text, mayErr: MAY_ERR.test(text) }
}
