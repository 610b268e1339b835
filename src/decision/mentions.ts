/**
 * What policies can look at: the attributes of the context that they name, and the entities they write out.
 *
 * The oracle is handed no more than that, because most of what a question to it costs is the reading of
 * facts. `mentionsOf` reads the policies as Cedar parsed them; what it cannot account for counts as
 * everything.
 */

import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarRequest } from './expression.ts'
import { CedarSet, EntityUid, type CedarRecord, type Entity, type Value } from './value.ts'

/** What a set of policies can look at beside principal, action and resource. */
export interface Mentions {
  /** Attributes of `context`; `everything` where a policy takes it as a whole. */
  readonly context: ReadonlySet<string> | 'everything'
  /** Entities that are written out, by key. */
  readonly entities: ReadonlySet<string>
}

/** What any of `policies` can look at. */
export function mentionsOf(policies: readonly PolicyJson[]): Mentions {
  const context = new Set<string>()
  const entities = new Set<string>()
  let whole = false
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { Var: variable, __entity: named } = node as { Var?: unknown; __entity?: unknown }
    if (variable === 'context') whole = true
    if (isTypeAndId(named)) entities.add(new EntityUid(named.type, named.id).key)
    for (const [operator, operand] of Object.entries(node) as [string, unknown][]) {
      const attribute = attributeOfContext(operator, operand)
      if (attribute === undefined) visit(operand)
      else context.add(attribute)
    }
  }
  for (const { conditions } of policies) visit(conditions)
  return { context: whole ? 'everything' : context, entities }
}

/** The context of a request as far as it is mentioned. */
export function mentionedContext({ context }: CedarRequest, mentions: Mentions): CedarRecord {
  const { context: named } = mentions
  if (named === 'everything') return context
  return new Map([...context].filter(([name]) => named.has(name)))
}

/**
 * The entities that policies can arrive at, starting from the request's three and those written out. One
 * that is left out has no attributes and is in nothing, which only matters to whoever can name it.
 */
export function mentionedEntities(
  { principal, action, resource, entities }: CedarRequest,
  context: CedarRecord,
  mentions: Mentions,
): Entity[] {
  const reached = new Map<string, Entity>()
  const visit = (key: string): void => {
    const entity = reached.has(key) ? undefined : entities.get(key)
    if (entity === undefined) return
    reached.set(key, entity)
    for (const value of entity.attributes.values()) for (const uid of uidsIn(value)) visit(uid.key)
  }
  for (const { key } of [principal, action, resource]) visit(key)
  for (const key of mentions.entities) visit(key)
  for (const value of context.values()) for (const uid of uidsIn(value)) visit(uid.key)
  return [...reached.values()]
}

function isTypeAndId(named: unknown): named is { type: string; id: string } {
  const { type, id } = (named ?? {}) as { type?: unknown; id?: unknown }
  return typeof type === 'string' && typeof id === 'string'
}

/** The attribute, of `context.attribute` and `context has attribute`. */
function attributeOfContext(operator: string, operand: unknown): string | undefined {
  if (operator !== '.' && operator !== 'has') return undefined
  const { left, attr } = (operand ?? {}) as { left?: { Var?: unknown }; attr?: unknown }
  if (left?.Var !== 'context') return undefined
  const first: unknown = Array.isArray(attr) ? attr[0] : attr
  return typeof first === 'string' ? first : undefined
}

function uidsIn(value: Value): EntityUid[] {
  if (value instanceof EntityUid) return [value]
  if (value instanceof CedarSet) return [...value.elements.values()].flatMap(uidsIn)
  return value instanceof Map ? [...value.values()].flatMap(uidsIn) : []
}
