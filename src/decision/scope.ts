/**
 * The scope index: finds the few policies of a set whose scope can match a request.
 *
 * Every policy is filed under what its scope names of principal, action and resource: an entity (`==` and
 * `in` alike), a type (`is`), or anything. A request looks up each entity with all that it is in, so the
 * cost follows the request's ancestors and not the size of the set. The index may offer a policy that
 * does not apply (the compiled scope is checked again), and never misses one that does.
 */

import type {
  ActionConstraint,
  EntityUidJson,
  PrincipalConstraint,
  ResourceConstraint,
  TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarRequest } from './expression.ts'
import { EntityUid, type Entities } from './value.ts'

/** Policies filed by the keys of principal, action and resource. */
export type ScopeIndex<P> = Map<string, Map<string, Map<string, P[]>>>

/** The three scope constraints of a policy. */
export interface Scope {
  readonly principal: PrincipalConstraint
  readonly action: ActionConstraint
  readonly resource: ResourceConstraint
}

const ANYTHING = '*'

/** Files a policy under each combination of its scope's keys. */
export function file<P>(index: ScopeIndex<P>, scope: Scope, policy: P): void {
  const byAction = entry(
    index,
    entityKey(scope.principal),
    () => new Map<string, Map<string, P[]>>(),
  )
  for (const action of actionKeys(scope.action)) {
    const byResource = entry(byAction, action, () => new Map<string, P[]>())
    entry(byResource, entityKey(scope.resource), () => [] as P[]).push(policy)
  }
}

/** Every policy whose scope can match, once or more. */
export function candidates<P>(index: ScopeIndex<P>, request: CedarRequest): P[] {
  const found: P[] = []
  const actions = keysOf(request.action, request.entities)
  const resources = keysOf(request.resource, request.entities)
  for (const principal of keysOf(request.principal, request.entities)) {
    const byAction = index.get(principal)
    if (byAction === undefined) continue
    for (const action of actions) {
      const byResource = byAction.get(action)
      if (byResource === undefined) continue
      for (const resource of resources) found.push(...(byResource.get(resource) ?? []))
    }
  }
  return found
}

/** The key under which a principal or resource constraint is filed. */
export function entityKey(constraint: PrincipalConstraint | ResourceConstraint): string {
  if (constraint.op === 'All') return ANYTHING
  if (constraint.op !== 'is') return uidOf(constraint).key
  return constraint.in === undefined ? `is ${constraint.entity_type}` : uidOf(constraint.in).key
}

/** The keys under which policies that can match this entity are filed. */
export function keysOf(uid: EntityUid, entities: Entities): string[] {
  return [ANYTHING, `is ${uid.type}`, uid.key, ...(entities.get(uid.key)?.ancestors.keys() ?? [])]
}

/** Whether an entity is the parent or in it, transitively. */
export function isWithin(uid: EntityUid, parent: EntityUid, entities: Entities): boolean {
  return uid.key === parent.key || (entities.get(uid.key)?.ancestors.has(parent.key) ?? false)
}

/** The entity that a constraint names. */
export function uidOf(constraint: { entity: EntityUidJson } | { slot: string }): EntityUid {
  // Only templates have slots, and sets that hold one are refused.
  if ('slot' in constraint) throw new Error('expected a policy, got a template')
  const { entity } = constraint
  const { type, id } = '__entity' in entity ? named(entity) : entity
  return new EntityUid(type, id)
}

function named({ __entity: uid }: { __entity: TypeAndId }): TypeAndId {
  return uid
}

/** The actions or action groups that a constraint names; `undefined` means any. */
export function actionsOf(constraint: ActionConstraint): EntityUid[] | undefined {
  if (constraint.op === 'All') return undefined
  if ('entities' in constraint) return constraint.entities.map((entity) => uidOf({ entity }))
  return [uidOf(constraint)]
}

function actionKeys(constraint: ActionConstraint): string[] {
  return actionsOf(constraint)?.map((uid) => uid.key) ?? [ANYTHING]
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const present = map.get(key)
  if (present !== undefined) return present
  const made = make()
  map.set(key, made)
  return made
}
