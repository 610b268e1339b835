/**
 * Credentials for servers that want one: sealed at rest, shown to nobody.
 *
 * `setCredential` is for people; `openCredential` is for `upstream/`, which puts it on the wire.
 * INVARIANT (no standing secrets): neither agents, sandboxes, the log nor any error holds one.
 */

import { append } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { type MasterKey, seal, unseal } from '../keys/seal.ts'
import { isSlug } from '../people/person.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import type { RegistryTables } from './migrations.ts'
import { lockServer } from './server-store.ts'
import type { ServerId } from './server.ts'

/** A credential to keep. `value` goes into `Authorization: Bearer …` unless it names a scheme itself. */
export interface CredentialRequest {
  readonly server: string
  readonly name: string
  readonly value: string
}

/** Why it was not kept. */
export interface CredentialRefusal {
  readonly reason: 'unknown_server' | 'withdrawn' | 'bad_name' | 'bad_value'
}

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly masterKey: MasterKey
}

/** What may stand in a header (RFC 9110 §5.5), so that a credential cannot add one. */
const VALUE = /^[!-~](?:[ -~]{0,16382}[!-~])?$/

/** Keeps a credential of a server, instead of the one of that name before. */
export async function setCredential(
  request: CredentialRequest,
  session: Session,
  env: Env,
): Promise<Result<undefined, CredentialRefusal>> {
  const { name, value } = request
  if (!isSlug(name)) return refuse({ reason: 'bad_name' })
  if (!VALUE.test(value)) return refuse({ reason: 'bad_value' })
  return await env.store.transaction(async (tx) => {
    const server = await lockServer(tx, request.server)
    if (server === undefined) return refuse({ reason: 'unknown_server' })
    if (server.state === 'withdrawn') return refuse({ reason: 'withdrawn' })
    const { id } = server
    const time = env.clock.nowMilliseconds()
    const sealed = seal(env.masterKey, Buffer.from(value), about(id, name), env)
    await tx
      .withTables<RegistryTables>()
      .insertInto('upstream_credential')
      .values({ server: id, name, sealed, set_at: time })
      .onConflict((conflict) =>
        conflict.columns(['server', 'name']).doUpdateSet({ sealed, set_at: time }),
      )
      .execute()
    const by = personActor(session)
    await append(tx, [
      { v: 1, kind: 'server_credential_set', time, by, touches: [id], server: id, name },
    ])
    return ok()
  })
}

/** Forgets every credential of a server: where they would be sent is no longer what it was. */
export async function forgetCredentials(tx: Tx, server: ServerId): Promise<void> {
  await tx
    .withTables<RegistryTables>()
    .deleteFrom('upstream_credential')
    .where('server', '=', server)
    .execute()
}

/** The credential, or undefined if there is none of that name. Only `upstream/` calls this. */
export async function openCredential(
  tx: Tx,
  server: ServerId,
  name: string,
  env: { readonly masterKey: MasterKey },
): Promise<string | undefined> {
  const row = await tx
    .withTables<RegistryTables>()
    .selectFrom('upstream_credential')
    .select('sealed')
    .where('server', '=', server)
    .where('name', '=', name)
    .executeTakeFirst()
  return row && unseal(env.masterKey, row.sealed, about(server, name)).toString('utf8')
}

/** Whose secret it is; moved to another row it does not open. */
function about(server: ServerId, name: string): string {
  return `upstream_credential:${server}:${name}`
}
