/**
 * Whether a delegation is still honoured.
 *
 * Call `loadTree` in the transaction that decides, then `standing` with the database's time. A
 * delegation stands while it and everything above it is active and unexpired; so ending one node ends
 * all below it, in constant work, however large the tree is.
 */

import { type Result, ok, refuse } from '../base/result.ts'
import { findPerson } from '../people/people-store.ts'
import type { Tx } from '../store/store.ts'
import type { AgentId } from '../identity/agent.ts'
import type { Delegation, DelegationId, DelegationState } from './delegation.ts'
import { readBranch } from './delegation-store.ts'

/** A delegation and what stands above it. */
export interface Tree {
  readonly delegation: Delegation
  /** Root first, the parent last; empty for a root. */
  readonly ancestors: readonly Delegation[]
  /** Whether the person whose authority it is may still have any. */
  readonly personActive: boolean
  /** The effective state by the database's clock when it was loaded: the first above that is not active. */
  readonly state: DelegationState
}

/** Why a delegation is not honoured, and which one of its tree is the cause. */
export interface NotStanding {
  readonly reason:
    | 'delegation_suspended'
    | 'delegation_completed'
    | 'delegation_revoked'
    | 'delegation_expired'
    | 'person_inactive'
  readonly delegation: DelegationId
}

/** Loads a delegation with its ancestors; undefined if there is none. */
export async function loadTree(tx: Tx, id: DelegationId): Promise<Tree | undefined> {
  const branch = await readBranch(tx, id)
  const delegation = branch.at(-1)
  if (delegation === undefined) return undefined
  if (branch.length !== delegation.ancestors.length + 1) {
    throw new Error(`expected ${delegation.ancestors.length} ancestors of \`${id}\``)
  }
  const state = branch.find((node) => node.state !== 'active')?.state ?? 'active'
  const person = await findPerson(tx, delegation.person)
  const personActive = person?.active === true
  return { delegation, ancestors: branch.slice(0, -1), personActive, state }
}

/**
 * Succeeds while the whole branch stands at `nowSeconds`, the database's time.
 *
 * INVARIANT (narrowing): what is below never outlives or outranks what is above.
 */
export function standing(tree: Tree, nowSeconds: number): Result<undefined, NotStanding> {
  for (const { id, state, expiresAt } of branchOf(tree)) {
    if (state !== 'active') return refuse({ reason: `delegation_${state}`, delegation: id })
    if (nowSeconds >= expiresAt) return refuse({ reason: 'delegation_expired', delegation: id })
  }
  // Nothing stands that somebody delegated who is no longer there.
  if (!tree.personActive) return refuse({ reason: 'person_inactive', delegation: rootOf(tree).id })
  return ok()
}

/** The tree's delegations, root first. */
export function branchOf(tree: Tree): readonly Delegation[] {
  return [...tree.ancestors, tree.delegation]
}

/** The delegation at the top, whose stages hold for the whole tree. */
export function rootOf(tree: Tree): Delegation {
  return tree.ancestors[0] ?? tree.delegation
}

/** The agents of the act chain, the one that acts now first (RFC 8693 §4.1); undefined while unclaimed. */
export function agentsOf(tree: Tree): AgentId[] | undefined {
  const agents = branchOf(tree).map((node) => node.delegate.agent)
  return agents.every((agent) => agent !== undefined) ? agents.toReversed() : undefined
}
