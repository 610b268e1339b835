/**
 * Where a program may connect to: the rules, and the check of one attempt. Call `destinationsOf`, then
 * `reached` for each attempt.
 *
 * INVARIANT (pinned address): the address that was checked is the one that is connected to. A name is looked
 * up by us, once per attempt; every address that it has must be allowed, so that a name of which one answer
 * is public and another is not (DNS rebinding) is refused whole.
 */

import { lookup } from 'node:dns/promises'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { ok, refuse, type Result } from '../base/result.ts'

/** One place that a program may reach. */
export interface Destination {
  /** A name, `*.` and a name (everything below it), or an address. */
  readonly host: string
  /** 443 by default. */
  readonly ports?: readonly number[]
  /** Addresses that are not public and that the name may have all the same. An address as `host` is named by that. */
  readonly addresses?: readonly string[]
  /**
   * We speak TLS ourselves: the program asks for `http://host/…`, we ask `https://host/…`. Only so are Host
   * and path what they seem, and only so can headers be added that the program never sees.
   */
  readonly originate?: {
    /** Set on every request, in place of the program's own of that name. */
    readonly headers?: Readonly<Record<string, string>>
    /** PEM, instead of the well-known authorities. */
    readonly certificateAuthority?: string
  }
}

/** A rule that could not be meant. */
export interface EgressRefusal {
  readonly reason: 'egress_refused'
  readonly message: string
}

/** An attempt that is allowed: the address to connect to, and the rule that allows it. */
export interface Reached {
  readonly address: string
  readonly rule: Destination
}

/** The addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>

/** How names are looked up, and where no rule may lead, whatever it says. */
export interface Way {
  /** The system's resolver by default. */
  readonly resolve?: Resolve
  /** Why an address may not be reached at a port; undefined if nothing speaks against it. */
  readonly forbidden?: (address: string, port: number) => string | undefined
}

/** The system's resolver keeps a thread while it waits, and our process has few: a slow name holds up two. */
const systemResolve = atMost(2, async (host) => {
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address }) => address)
})

/** `resolve`, for so many names at a time; the others wait their turn. */
export function atMost(count: number, resolve: Resolve): Resolve {
  const waiting: (() => void)[] = []
  let free = count
  return async (host) => {
    if (free > 0) free--
    else await new Promise<void>((turn) => waiting.push(turn))
    try {
      return await resolve(host)
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}

const NAME =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const DEFAULT_PORTS = [443]
const MAX_RULES = 200

// Not public (RFC 6890 and the registries that follow it). Of IPv6 only what is global unicast is public.
const SPECIAL = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(network, bits, 'ipv4')
}
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(network, bits, 'ipv6')
}
const GLOBAL = new BlockList()
GLOBAL.addSubnet('2000::', 3, 'ipv6')

/** Whether an address is one of the public Internet. */
export function isPublic(address: string): boolean {
  return isIP(address) === 4
    ? !SPECIAL.check(address, 'ipv4')
    : GLOBAL.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6')
}

/** The rules, or the first that could not be meant. */
export function destinationsOf(
  rules: readonly Destination[],
): Result<readonly Destination[], EgressRefusal> {
  if (rules.length > MAX_RULES) return refused(`expected at most ${MAX_RULES} destinations`)
  for (const rule of rules) {
    const fault = faultOf(rule)
    if (fault !== undefined) return refused(`\`${rule.host.slice(0, 300)}\`: ${fault}`)
  }
  return ok(rules)
}

/** The checked address for one attempt, or why there is none. */
export async function reached(
  attempt: { readonly host: string; readonly port: number },
  rules: readonly Destination[],
  { resolve = systemResolve, forbidden }: Way,
): Promise<Result<Reached, { reason: string }>> {
  const host = attempt.host.toLowerCase()
  // Before any name is looked up: a lookup is a message too.
  const rule = rules.find((each) => allows(each, host, attempt.port))
  if (rule === undefined) return refuse({ reason: 'not on the list' })
  const addresses = isIP(host) === 0 ? await resolve(host).catch(() => []) : [host]
  const [first] = addresses
  if (first === undefined) return refuse({ reason: 'no address' })
  const named = [...(rule.addresses ?? []), ...(isIP(rule.host) === 0 ? [] : [rule.host])]
  const odd = addresses.find(
    (each) => isIP(each) === 0 || !(isPublic(each) || named.includes(each)),
  )
  if (odd !== undefined) return refuse({ reason: 'no public address' })
  const why = addresses.map((each) => forbidden?.(each, attempt.port)).find((each) => each)
  return why === undefined ? ok({ address: first, rule }) : refuse({ reason: why })
}

function allows(rule: Destination, host: string, port: number): boolean {
  if (!(rule.ports ?? DEFAULT_PORTS).includes(port)) return false
  return rule.host.startsWith('*.')
    ? host.endsWith(rule.host.slice(1)) && host.length > rule.host.length - 1 && NAME.test(host)
    : host === rule.host
}

function faultOf({ host, ports, addresses, originate }: Destination): string | undefined {
  if (host.length > 253 || (isIP(host) === 0 && !NAME.test(host))) {
    return 'expected a name in lower case, `*.` and a name, or an address'
  }
  if (ports?.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535) === true) {
    return 'expected ports from 1 to 65535'
  }
  if (addresses?.some((address) => isIP(address) === 0) === true) return 'expected plain addresses'
  if (originate === undefined) return undefined
  // What is injected goes to one name, not to whoever has a name below it.
  if (host.startsWith('*.')) return 'expected one name where we speak TLS'
  for (const [name, value] of Object.entries(originate.headers ?? {})) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      return 'expected headers that can be written'
    }
    if (FRAMING.has(name.toLowerCase())) return `\`${name}\` is not a header to set`
  }
  return undefined
}

const FRAMING = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade'])

function refused(message: string): Result<never, EgressRefusal> {
  return refuse({ reason: 'egress_refused', message })
}
