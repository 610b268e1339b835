/**
 * Whose turn it is: pure arithmetic over calendars. Call `parseRotation` once, then `rotationAt`.
 *
 * Turns of days, weeks or months keep the clock on the wall: a weekly turn that starts on a Monday at
 * nine starts at nine local time also after the clocks change, so some turns are an hour shorter or
 * longer. Turns of hours keep their length.
 *
 * @see RFC 9557 date and time with a zone; ISO 8601-1 durations
 */

import { ok, refuse, type Result } from '../base/result.ts'
import type { PersonId } from '../people/person.ts'

/** Who takes turns, from when, in which zone, for how long each. */
export interface RotationTerms {
  /** In the order of their turns; the same person may have several. */
  readonly members: readonly PersonId[]
  /**
   * When the first member's turn starts: local time (`2026-01-05T09:00`), or an instant with offset or
   * zone. Turns go on in both directions, so somebody's turn it always is.
   */
  readonly start: string
  /** IANA name, as `Europe/Berlin`. */
  readonly timeZone: string
  /** Length of a turn as ISO 8601 duration of one unit: `PT12H`, `P1D`, `P2W`, `P1M`. */
  readonly shift: string
}

/** Terms that make sense. `start` carries its zone. */
export interface Rotation {
  readonly members: readonly PersonId[]
  readonly start: Temporal.ZonedDateTime
  readonly shift: { readonly unit: ShiftUnit; readonly amount: number }
}

type ShiftUnit = 'hours' | 'days' | 'weeks' | 'months'

/** One turn: from `since` until just before `until`. */
export interface Turn {
  /** Position in `members`. */
  readonly index: number
  readonly member: PersonId
  readonly since: Temporal.ZonedDateTime
  readonly until: Temporal.ZonedDateTime
}

/** Why terms make no sense. */
export interface RotationRefusal {
  readonly reason: 'bad_members' | 'bad_time_zone' | 'bad_start' | 'bad_shift'
}

const MOST_MEMBERS = 200
const LONGEST_SHIFT = { hours: 8_760, days: 366, weeks: 52, months: 12 } as const

/** The rotation that `terms` describe. */
export function parseRotation(terms: RotationTerms): Result<Rotation, RotationRefusal> {
  const { members } = terms
  if (members.length === 0 || members.length > MOST_MEMBERS)
    return refuse({ reason: 'bad_members' })
  const timeZone = parseTimeZone(terms.timeZone)
  if (timeZone === undefined) return refuse({ reason: 'bad_time_zone' })
  const start = parseStart(terms.start, timeZone)
  if (start === undefined) return refuse({ reason: 'bad_start' })
  const shift = parseShift(terms.shift)
  if (shift === undefined) return refuse({ reason: 'bad_shift' })
  return ok({ members, start, shift })
}

/** The terms in their one spelling, for the record and for the store. */
export function termsOf({ members, start, shift }: Rotation): RotationTerms {
  const { unit, amount } = shift
  return {
    members,
    start: start.toString(),
    timeZone: start.timeZoneId,
    shift: Temporal.Duration.from({ [unit]: amount }).toString(),
  }
}

/** The turn at `instant`. Total: every instant belongs to exactly one turn. */
export function rotationAt(rotation: Rotation, instant: Temporal.Instant): Turn {
  const { members, start, shift } = rotation
  const local = instant.toZonedDateTimeISO(start.timeZoneId)
  let turn = Math.floor(start.until(local, { largestUnit: shift.unit })[shift.unit] / shift.amount)
  // The difference is in whole units, cut towards zero: the turn is this one or a neighbour.
  while (isAfter(startOfTurn(rotation, turn), local)) turn--
  while (!isAfter(startOfTurn(rotation, turn + 1), local)) turn++
  const index = ((turn % members.length) + members.length) % members.length
  return {
    index,
    member: members[index] as PersonId,
    since: startOfTurn(rotation, turn),
    until: startOfTurn(rotation, turn + 1),
  }
}

/** From the first start each time: repeated addition would drift at short months and clock changes. */
function startOfTurn({ start, shift }: Rotation, turn: number): Temporal.ZonedDateTime {
  return start.add({ [shift.unit]: shift.amount * turn })
}

function isAfter(a: Temporal.ZonedDateTime, b: Temporal.ZonedDateTime): boolean {
  return Temporal.ZonedDateTime.compare(a, b) > 0
}

/** Names only: an offset such as `+01:00` knows nothing of summer. */
function parseTimeZone(text: string): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,60}$/.test(text)) return undefined
  try {
    return new Temporal.ZonedDateTime(0n, text).timeZoneId
  } catch {
    return undefined
  }
}

const LOCAL = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?$/

function parseStart(text: string, timeZone: string): Temporal.ZonedDateTime | undefined {
  try {
    if (LOCAL.test(text)) return Temporal.PlainDateTime.from(text).toZonedDateTime(timeZone)
    if (!text.includes('[')) return Temporal.Instant.from(text).toZonedDateTimeISO(timeZone)
    const zoned = Temporal.ZonedDateTime.from(text)
    return zoned.calendarId === 'iso8601' && zoned.timeZoneId === timeZone ? zoned : undefined
  } catch {
    return undefined
  }
}

const SHIFT = /^P(?:(\d{1,4})([DWM])|T(\d{1,4})(H))$/
const UNITS = { D: 'days', W: 'weeks', M: 'months', H: 'hours' } as const

function parseShift(text: string): Rotation['shift'] | undefined {
  const parts = SHIFT.exec(text)
  const amount = Number(parts?.[1] ?? parts?.[3])
  const unit = UNITS[(parts?.[2] ?? parts?.[4]) as keyof typeof UNITS]
  return amount >= 1 && amount <= LONGEST_SHIFT[unit] ? { unit, amount } : undefined
}
