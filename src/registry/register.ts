/** How servers come, change and go: `registerServer`, `changeServer`, `withdrawServer`. Nothing is offered before a review. */

import * as z from 'zod'
import { append } from '../audit/append.ts'
import type { Vault } from '../audit/vault.ts'
import { digestOfJson } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { isCanonical } from '../mcp/canonical.ts'
import { displayName, isSlug } from '../people/person.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store } from '../store/store.ts'
import { confinementFault } from './confinement.ts'
import { forgetCredentials } from './credential.ts'
import { insertServer, lockServer, replaceRegistration, updateState } from './server-store.ts'
import { OWN_NAME, transportSchema, type Registration, type Transport } from './server.ts'

/** A server to register. */
export interface RegisterRequest {
  /** A slug: it prefixes the server's tools as `name__tool`. */
  readonly name: string
  readonly title: string
  readonly transport: unknown
  /** Default `mirrored`. */
  readonly personRights?: 'upstream' | 'mirrored'
  /** How long one request may take. Default 30 s, at most 10 min. */
  readonly timeoutMilliseconds?: number
  /** The largest answer that is taken. Default 1 MiB, at most 64 MiB. */
  readonly outputLimitBytes?: number
}

/** Why a server was not registered. */
export interface RegisterRefusal {
  readonly reason: 'bad_name' | 'bad_title' | 'bad_transport' | 'bad_limit' | 'name_taken'
  readonly message?: string
}

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly vault: Vault
}

const limits = z.strictObject({
  timeoutMilliseconds: z.int().positive().max(600_000).default(30_000),
  outputLimitBytes: z.int().positive().max(67_108_864).default(1_048_576),
})

/** Registers a server. `issuer` is our own origin, which can never be an upstream. */
export async function registerServer(
  request: RegisterRequest,
  session: Session,
  env: Env & { readonly random: Random; readonly issuer: string },
): Promise<Result<Registration, RegisterRefusal>> {
  if (!isSlug(request.name)) return refuse({ reason: 'bad_name' })
  if (request.name === OWN_NAME) {
    const message = `\`${OWN_NAME}\` stands before the gateway's own tools`
    return refuse({ reason: 'bad_name', message })
  }
  const title = displayName.safeParse(request.title)
  if (!title.success) return refuse({ reason: 'bad_title' })
  const parsed = reachedBy(request, env.issuer)
  if (!parsed.ok) return parsed
  const { transport, bounds } = parsed.value
  const server: Registration = {
    id: newId('srv', env),
    name: request.name,
    title: title.data,
    state: 'registered',
    transport,
    revision: 0,
    personRights: request.personRights ?? 'mirrored',
    ...bounds,
  }
  const time = env.clock.nowMilliseconds()
  return await env.store.transaction(async (tx) => {
    if (!(await insertServer(tx, server, time))) return refuse({ reason: 'name_taken' })
    const { id, name } = server
    const sealed = await env.vault.seal(tx, server.transport, {
      subject: id,
    })
    const by = personActor(session)
    await append(tx, [
      {
        v: 1,
        kind: 'server_registered',
        time,
        by,
        touches: [id],
        server: id,
        name,
        transport: sealed,
      },
    ])
    return ok(server)
  })
}

/** How a server is to be reached from now on. */
export interface ChangeRequest extends Pick<
  RegisterRequest,
  'transport' | 'timeoutMilliseconds' | 'outputLimitBytes'
> {
  /** Name or identifier. */
  readonly server: string
}

/** Why a server was not changed. */
export interface ChangeRefusal {
  readonly reason: 'unknown_server' | 'withdrawn' | 'bad_transport' | 'bad_limit'
  readonly message?: string
}

/**
 * Changes how a server is reached, what it may use and where it may connect to. What was observed and reviewed
 * was another thing: nothing is offered before it is observed and reviewed again. Its credentials are kept
 * only where nothing but limits, tier and bounds changes, for nobody is to lead a secret elsewhere.
 */
