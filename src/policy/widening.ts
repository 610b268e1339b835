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
import { SET_NAMES, type PolicySet, type PolicySets } from '../decision/policy-set.ts'

/** In which ways `to` might permit more than `from`, in plain words; empty when it certainly does not. */
export function widening(from: PolicySets, to: PolicySets): string[] {
  return SET_NAMES.flatMap((name) => {
    if (from[name].version === to[name].version) return []
    const [before, after] = [meanings(from[name]), meanings(to[name])]
    return [
      ...missing(after, before, 'permit').map(
        (id) => `\`${name}\`: the permit \`${id}\` would be added`,
      ),
      ...missing(before, after, 'forbid').map(
        (id) => `\`${name}\`: the forbid \`${id}\` would be gone`,
      ),
      ...missing(before, after, 'permit')
        .filter((id) => before.get(id)?.mayErr === true)
        .map((id) => `\`${name}\`: \`${id}\`, which denies where it errs, would be gone`),
    ]
  })
}

interface Meaning {
  readonly effect: PolicyJson['effect']
  /** All that decides, and nothing that only explains. */
  readonly text: string
  readonly mayErr: boolean
}

function meanings(set: PolicySet): ReadonlyMap<string, Meaning> {
  return new Map([...set.policies.values()].map((policy) => [policy.id, meaningOf(policy.text)]))
}

/** The ids of policies of one effect in `among` whose meaning no policy of `others` has. */
function missing(
  among: ReadonlyMap<string, Meaning>,
  others: ReadonlyMap<string, Meaning>,
  effect: PolicyJson['effect'],
): string[] {
  const known = new Set([...others.values()].map(({ text }) => text))
  return [...among]
    .filter(([, meaning]) => meaning.effect === effect && !known.has(meaning.text))
    .map(([id]) => id)
}

/** Arithmetic overflows and a text that is no decimal, date or address: what validation leaves possible. */
const MAY_ERR = /"(?:\+|-|\*|neg|decimal|ip|datetime|duration|offset|durationSince|toDate|toTime)":/

function meaningOf(policyText: string): Meaning {
  const answer = policyToJson(policyText)
  if (answer.type === 'failure') throw new Error('expected a policy that was compiled to parse')
  const { annotations, ...decides } = answer.json
  const { require } = annotations ?? {}
  const text = canonicalJson({ ...(decides as unknown as Record<string, Json>), require })
  return { effect: answer.json.effect, text, mayErr: MAY_ERR.test(text) }
}
