/**
 * One spelling for what a call reaches: paths, URIs, hosts, addresses, accounts, amounts.
 *
 * Call `checkSinks` with a tool's declared sinks. A value that a server could take for something other
 * than what it says is refused and never repaired: a rule about `/clients/1042` means nothing if
 * `/clients/1042/../2077`, `/clients//1042` or a look-alike slash arrives at the same file.
 */

import { domainToASCII, domainToUnicode } from 'node:url'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { isObject } from './message.ts'

/** What a sink holds; each kind has one canonical spelling. */
export type SinkKind = 'path' | 'email' | 'url' | 'account' | 'amount' | 'id' | 'name'

/** A place in a tool's arguments that says what the call reaches. */
export interface Sink {
  /** Members joined by `.`, `[]` for every item, `{}` at the end for the names there: `edits[].path`, `shares{}`. */
  readonly path: string
  readonly kind: SinkKind
}

/** A value that has more than one reading. `at` is the place in the arguments. */
export interface Ambiguous {
  readonly reason: 'argument_ambiguous'
  readonly at: string
  readonly message: string
}

/**
 * Checks every value that stands at a sink; a list at its end counts as its elements, `null` as absent.
 * Arguments of another shape than the sink's path are refused: what they reach was not reviewed.
 */
export function checkSinks(args: JsonObject, sinks: readonly Sink[]): Result<undefined, Ambiguous> {
  for (const { path, kind } of sinks) {
    const fault = sinkFault(args, '', path.split('.'), CHECKS[kind])
    if (fault !== undefined) {
      const { at, expected } = fault
      return refuse({ reason: 'argument_ambiguous', at, message: `expected ${expected}` })
    }
  }
  return ok()
}

interface Fault {
  readonly at: string
  readonly expected: string
}

function sinkFault(
  value: Json | undefined,
  at: string,
  steps: readonly string[],
  check: (value: Json) => string | undefined,
): Fault | undefined {
  if (value === undefined || value === null) return undefined
  const [step, ...rest] = steps
  if (step === undefined) {
    if (Array.isArray(value))
      return firstFault(value, at, (item, i) => sinkFault(item, i, [], check))
    const expected = check(value)
    return expected === undefined ? undefined : { at, expected }
  }
  if (!isObject(value)) return { at, expected: 'an object' }
  const name = step.replace(/\[\]$|\{\}$/, '')
  const place = at === '' ? name : `${at}.${name}`
  const member = Object.hasOwn(value, name) ? value[name] : undefined
  if (name === step) return sinkFault(member, place, rest, check)
  if (member === undefined || member === null) return undefined
  if (step.endsWith('{}')) return firstMisnamed(member, place, check)
  if (!Array.isArray(member)) return { at: place, expected: 'a list' }
  return firstFault(member, place, (item, i) => sinkFault(item, i, rest, check))
}

/** The names of an object's members, where they are what the call reaches. */
function firstMisnamed(
  value: Json,
  at: string,
  check: (value: Json) => string | undefined,
): Fault | undefined {
  if (!isObject(value)) return { at, expected: 'an object' }
  for (const name of Object.keys(value)) {
    const expected = check(name)
    if (expected !== undefined) return { at: `${at}{}`, expected: `names that are ${expected}` }
  }
  return undefined
}

function firstFault(
  list: readonly Json[],
  at: string,
  faultOf: (item: Json, at: string) => Fault | undefined,
): Fault | undefined {
  for (const [i, item] of list.entries()) {
    const fault = faultOf(item, `${at}[${i}]`)
    if (fault !== undefined) return fault
  }
  return undefined
}

const SINK_PATH = /^[^.[\]\p{Cc}]{1,128}(?:\[\])?(?:\.[^.[\]\p{Cc}]{1,128}(?:\[\])?){0,15}$/u

/** Whether `path` is written as a sink's path must be. */
export function isSinkPath(path: string): boolean {
  // Names end a path: what stands under a name that callers choose has no place of its own.
  const named = path.indexOf('{}')
  const sound = named === -1 || (named > 0 && named === path.length - 2)
  return path.length <= 300 && sound && SINK_PATH.test(path) && !path.includes('__proto__')
}

/** For each kind: what was expected, or undefined when the value is canonical. */
const CHECKS: Readonly<Record<SinkKind, (value: Json) => string | undefined>> = {
  path: (value) => textual(value, pathFault),
  email: (value) => textual(value, emailFault),
  url: (value) => textual(value, uriFault),
  account: (value) => textual(value, accountFault),
  id: (value) => (Number.isSafeInteger(value) ? undefined : textual(value, idFault)),
  amount: amountFault,
  name: (value) => textual(value, nameFault),
}

/** Checks one value on its own; for callers that hold it without arguments around it. */
export function isCanonical(kind: SinkKind, value: Json): boolean {
  return CHECKS[kind](value) === undefined
}

