/**
 * What a server offers, as definitions: each thing whole, with the digest of its canonical text.
 *
 * Call `definitionsFrom` on a listing. All of a definition is pinned (name, title, description,
 * schemas, annotations, `_meta`): each part is read by models or clients, so each can carry an
 * instruction or change what a call means.
 */

import { digestOf } from '../base/bytes.ts'
import { canonicalJson, type Json, type JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { isObject } from '../mcp/message.ts'
import { definitionKey, type Definition, type DefinitionKind } from './server.ts'

/** Everything that a server listed, all pages of it. */
export interface Listing {
  readonly tools: readonly Json[]
  readonly prompts: readonly Json[]
  readonly resources: readonly Json[]
  readonly resourceTemplates: readonly Json[]
  readonly instructions?: string
}

/** A listing that cannot be pinned. */
export interface ListingRefusal {
  readonly reason: 'listing_invalid' | 'listing_too_large'
  readonly message: string
}

const MAX_DEFINITIONS = 1_000
const MAX_DEFINITION_BYTES = 131_072
const MAX_LISTING_BYTES = 4_194_304
const MAX_NAME = 256
const MAX_URI = 2_048

/** The definitions in `listing`, by kind and name in code-unit order, whatever order they came in. */
export function definitionsFrom(listing: Listing): Result<Definition[], ListingRefusal> {
  const offered: readonly (readonly [DefinitionKind, readonly Json[], string])[] = [
    ['tool', listing.tools, 'name'],
    ['prompt', listing.prompts, 'name'],
    ['resource', listing.resources, 'uri'],
    ['resource_template', listing.resourceTemplates, 'uriTemplate'],
  ]
  const definitions: Definition[] = []
  if (listing.instructions !== undefined && listing.instructions !== '') {
    const pinned = pin('instructions', '', { text: listing.instructions })
    if (!pinned.ok) return pinned
    definitions.push(pinned.value)
  }
  for (const [kind, values, naming] of offered) {
    const names = new Set<string>()
    for (const value of values) {
      const name = isObject(value) ? value[naming] : undefined
      if (!isObject(value) || typeof name !== 'string' || !isName(name, naming)) {
        return invalid(`expected each ${kind} to have a \`${naming}\``)
      }
      // Clients and models take names that differ by case for one another.
      const folded = naming === 'name' ? name.toLowerCase() : name
      if (names.has(folded)) return invalid(`expected each ${kind} once`)
      names.add(folded)
      const pinned = pin(kind, name, value)
      if (!pinned.ok) return pinned
      definitions.push(pinned.value)
    }
  }
  return bounded(definitions)
}

function bounded(definitions: Definition[]): Result<Definition[], ListingRefusal> {
  let bytes = 0
  for (const { value } of definitions) bytes += canonicalJson(value).length
  if (definitions.length > MAX_DEFINITIONS || bytes > MAX_LISTING_BYTES) {
    return refuse({
      reason: 'listing_too_large',
      message: `expected at most ${MAX_DEFINITIONS} definitions in ${MAX_LISTING_BYTES} bytes`,
    })
  }
  return ok(definitions.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)))
}

function pin(
  kind: DefinitionKind,
  name: string,
  value: JsonObject,
): Result<Definition, ListingRefusal> {
  let canonical: string
  try {
    canonical = canonicalJson(value)
  } catch {
    return invalid(`expected each ${kind} to be well-formed JSON`)
  }
  if (canonical.length > MAX_DEFINITION_BYTES) {
    return refuse({
      reason: 'listing_too_large',
      message: `expected definitions of at most ${MAX_DEFINITION_BYTES} bytes`,
    })
  }
  return ok({ kind, name, value, digest: digestOf(canonical) })
}

function isName(name: string, naming: string): boolean {
  const longest = naming === 'name' ? MAX_NAME : MAX_URI
  return name.length > 0 && name.length <= longest && !/\p{C}/u.test(name)
}

function keyOf({ kind, name }: Definition): string {
  return definitionKey(kind, name)
}

function invalid(message: string): Result<never, ListingRefusal> {
  return refuse({ reason: 'listing_invalid', message })
}
