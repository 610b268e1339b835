/** How the story names things: who, when, what was said, in words that cannot be forged by content. */

import * as z from 'zod'
import type { Accountable, Actor, Entry, Sealed, Subject, Verdict } from './entry.ts'

/** Names of subjects, where they are known. */
export type Names = ReadonlyMap<Subject, string>

/** Values from beside the log by digest; one that is missing was erased. */
export type Opened = ReadonlyMap<string, unknown>

const SHOWN_LENGTH = 400

/** The names that stand in the entries themselves, and those that are `known`. */
export function namesIn(entries: readonly Entry[], known: Names = new Map()): Names {
  const names = new Map<Subject, string>()
  for (const entry of entries) {
    if ('accountable' in entry && entry.accountable !== undefined) {
      names.set(entry.accountable.person, entry.accountable.name)
    }
    if ('serverName' in entry && entry.server !== undefined && entry.serverName !== undefined) {
      names.set(entry.server, entry.serverName)
    }
    if (entry.kind === 'group_created') names.set(entry.group, entry.name)
    if (entry.kind === 'server_registered') names.set(entry.server, entry.name)
  }
  for (const [subject, name] of known) names.set(subject, name)
  return names
}

/** The name of a subject, or its identifier. */
export function named(subject: Subject, names: Names): string {
  const name = names.get(subject)
  if (name !== undefined) return printable(name)
  return printable(subject.startsWith('agt_') ? `agent ${subject}` : subject)
}

/** Who did something. */
export function who(actor: Actor, names: Names): string {
  if (actor.type === 'system') return printable(actor.part)
  return named(actor.type === 'person' ? actor.person : actor.agent, names)
}

/** How the presence of the person was proven. */
export function presenceOf(actor: Actor): string {
  return actor.type === 'person' ? PRESENCE[actor.presence] : 'no person was present'
}

const PRESENCE: Readonly<Record<Extract<Actor, { type: 'person' }>['presence'], string>> = {
  none: 'presence not proven',
  session: 'presence proven by a signed-in session',
  passkey: 'presence proven by passkey',
}

/** Who answers, and in which role: `Paul, on rotation`. */
export function answerable(accountable: Accountable): string {
  const { name, path } = accountable
  // The path ends in the person; what led there says why it is they.
  const via = path.findLast((step) => step.via !== 'person')?.via
  return `${printable(name)}, ${(via && ROLES[via]) ?? 'as owner'}`
}

const ROLES: Readonly<Partial<Record<Accountable['path'][number]['via'], string>>> = {
  rotation: 'on rotation',
  manager: 'as the manager next in line',
}

/** What each constraint said, in the order in which it was asked. */
export function said(verdicts: readonly Verdict[], names: Names): string {
  if (verdicts.length === 0) return 'no constraint was asked'
  return verdicts
    .map((v) => {
      const by = v.policies.length > 0 ? ` by ${v.policies.map(printable).join(', ')}` : ''
      const why = v.reason === undefined ? '' : ` (${printable(v.reason)})`
      return `${v.constraint} (${named(v.subject, names)}): ${v.effect.replaceAll('_', ' ')}${by}${why}`
    })
    .join('; ')
}

/** A sealed value as text, cut where it gets long; says so if it was erased. */
export function quoted(sealed: Sealed | undefined, opened: Opened): string {
  if (sealed === undefined) return ''
  if (!opened.has(sealed.sealed)) return '[erased]'
  const value = opened.get(sealed.sealed)
  const text = typeof value === 'string' ? `“${value}”` : JSON.stringify(value)
  const cut = text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`
  return printable(cut)
}

const detailSchema = z.looseObject({
  locations: z.array(z.string()).optional(),
  actions: z.array(z.string()),
  arguments: z.record(z.string(), z.record(z.string(), z.json())).optional(),
  stages: z.array(z.string()).optional(),
  limits: z.record(z.string(), z.json()).optional(),
  approval: z.looseObject({ by: z.string() }).optional(),
})

/** What each detail of an intent (RFC 9396) allows, a sentence each; undefined if it is not readable. */
export function allowances(
  details: Sealed,
  opened: Opened,
  names: Names,
): readonly string[] | undefined {
  const parsed = z.array(detailSchema).safeParse(opened.get(details.sealed))
  return parsed.data?.map((detail) => {
    const words = [
      detail.actions.join(', '),
      ...(detail.locations === undefined ? [] : [`at ${detail.locations.join(', ')}`]),
      ...Object.entries(detail.arguments ?? {}).map(
        ([tool, predicates]) => `where ${tool} has ${JSON.stringify(predicates)}`,
      ),
      ...(detail.stages === undefined ? [] : [`in stage ${detail.stages.join(' or ')}`]),
      ...(detail.limits === undefined ? [] : [`within ${JSON.stringify(detail.limits)}`]),
      ...(detail.approval === undefined
        ? []
        : [`only with approval by ${named(detail.approval.by, names)}`]),
    ]
    return printable(words.join(' '))
  })
}

/** An instant given in milliseconds since the Unix epoch; the number itself if no calendar has it. */
export function instant(milliseconds: number): string {
  if (Math.abs(milliseconds) > LAST_INSTANT) return String(milliseconds)
  const at = Temporal.Instant.fromEpochMilliseconds(milliseconds)
  return at.toString({ smallestUnit: 'second' })
}

const LAST_INSTANT = 8.64e15

/** Text without control, formatting or bidirectional characters, which could rewrite what is read. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
    )
}