function textual(value: Json, fault: (text: string) => string | undefined): string | undefined {
  return typeof value === 'string' ? fault(value) : 'a text'
}

/** Control, format (bidirectional overrides, zero width), separator, unassigned and other unseen characters. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u
/** Scripts whose letters pass for Latin ones, or for each other's. */
const ALIKE = ['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Cherokee', 'Coptic', 'Lisu'].map(
  (script) => new RegExp(`\\p{Script=${script}}`, 'u'),
)

/**
 * Text that is not in NFC, a character that other software may fold to one inside ASCII, or a word in
 * letters of two scripts that look alike. A word that is wholly in another script cannot be told.
 */
function lookAlike(text: string): boolean {
  if (/^[ -~]*$/.test(text)) return false
  if (text.normalize('NFC') !== text) return true
  for (const character of text) {
    if (character > '\x7f' && /[ -~]/.test(character.normalize('NFKC'))) return true
  }
  if (/[\u2044\u2215\u29f8\u2216\u29f5]/.test(text)) return true
  const words = text.match(/[\p{L}\p{M}]+/gu) ?? []
  return words.some((word) => ALIKE.filter((script) => script.test(word)).length > 1)
}

/** `.` or `..` as a reader sees it who drops what comes after a `;` or expands braces. */
const DOT_SEGMENT = /(?:^|[^\p{L}\p{N}_.])\.\.(?:$|[^\p{L}\p{N}_.])|^\.;/u

/** A path, absolute or relative, with `/` between its segments and only one way to write it. */
function pathFault(text: string): string | undefined {
  if (text.length === 0 || new TextEncoder().encode(text).length > 4_096) {
    return 'a path of 1 to 4096 bytes'
  }
  if (INVISIBLE.test(text)) return 'a path of visible characters'
  if (lookAlike(text)) return 'a path in normal form without look-alikes'
  if (text.includes('\\')) return 'a path without `\\`'
  // Servers differ in whether they decode it.
  if (/%[0-9a-fA-F]{2}/.test(text)) return 'a path without percent-encoding'
  // Expanded to somebody's home, a drive, a stream, a variable.
  if (text.startsWith('~') || text.includes(':') || text.includes('$')) {
    return 'a path without `~`, `:` and `$`'
  }
  if (text === '/') return undefined
  for (const segment of text.slice(text.startsWith('/') ? 1 : 0).split('/')) {
    if (segment === '' || segment === '.' || segment === '..') {
      return 'a path without empty, `.` and `..` segments'
    }
    if (DOT_SEGMENT.test(segment)) return 'segments that nobody can take for `..`'
    // Windows drops them.
    if (/[. ]$/.test(segment) || segment.startsWith(' ')) {
      return 'segments that neither start nor end in a space nor end in a dot'
    }
    if (new TextEncoder().encode(segment).length > 255) return 'segments of at most 255 bytes'
  }
  return undefined
}