export async function changeServer(
  request: ChangeRequest,
  session: Session,
  env: Env & { readonly issuer: string },
): Promise<Result<Registration, ChangeRefusal>> {
  const parsed = reachedBy(request, env.issuer)
  if (!parsed.ok) return parsed
  const { transport, bounds } = parsed.value
  return await env.store.transaction(async (tx) => {
    const before = await lockServer(tx, request.server)
    if (before === undefined) return refuse({ reason: 'unknown_server' })
    if (before.state === 'withdrawn') return refuse({ reason: 'withdrawn' })
    const { reason: _was, ...kept } = before
    const server: Registration = { ...kept, state: 'registered', transport, ...bounds }
    await replaceRegistration(tx, server)
    if (!leadsAsBefore(before.transport, transport)) await forgetCredentials(tx, server.id)
    const { id } = server
    const sealed = await env.vault.seal(tx, transport, { subject: id })
    const time = env.clock.nowMilliseconds()
    const by = personActor(session)
    await append(tx, [
      { v: 1, kind: 'server_changed', time, by, touches: [id], server: id, transport: sealed },
    ])
    return ok(server)
  })
}

/** Whether a secret that is shown, or added on the way, reaches the same place by way of the same program. */
function leadsAsBefore(before: Transport, now: Transport): boolean {
  return digestOfJson(wayOf(before)) === digestOfJson(wayOf(now))
}

function wayOf(transport: Transport): Transport {
  if (transport.type === 'http') return transport
  const { limits: _limits, tier: _tier, ...way } = transport
  return way
}

/** Withdraws a server for good: its name is not given again. */
export async function withdrawServer(
  nameOrId: string,
  session: Session,
  env: Pick<Env, 'store' | 'clock'>,
): Promise<Result<Registration, { reason: 'unknown_server' | 'withdrawn' }>> {
  return await env.store.transaction(async (tx) => {
    const server = await lockServer(tx, nameOrId)
    if (server === undefined) return refuse({ reason: 'unknown_server' })
    if (server.state === 'withdrawn') return refuse({ reason: 'withdrawn' })
    const { id } = server
    await updateState(tx, id, 'withdrawn')
    const time = env.clock.nowMilliseconds()
    const by = personActor(session)
    await append(tx, [{ v: 1, kind: 'server_withdrawn', time, by, touches: [id], server: id }])
    return ok({ ...server, state: 'withdrawn' as const })
  })
}

function reachedBy(
  request: Pick<RegisterRequest, 'transport' | 'timeoutMilliseconds' | 'outputLimitBytes'>,
  issuer: string,
): Result<
  { readonly transport: Transport; readonly bounds: z.infer<typeof limits> },
  { readonly reason: 'bad_transport' | 'bad_limit'; readonly message?: string }
> {
  const transport = transportSchema.safeParse(request.transport)
  if (!transport.success) {
    return refuse({
      reason: 'bad_transport',
      message: z.prettifyError(transport.error).slice(0, 500),
    })
  }
  const fault = transportFault(transport.data, issuer)
  if (fault !== undefined) return refuse({ reason: 'bad_transport', message: fault })
  const bounds = limits.safeParse({
    timeoutMilliseconds: request.timeoutMilliseconds,
    outputLimitBytes: request.outputLimitBytes,
  })
  if (!bounds.success) return refuse({ reason: 'bad_limit' })
  return ok({ transport: transport.data, bounds: bounds.data })
}

/** What is wrong with a transport that has the right shape. */
function transportFault(transport: Transport, issuer: string): string | undefined {
  if (transport.type === 'stdio') return confinementFault(transport, issuer)
  if (!isCanonical('url', transport.url)) return 'expected `url` to be a URL in normal form'
  const url = new URL(transport.url)
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)) {
    return 'expected `url` to be https, or http on loopback'
  }
  if (url.hash !== '') return 'expected `url` without a fragment'
  // A call to ourselves would be decided as another caller's.
  if (url.origin === new URL(issuer).origin) return 'expected `url` not to be of this installation'
  return undefined
}
