/**
 * Cedar's extension types: `decimal`, `datetime`, `duration`.
 *
 * `ip` is not here: no fact is an address, so a set that uses it is refused when it is loaded.
 *
 * @see https://docs.cedarpolicy.com/policies/syntax-operators.html
 */

import { long, typeError, within64Bits } from './evaluation-error.ts'
import { Extension, type Value } from './value.ts'

const MILLISECONDS_OF = { d: 86_400_000n, h: 3_600_000n, m: 60_000n, s: 1_000n, ms: 1n }
const DAY = MILLISECONDS_OF.d

/** Constructors, by name; they answer `undefined` to a text that is none. */
export const CONSTRUCTORS: Readonly<Record<string, (text: string) => Extension | undefined>> = {
  decimal: parseDecimal,
  datetime: parseDatetime,
  duration: parseDuration,
}

/** A decimal of at most four digits after the point, within 64 bits. */
export function parseDecimal(text: string): Extension | undefined {
  const [, sign, whole, fraction] = /^(-?)([0-9]+)\.([0-9]{1,4})$/.exec(text) ?? []
  if (whole === undefined || fraction === undefined || whole.length > 20) return undefined
  const magnitude = BigInt(whole) * 10_000n + BigInt(fraction.padEnd(4, '0'))
  return extension('decimal', sign === '-' ? -magnitude : magnitude)
}

const DATETIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{3}))?(?:Z|([+-])(\d{2})(\d{2})))?$/

/** `YYYY-MM-DD`, optionally with `Thh:mm:ss[.SSS]` and `Z` or `±hhmm`. */
function parseDatetime(text: string): Extension | undefined {
  const [all, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] =
    DATETIME.exec(text) ?? []
  if (all === undefined) return undefined
  const [y, mo, d] = [Number(year), Number(month), Number(day)]
  const [h, mi, s] = [Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0)]
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 59) {
    return undefined
  }
  const [oh, om] = [Number(offsetHour ?? 0), Number(offsetMinute ?? 0)]
  if (oh > 23 || om > 59) return undefined
  const offset = (BigInt(oh) * 60n + BigInt(om)) * MILLISECONDS_OF.m
  const local =
    BigInt(daysSinceEpoch(y, mo, d)) * DAY +
    BigInt((h * 60 + mi) * 60 + s) * 1_000n +
    BigInt(fraction ?? 0)
  return extension('datetime', sign === '-' ? local + offset : local - offset)
}

/** `1d2h3m4s5ms`: each unit at most once, in this order, at least one. */
function parseDuration(text: string): Extension | undefined {
  const [all, sign, ...amounts] =
    /^(-?)(?:(\d{1,20})d)?(?:(\d{1,20})h)?(?:(\d{1,20})m)?(?:(\d{1,20})s)?(?:(\d{1,20})ms)?$/.exec(
      text,
    ) ?? []
  if (all === undefined || amounts.every((amount) => amount === undefined)) return undefined
  const units = Object.values(MILLISECONDS_OF)
  const total = amounts.reduce((sum, amount, i) => sum + BigInt(amount ?? 0) * (units[i] ?? 0n), 0n)
  return extension('duration', sign === '-' ? -total : total)
}

/** Methods, by name; the receiver is the first argument. Wrong types and overflow are evaluation errors. */
export const METHODS: Readonly<
  Record<string, { readonly arity: 1 | 2; readonly apply: (a: Value, b: Value) => Value }>
> = {
  lessThan: two((a, b) => decimal(a) < decimal(b)),
  lessThanOrEqual: two((a, b) => decimal(a) <= decimal(b)),
  greaterThan: two((a, b) => decimal(a) > decimal(b)),
  greaterThanOrEqual: two((a, b) => decimal(a) >= decimal(b)),
  offset: two((a, b) => made('datetime', amountOf('datetime', a) + amountOf('duration', b))),
  durationSince: two((a, b) => made('duration', amountOf('datetime', a) - amountOf('datetime', b))),
  toDate: one((a) => made('datetime', floorToDay(amountOf('datetime', a)))),
  toTime: one((a) => {
    const instant = amountOf('datetime', a)
    return made('duration', instant - floorToDay(instant))
  }),
  toMilliseconds: one((a) => amountOf('duration', a)),
  toSeconds: one((a) => amountOf('duration', a) / MILLISECONDS_OF.s),
  toMinutes: one((a) => amountOf('duration', a) / MILLISECONDS_OF.m),
  toHours: one((a) => amountOf('duration', a) / MILLISECONDS_OF.h),
  toDays: one((a) => amountOf('duration', a) / DAY),
}

function one(apply: (a: Value) => Value): (typeof METHODS)[string] {
  return { arity: 1, apply }
}

function two(apply: (a: Value, b: Value) => Value): (typeof METHODS)[string] {
  return { arity: 2, apply }
}

/** The amount behind a value of one extension type. */
export function amountOf(type: Extension['type'], value: Value): bigint {
  if (value instanceof Extension && value.type === type) return value.amount
  throw typeError
}

function decimal(value: Value): bigint {
  return amountOf('decimal', value)
}

function made(type: Extension['type'], amount: bigint): Extension {
  return new Extension(type, long(amount))
}

function extension(type: Extension['type'], amount: bigint): Extension | undefined {
  return within64Bits(amount) ? new Extension(type, amount) : undefined
}

function floorToDay(instant: bigint): bigint {
  const rest = instant % DAY
  return long(instant - (rest < 0n ? rest + DAY : rest))
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
