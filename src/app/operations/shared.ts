/** What several handlers share: the answer `done`, and names that people may use instead of ids. */

import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { ok, refuse, type Refusal, type Result } from '../../base/result.ts'
import { findGroup, findPerson } from '../../people/people-store.ts'
import type { GroupId } from '../../people/person.ts'
import type { PersonId } from '../../people/person.ts'
import type { Store, Tx } from '../../store/store.ts'

/** The answer of an operation that has nothing to tell. */
export const DONE = ok({ done: true as const })

/** `DONE`, or the refusal. */
export function done<E extends Refusal>(result: Result<unknown, E>): Result<{ done: true }, E> {
  return result.ok ? DONE : result
}

/** Looks up every reference; refuses with `reason` at the first that is nobody. */
export async function resolveAll<T>(
  references: readonly string[],
  env: { readonly store: Store },
  find: (tx: Tx, reference: string) => Promise<T | undefined>,
  reason: string,
): Promise<Result<T[]>> {
  return await env.store.snapshot(async (tx) => {
    const found: T[] = []
    for (const reference of references) {
      const one = await find(tx, reference)
      if (one === undefined)
        return refuse({ reason, message: `nobody is known as \`${reference}\`` })
      found.push(one)
    }
    return ok(found)
  })
}

/** The id of a person or group by handle, name or id. */
export async function findParty(
  tx: Tx,
  reference: string,
): Promise<PersonId | GroupId | undefined> {
  return (await findPerson(tx, reference))?.id ?? (await findGroup(tx, reference))?.id
}

/** The details as they are signed, where people wrote the names of servers, people and groups. */
export async function withIdentifiers(
  details: readonly unknown[],
  env: { readonly store: Store; readonly issuer: string },
): Promise<Result<Json>> {
  const resolved: Json[] = []
  for (const detail of details as readonly JsonObject[]) {
    const located = { ...detail, ...urisOf(detail, env) }
    const by = (detail['approval'] as { by?: Json } | undefined)?.by
    const party =
      typeof by === 'string' ? await env.store.snapshot((tx) => findParty(tx, by)) : undefined
    if (typeof by === 'string' && party === undefined)
      return refuse({ reason: 'unknown_party', message: `nobody is known as \`${by}\`` })
    resolved.push({ ...located, ...(party !== undefined && { approval: { by: party } }) })
  }
  return ok(resolved)
}

const SERVER_NAME = /^[a-z][a-z0-9-]{0,62}$/

/** The resource URIs of servers that are named. */
function urisOf(
  { locations }: JsonObject,
  { issuer }: { readonly issuer: string },
): { locations?: Json } {
  if (!Array.isArray(locations)) return {}
  const uris = (locations as readonly Json[]).map((location) =>
    typeof location === 'string' && SERVER_NAME.test(location)
      ? `${issuer}/mcp/${location}`
      : location,
  )
  return { locations: uris }
}
