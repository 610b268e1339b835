/**
 * What a compiled policy set is, and how it judges one request.
 *
 * `compile.ts` makes one from text; `decide.ts` asks `evaluate` once per constraint and subject.
 */

import type { Digest } from '../base/bytes.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { CedarRequest } from './expression.ts'
import { candidates, type ScopeIndex } from './scope.ts'

/** The five sets. Three constrain a call, guardrails hold for every call, the last one for the API. */
export const SET_NAMES = ['agent', 'person', 'intent', 'guardrail', 'administration'] as const
/** The name of a set; the file `<name>.cedar` holds it. */
export type SetName = (typeof SET_NAMES)[number]

/** What a soft forbid asks for; it is lifted by the fact that its `unless` clause names. */
export type Requirement = 'step_up' | 'approval'

/** One policy, compiled. */
export interface Policy {
  /** Its `@id`, unique in the set. */
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  /** Its `@require`: present on soft forbids only. */
  readonly require?: Requirement
  /** Its `@reason`: one sentence for the record. */
  readonly reason?: string
  /** As it was written, for the oracle. */
  readonly text: string
  /** The key of its principal constraint, for slicing. */
  readonly principalKey: string
  /** Whether it applies; throws an `EvaluationError` where Cedar errs. */
  readonly applies: (request: CedarRequest) => boolean
}

/** A validated, compiled set. */
export interface PolicySet {
  readonly name: SetName
  /** The digest of its text. */
  readonly version: Digest
  readonly policies: ReadonlyMap<string, Policy>
  readonly index: ScopeIndex<Policy>
}

/** All sets in force; `version` is the digest of theirs. */
export type PolicySets = Readonly<Record<SetName, PolicySet>> & { readonly version: Digest }

/** What a set says about one request; each list sorted by id, so that no order of policies shows. */
export interface Evaluation {
  readonly permits: readonly Policy[]
  readonly forbids: readonly Policy[]
  /** Policies whose evaluation failed. Cedar skips them; whoever decides must deny. */
  readonly errors: readonly Policy[]
}

/** Evaluates a set on one request. */
export function evaluate(set: PolicySet, request: CedarRequest): Evaluation {
  const permits = new Set<Policy>()
  const forbids = new Set<Policy>()
  const errors = new Set<Policy>()
  for (const policy of candidates(set.index, request)) {
    try {
      if (policy.applies(request)) (policy.effect === 'permit' ? permits : forbids).add(policy)
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error
      errors.add(policy)
    }
  }
  return { permits: sorted(permits), forbids: sorted(forbids), errors: sorted(errors) }
}

function sorted(policies: ReadonlySet<Policy>): Policy[] {
  return policies.size < 2
    ? [...policies]
    : [...policies].toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