/** A host name or address as WHATWG URL writes it: lower case, ASCII, no trailing dot, no odd numbers. */
function hostFault(host: string): string | undefined {
  const address = host.startsWith('[')
  if (
    !address &&
    !/^(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/.test(host)
  ) {
    return 'a host name in lower-case ASCII without a trailing dot'
  }
  const url = URL.parse(`http://${host}/`)
  // RFC 4291 §2.5.5: an IPv4 address in IPv6 clothes is another spelling of it.
  if (/^\[::(?:ffff:)?[0-9a-f]+:[0-9a-f]+\]$/.test(host)) return 'an IPv4 address as one'
  // RFC 5891 §4.2: a label in punycode says something that needs it, and says it back.
  if (/(?:^|\.)xn--/.test(host) && !isInternational(host)) return 'punycode that stands for a name'
  // `127.1`, `0x7f.1` and `2130706433` are other spellings of one address.
  return url?.host === host ? undefined : 'a host in its usual spelling'
}

function isInternational(host: string): boolean {
  const unicode = domainToUnicode(host)
  const labels = unicode.split('.')
  return (
    domainToASCII(unicode) === host &&
    host.split('.').every((label, i) => !label.startsWith('xn--') || /[^ -~]/.test(labels[i] ?? ''))
  )
}

/** A URI that is its own normal form (RFC 3986 §6.2.2) and names no user. */
function uriFault(text: string): string | undefined {
  if (text.length > 4_096 || !/^[!-~]+$/.test(text))
    return 'a URI of at most 4096 visible ASCII characters'
  const url = URL.parse(text)
  if (url === null || url.href !== text) return 'a URI in normal form'
  // RFC 3986 §3.2.1: what stands before `@` passes for a host to the eye.
  if (url.username !== '' || url.password !== '' || /^[a-z0-9+.-]+:\/\/[^/?#]*@/.test(text)) {
    return 'a URI without user information'
  }
  if (/[\\^`{|}"<>]/.test(text)) return 'a URI of URI characters'
  for (const [encoded] of text.matchAll(/%.{0,2}/g)) {
    // RFC 3986 §2.1, §6.2.2.2: upper-case digits, nothing encoded that need not be.
    if (!/^%[0-9A-F]{2}$/.test(encoded)) return 'percent-encoding in upper case'
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    if (/[A-Za-z0-9\-._~\0]/.test(character)) return 'nothing encoded that need not be'
  }
  const encodedFault = encodingFault(url)
  if (encodedFault !== undefined) return encodedFault
  const web = ['http:', 'https:', 'ws:', 'wss:', 'ftp:'].includes(url.protocol)
  if (web) {
    const fault = hostFault(url.hostname)
    if (fault !== undefined) return fault
  }
  const path = url.pathname.replace(/\/$/, '').replace(/^\//, '')
  const hierarchical = web || text.startsWith(`${url.protocol}//`)
  if (
    hierarchical &&
    path !== '' &&
    path.split('/').some((s) => s === '' || /^\.\.?(?:;|%3B|$)/.test(s))
  ) {
    return 'a URI without empty, `.` and `..` segments'
  }
  if (url.protocol === 'file:') {
    let decoded: string
    try {
      decoded = decodeURIComponent(url.pathname)
    } catch {
      return 'a file path in UTF-8'
    }
    return url.host === '' ? pathFault(decoded) : 'a file URI without a host'
  }
  return undefined
}

/** Percent-encoding that is read in two ways: decoded once or twice, as UTF-8 or not, seen or unseen. */
function encodingFault({ protocol, pathname, search }: URL): string | undefined {
  if (/%(?:2F|5C)/.test(pathname)) return 'no encoded `/` or `\\` in a path'
  if (/%25[0-9a-fA-F]{2}/.test(pathname)) return 'nothing encoded twice in a path'
  // Where there is no query to carry text in lines, a line break begins something else.
  const oneLine = /^https?:$/.test(protocol) ? pathname : `${pathname}${search}`
  if (/%(?:[01][0-9A-F]|7F)/.test(oneLine)) return 'no encoded control characters'
  if (!pathname.includes('%')) return undefined
  let decoded: string
  try {
    decoded = decodeURIComponent(pathname)
  } catch {
    return 'a path in UTF-8'
  }
  return INVISIBLE.test(decoded) || lookAlike(decoded) ? 'a path without look-alikes' : undefined
}

/** One mailbox, bare and in lower case (RFC 5321 §4.1.2 dot-string), nothing that routes further. */
function emailFault(text: string): string | undefined {
  const [, local, domain] =
    /^([a-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[a-z0-9#$&'*+/=?^_`{|}~-]+)*)@([^@]+)$/.exec(
      text.length <= 254 ? text : '',
    ) ?? []
  if (local === undefined || domain === undefined || local.length > 64) {
    return 'one address in lower-case ASCII'
  }
  if (!domain.includes('.') || /^[\d.]+$/.test(domain)) return 'an address at a domain name'
  return hostFault(domain)
}

/** An account number without the spaces and signs that people put in. */
function accountFault(text: string): string | undefined {
  return /^[A-Z0-9]{2,64}$/.test(text) ? undefined : 'an account of upper-case letters and digits'
}

function idFault(text: string): string | undefined {
  if (!/^[!-~]{1,256}$/.test(text)) return 'an id of 1 to 256 visible ASCII characters'
  // Servers put ids into paths, and some decode them first.
  const steers = /%[0-9a-fA-F]{2}/.test(text) || text.includes('\\')
  return steers || text.split('/').some((part) => DOT_SEGMENT.test(part) || part === '.')
    ? 'an id that does not steer a path'
    : undefined
}

/** What a person, a place or a channel is called: one line of visible text without look-alikes. */
function nameFault(text: string): string | undefined {
  if (text.length === 0 || text.length > 256) return 'a name of 1 to 256 characters'
  if (INVISIBLE.test(text) || text !== text.trim()) return 'a name of visible characters'
  return lookAlike(text) ? 'a name in normal form without look-alikes' : undefined
}

/** An amount that can be summed exactly: not negative, at most four decimals, below 10^11. */
function amountFault(value: Json): string | undefined {
  const expected = 'an amount from 0 to 10^11 with at most four decimals'
  if (typeof value === 'string') {
    return /^(?:0|[1-9]\d{0,10})(?:\.\d{1,4})?$/.test(value) ? undefined : expected
  }
  if (typeof value !== 'number' || !(value >= 0) || value >= 1e11 || Object.is(value, -0)) {
    return expected
  }
  return Math.round(value * 10_000) / 10_000 === value ? undefined : expected
}
