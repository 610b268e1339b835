/**
 * What a server offers now, beside what was reviewed: `observeListing`.
 *
 * INVARIANT (pinned definitions): a reviewed server whose tools, prompts, templates or instructions are
 * not to the byte what its reviewer accepted goes into quarantine, and only another review lifts it.
 * Concrete resources are documents: they come, go and grow without meaning another thing. They are
 * pinned for what callers are shown, and their change is no drift.
 */

import { append } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store, Tx } from '../store/store.ts'
import { definitionsFrom, type Listing, type ListingRefusal } from './definition.ts'
import { findReview, lockServer, putObservation, updateState } from './server-store.ts'
import { definitionKey, type Definition, type Registration } from './server.ts'

/** What was seen. */
export interface Observed {
  readonly server: Registration
  readonly definitions: readonly Definition[]
  /** `changed tool:read`, `new tool:exfiltrate`, `vanished prompt:x`: why it went into quarantine now. */
  readonly drifted: readonly string[]
}

/** Why nothing was kept. A reviewed server whose listing cannot be pinned is in quarantine nevertheless. */
export type ObserveRefusal =
  | ListingRefusal
  | { readonly reason: 'unknown_server' | 'withdrawn'; readonly message?: string }

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
}

const MAX_DRIFTED = 100

/** Keeps what a server listed for review, and quarantines a reviewed server that drifted. */
export async function observeListing(
  nameOrId: string,
  listing: Listing,
  env: Env,
): Promise<Result<Observed, ObserveRefusal>> {
  const definitions = definitionsFrom(listing)
  if (definitions.ok) return await observeDefinitions(nameOrId, definitions.value, env)
  // What cannot even be pinned is not what was reviewed.
  await env.store.transaction(async (tx) => {
    const server = await lockServer(tx, nameOrId)
    if (server?.state !== 'reviewed') return
    await quarantine(tx, server, [`unreadable listing: ${definitions.error.reason}`], env)
  })
  return definitions
}

async function observeDefinitions(
  nameOrId: string,
  definitions: readonly Definition[],
  env: Env,
): Promise<Result<Observed, ObserveRefusal>> {
  return await env.store.transaction(async (tx) => {
    const server = await lockServer(tx, nameOrId)
    if (server === undefined) return refuse({ reason: 'unknown_server' })
    if (server.state === 'withdrawn') return refuse({ reason: 'withdrawn' })
    await putObservation(tx, server.id, definitions, env.clock.nowMilliseconds())
    if (server.state !== 'reviewed') return ok({ server, definitions, drifted: [] })
    const review = await findReview(tx, server, env)
    const drifted =
      review === undefined
        ? ['the review does not verify']
        : drift(review.claims.definitions, definitions)
    if (drifted.length === 0) return ok({ server, definitions, drifted })
    return ok({ server: await quarantine(tx, server, drifted, env), definitions, drifted })
  })
}

/** How `observed` differs from what was `pinned` (digests by key). */
function drift(
  pinned: Readonly<Record<string, string>>,
  observed: readonly Definition[],
): string[] {
  const seen = new Map(
    observed.map(({ kind, name, digest }) => [definitionKey(kind, name), digest] as const),
  )
  const differs: string[] = []
  for (const [key, digest] of Object.entries(pinned)) {
    if (isDocument(key)) continue
    const now = seen.get(key)
    if (now === undefined) differs.push(`vanished ${key}`)
    else if (now !== digest) differs.push(`changed ${key}`)
  }
  for (const key of seen.keys()) {
    if (!isDocument(key) && !Object.hasOwn(pinned, key)) differs.push(`new ${key}`)
  }
  return differs.toSorted()
}

function isDocument(key: string): boolean {
  return key.startsWith(definitionKey('resource', ''))
}

/** Appends, so it must be the last statement. */
async function quarantine(
  tx: Tx,
  server: Registration,
  drifted: readonly string[],
  env: Env,
): Promise<Registration> {
  const reason = `${drifted.length} definitions differ from what was reviewed`
  const { id } = server
  await updateState(tx, id, 'quarantined', reason)
  await append(tx, [
    {
      v: 1,
      kind: 'server_quarantined',
      time: env.clock.nowMilliseconds(),
      by: { type: 'system', part: 'registry' },
      touches: [id],
      server: id,
      reason,
      drifted: drifted.slice(0, MAX_DRIFTED).map((each) => each.slice(0, 300)),
    },
  ])
  return { ...server, state: 'quarantined', reason }
}
