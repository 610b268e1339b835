/**
 * One HTTP request to where it may go, and nowhere else.
 *
 * Call `guardedRequest`. Refused: schemes other than http and https, plain http off loopback, credentials in
 * the URL, link-local and unspecified and multicast addresses (cloud metadata among them), our own listeners
 * under whatever name. The address that was checked is the one that is connected to, so a name that resolves
 * differently a moment later changes nothing. Redirects are given back as they are, never followed.
 */

import { lookup as resolveName, type LookupAddress } from 'node:dns'
import { request as httpRequest, Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'

/** A request whose body is known. */
export interface Outgoing {
  readonly url: URL
  readonly method: 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal: AbortSignal
}

/** What came of it. `sent` is false only where certainly nothing reached a server. */
export type Incoming =
  | { readonly ok: true; readonly response: IncomingMessage }
  | { readonly ok: false; readonly sent: boolean; readonly why: string }

/** Where requests may not go, beyond what nobody's may. */
export interface Own {
  /** Our public origin. */
  readonly issuer: string
  /** The ports we listen on, on this machine. The issuer's own is one of them if it is on loopback. */
  readonly ports?: readonly number[]
}

/** Connections kept open to one server; destroyed with it. */
export type Connections = Agent & { readonly secure: boolean }

const LOOPBACK = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
])
const NEVER = blockList([
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  // Addresses in which others are embedded (NAT64, 6to4, Teredo): the inner one cannot be judged here.
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  // AWS's metadata service over IPv6 is a unique local address.
  ['fd00:ec2::254', 128, 'ipv6'],
])
const IDLE_MILLISECONDS = 4_000
const MAX_HEADER_BYTES = 32 * 1024

/** Why `url` can never be an upstream; undefined if nothing speaks against it so far. Names are not resolved. */
export function refusedUrl(url: URL, own: Own): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'expected http or https'
  if (url.username !== '' || url.password !== '') return 'expected no credentials in the URL'
  if (url.origin === new URL(own.issuer).origin) return 'our own origin can never be an upstream'
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  return isIP(literal) === 0 ? undefined : refusedAddress(literal, url, own)
}

/** Connections for requests to `url`, a socket of which waits idle for less than servers usually do. */
export function connectionsTo(url: URL): Connections {
  const options = { keepAlive: true, timeout: IDLE_MILLISECONDS, maxSockets: 256 }
  const secure = url.protocol === 'https:'
  return Object.assign(secure ? new TlsAgent(options) : new Agent(options), { secure })
}

/** Sends `outgoing`, once. Never rejects. */
export async function guardedRequest(
  outgoing: Outgoing,
  env: { readonly own: Own; readonly connections: Connections },
): Promise<Incoming> {
  const { url, method, body, signal } = outgoing
  const refused = refusedUrl(url, env.own)
  if (refused !== undefined) return { ok: false, sent: false, why: refused }
  if (signal.aborted) return { ok: false, sent: false, why: 'cancelled' }
  const { promise, resolve } = Promise.withResolvers<Incoming>()
  let request: ClientRequest
  try {
    request = (env.connections.secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: env.connections,
      headers: { ...outgoing.headers, 'content-length': Buffer.byteLength(body) },
      lookup: guardedLookup(url, env.own),
      maxHeaderSize: MAX_HEADER_BYTES,
    })
  } catch {
    // Node's own words are left out, for headers hold the credential.
    return { ok: false, sent: false, why: 'expected headers that can be written' }
  }
  // By hand: Node's own `signal` watches the request in ways that cost a fifth of what sending it does.
  const cancel = (): void => void request.destroy(new Error('cancelled'))
  signal.addEventListener('abort', cancel)
  request.once('close', () => signal.removeEventListener('abort', cancel))
  // On a socket that was kept open the bytes may leave at once; on a new one not before it is connected.
  let sent = false
  request.once('socket', (socket) => {
    if (socket.connecting) {
      socket.once(env.connections.secure ? 'secureConnect' : 'connect', () => (sent = true))
    } else sent = true
  })
  request.once('response', (response) => resolve({ ok: true, response }))
  request.on('error', (error: NodeJS.ErrnoException) => {
    const why = signal.aborted
      ? 'cancelled'
      : error instanceof Forbidden
        ? error.message
        : (error.code ?? 'the connection failed')
    resolve({ ok: false, sent, why })
  })
  request.end(body)
  return await promise
}

/** A name that leads where no request may go. */
class Forbidden extends Error {}

/** Resolves a name, and fails if any of its addresses is refused: one good address excuses no bad one. */
function guardedLookup(url: URL, own: Own): LookupFunction {
  return (hostname, options, done) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, [])
      for (const { address } of addresses) {
        const why = refusedAddress(address, url, own)
        if (why !== undefined) return done(new Forbidden(why), [])
      }
      const first: LookupAddress | undefined = addresses[0]
      if (options.all === true) return done(null, addresses)
      if (first === undefined) return done(new Forbidden('expected an address'), [])
      return done(null, first.address, first.family)
    })
  }
}

function refusedAddress(address: string, url: URL, own: Own): string | undefined {
  const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port)
  const forbidden = forbiddenAddress(address, port, own)
  if (forbidden !== undefined) return forbidden
  const plain = url.protocol === 'http:' && !LOOPBACK.check(address, familyOf(address))
  return plain ? 'expected https off loopback' : undefined
}

/** Why nobody of ours, nor what we start, may connect to an address at a port. */
export function forbiddenAddress(address: string, port: number, own: Own): string | undefined {
  const family = familyOf(address)
  if (NEVER.check(address, family))
    return 'expected no link-local, multicast or unspecified address'
  if (ownPorts(own).has(port) && (LOOPBACK.check(address, family) || isOurs(address))) {
    return 'our own origin can never be an upstream'
  }
  return undefined
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

function ownPorts(own: Own): ReadonlySet<number> {
  const issuer = new URL(own.issuer)
  const literal = issuer.hostname.replace(/^\[|\]$/g, '')
  const local =
    literal === 'localhost' ||
    (isIP(literal) !== 0 && LOOPBACK.check(literal, isIP(literal) === 6 ? 'ipv6' : 'ipv4'))
  const port = Number(issuer.port === '' ? (issuer.protocol === 'https:' ? 443 : 80) : issuer.port)
  return new Set([...(own.ports ?? []), ...(local ? [port] : [])])
}

function isOurs(address: string): boolean {
  return Object.values(networkInterfaces()).some((all) =>
    all?.some((one) => one.address === address),
  )
}

function blockList(subnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix, family] of subnets) list.addSubnet(network, prefix, family)
  return list
}
