/**
 * Cedar values as the compiled policies see them, and when two are equal.
 *
 * Longs are `bigint` (64 bits, overflow is an error); records are maps, so that no attribute name is
 * special; sets keep their elements by `keyOf`, which is injective: equal keys, equal values.
 *
 * @see https://docs.cedarpolicy.com/policies/syntax-datatypes.html
 */

/** The name of an entity: `Group::"partners"`. */
export class EntityUid {
  readonly type: string
  readonly id: string
  /** Type and id in one string; a type holds no space, so the first one separates. */
  readonly key: string

  constructor(type: string, id: string) {
    this.type = type
    this.id = id
    this.key = `${type} ${id}`
  }
}

/** A set: distinct values by their keys. */
export class CedarSet {
  readonly elements: ReadonlyMap<string, Value>

  constructor(values: Iterable<Value>) {
    const elements = new Map<string, Value>()
    for (const value of values) elements.set(keyOf(value), value)
    this.elements = elements
  }
}

/** A value of an extension type: `decimal` in ten-thousandths, `datetime` and `duration` in milliseconds. */
export class Extension {
  readonly type: 'decimal' | 'datetime' | 'duration'
  readonly amount: bigint

  constructor(type: Extension['type'], amount: bigint) {
    this.type = type
    this.amount = amount
  }
}

/** A record: attribute name to value. */
export type CedarRecord = ReadonlyMap<string, Value>

/** Anything an expression evaluates to. */
export type Value = boolean | bigint | string | EntityUid | CedarSet | Extension | CedarRecord

/** One entity with its attributes and everything it is in, transitively, by key. */
export interface Entity {
  readonly uid: EntityUid
  readonly attributes: CedarRecord
  readonly ancestors: ReadonlyMap<string, EntityUid>
}

/** Entities by key. One that is missing has no attributes and no ancestors. */
export type Entities = ReadonlyMap<string, Entity>

/** Whether two values are equal; values of different types are unequal, never an error. */
export function equal(a: Value, b: Value): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  if (a instanceof EntityUid && b instanceof EntityUid) return a.key === b.key
  return keyOf(a) === keyOf(b)
}

/** A string that two values share exactly when they are equal. */
export function keyOf(value: Value): string {
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'bigint') return `l${value}`
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value instanceof EntityUid) return `e${value.key}`
  if (value instanceof Extension) return `${value.type}(${value.amount})`
  if (value instanceof CedarSet) return `S${JSON.stringify([...value.elements.keys()].toSorted())}`
  return `R${JSON.stringify([...value].map(([name, v]) => [name, keyOf(v)]).toSorted(byName))}`
}

function byName([a]: readonly string[], [b]: readonly string[]): number {
  return (a ?? '') < (b ?? '') ? -1 : 1
}
