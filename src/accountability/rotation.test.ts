import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { must } from '../base/result.ts'
import type { PersonId } from '../people/person.ts'
import {
  parseRotation,
  rotationAt,
  type Rotation,
  type RotationTerms,
  termsOf,
} from './rotation.ts'

const PEOPLE: PersonId[] = ['per_a', 'per_b', 'per_c']

function terms(change: Partial<RotationTerms> = {}): RotationTerms {
  return {
    members: PEOPLE,
    start: '2026-01-05T09:00',
    timeZone: 'Europe/Berlin',
    shift: 'P1W',
    ...change,
  }
}

function rotation(change: Partial<RotationTerms> = {}): Rotation {
  return must(parseRotation(terms(change)))
}

function turnAt(change: Partial<RotationTerms>, instant: string): string {
  const { member, since, until } = rotationAt(rotation(change), Temporal.Instant.from(instant))
  return `${member} ${local(since)} ${local(until)}`
}

function local(time: Temporal.ZonedDateTime): string {
  return time.toString({ timeZoneName: 'never', smallestUnit: 'minute' })
}

// In Berlin clocks go forward on 2026-03-29 from 02:00 to 03:00, and back on 2026-10-25 from 03:00 to 02:00.
const NIGHT = { start: '2026-03-27T02:30', shift: 'P1D' }
const AUTUMN_NIGHT = { start: '2026-10-23T02:30', shift: 'P1D' }
const HALF_DAYS = { start: '2026-03-28T20:00', shift: 'PT12H' }
const MONTH_ENDS = { start: '2026-01-31T00:00', shift: 'P1M', timeZone: 'UTC' }

for (const [name, change, instant, want] of [
  [
    'the first instant',
    {},
    '2026-01-05T08:00:00Z',
    'per_a 2026-01-05T09:00+01:00 2026-01-12T09:00+01:00',
  ],
  [
    'the last instant of a turn',
    {},
    '2026-01-12T07:59:59.999999999Z',
    'per_a 2026-01-05T09:00+01:00 2026-01-12T09:00+01:00',
  ],
  [
    'the hand-over',
    {},
    '2026-01-12T08:00:00Z',
    'per_b 2026-01-12T09:00+01:00 2026-01-19T09:00+01:00',
  ],
  [
    'once around',
    {},
    '2026-01-26T08:00:00Z',
    'per_a 2026-01-26T09:00+01:00 2026-02-02T09:00+01:00',
  ],
  [
    'before the start',
    {},
    '2026-01-05T07:59:59Z',
    'per_c 2025-12-29T09:00+01:00 2026-01-05T09:00+01:00',
  ],
  [
    'long before the start',
    {},
    '2025-06-02T07:00:00Z',
    'per_c 2025-06-02T09:00+02:00 2025-06-09T09:00+02:00',
  ],
  [
    'a week with 167 hours',
    {},
    '2026-03-30T06:59:59Z',
    'per_c 2026-03-23T09:00+01:00 2026-03-30T09:00+02:00',
  ],
  [
    'nine o’clock in summer',
    {},
    '2026-03-30T07:00:00Z',
    'per_a 2026-03-30T09:00+02:00 2026-04-06T09:00+02:00',
  ],
  [
    'a week with 169 hours',
    {},
    '2026-10-26T07:59:59Z',
    'per_c 2026-10-19T09:00+02:00 2026-10-26T09:00+01:00',
  ],
  [
    'a start that the clocks skip',
    NIGHT,
    '2026-03-29T01:30:00Z',
    'per_c 2026-03-29T03:30+02:00 2026-03-30T02:30+02:00',
  ],
  [
    'the minute before it',
    NIGHT,
    '2026-03-29T01:29:00Z',
    'per_b 2026-03-28T02:30+01:00 2026-03-29T03:30+02:00',
  ],
  [
    'a start that happens twice: at the first',
    AUTUMN_NIGHT,
    '2026-10-25T00:30:00Z',
    'per_c 2026-10-25T02:30+02:00 2026-10-26T02:30+01:00',
  ],
  [
    '… and not again at the second',
    AUTUMN_NIGHT,
    '2026-10-25T01:30:00Z',
    'per_c 2026-10-25T02:30+02:00 2026-10-26T02:30+01:00',
  ],
  [
    'twelve hours stay twelve hours',
    HALF_DAYS,
    '2026-03-29T07:00:00Z',
    'per_b 2026-03-29T09:00+02:00 2026-03-29T21:00+02:00',
  ],
  [
    'the end of February',
    MONTH_ENDS,
    '2026-02-28T00:00:00Z',
    'per_b 2026-02-28T00:00+00:00 2026-03-31T00:00+00:00',
  ],
  [
    'the end of March again',
    MONTH_ENDS,
    '2026-03-30T23:59:59Z',
    'per_b 2026-02-28T00:00+00:00 2026-03-31T00:00+00:00',
  ],
  [
    'a zone without summer',
    { timeZone: 'Asia/Kolkata' },
    '2026-07-06T03:30:00Z',
    'per_c 2026-07-06T09:00+05:30 2026-07-13T09:00+05:30',
  ],
  [
    'half an hour of summer',
    { timeZone: 'Australia/Lord_Howe' },
    '2026-04-05T22:29:59Z',
    'per_a 2026-03-30T09:00+11:00 2026-04-06T09:00+10:30',
  ],
  [
    'a day that never was',
    { timeZone: 'Pacific/Apia', start: '2011-12-29T09:00', shift: 'P1D' },
    '2011-12-30T19:00:00Z',
    'per_c 2011-12-31T09:00+14:00 2012-01-01T09:00+14:00',
  ],
] as const) {
  test(`whose turn: ${name}`, () => assert.equal(turnAt(change, instant), want))
}

for (const [start, want] of [
  ['2026-01-05', '2026-01-05T00:00:00+01:00[Europe/Berlin]'],
  ['2026-01-05T09:00:30', '2026-01-05T09:00:30+01:00[Europe/Berlin]'],
  ['2026-01-05T08:00Z', '2026-01-05T09:00:00+01:00[Europe/Berlin]'],
  ['2026-01-05T03:00-05:00', '2026-01-05T09:00:00+01:00[Europe/Berlin]'],
  ['2026-01-05T09:00[Europe/Berlin]', '2026-01-05T09:00:00+01:00[Europe/Berlin]'],
  ['2026-07-05T09:00+02:00[Europe/Berlin]', '2026-07-05T09:00:00+02:00[Europe/Berlin]'],
] as const) {
  test(`starts at ${start}`, () => {
    assert.equal(rotation({ start }).start.toString(), want)
  })
}

for (const [reason, change] of [
  ['bad_members', { members: [] }],
  ['bad_members', { members: Array<PersonId>(201).fill('per_a') }],
  ['bad_time_zone', { timeZone: 'Europe/Atlantis' }],
  ['bad_time_zone', { timeZone: '+01:00' }],
  ['bad_time_zone', { timeZone: '' }],
  ['bad_time_zone', { timeZone: 'x'.repeat(1_000) }],
  ['bad_start', { start: '' }],
  ['bad_start', { start: 'tomorrow' }],
  ['bad_start', { start: '2026-02-30T09:00' }],
  ['bad_start', { start: '2026-01-05T25:00' }],
  ['bad_start', { start: '2026-01-05T09:00[America/New_York]' }],
  ['bad_start', { start: '2026-01-05T09:00+02:00[Europe/Berlin]' }],
  ['bad_start', { start: '2026-01-05T09:00[Europe/Berlin][u-ca=hebrew]' }],
  ['bad_shift', { shift: '' }],
  ['bad_shift', { shift: 'P0D' }],
  ['bad_shift', { shift: '-P1D' }],
  ['bad_shift', { shift: 'PT30M' }],
  ['bad_shift', { shift: 'P1DT12H' }],
  ['bad_shift', { shift: 'P1Y' }],
  ['bad_shift', { shift: 'P53W' }],
  ['bad_shift', { shift: 'P99999D' }],
] as const) {
  test(`makes no sense: ${reason} ${JSON.stringify(change).slice(0, 60)}`, () => {
    assert.deepEqual(parseRotation(terms(change)), { ok: false, error: { reason } })
  })
}

const ZONES = [
  'Africa/Casablanca',
  'America/Godthab',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Europe/Berlin',
  'UTC',
]

const anyRotation = fc
  .record({
    members: fc.array(fc.constantFrom(...PEOPLE), { minLength: 1, maxLength: 7 }),
    start: fc
      .date({ min: new Date('1990-01-01'), max: new Date('2060-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 16)),
    // Not `Pacific/Apia`, which skipped a whole day: a turn of that day has no length.
    timeZone: fc.constantFrom(...ZONES),
    shift: fc.oneof(
      fc.integer({ min: 1, max: 400 }).map((n) => `PT${n}H`),
      fc.integer({ min: 1, max: 30 }).map((n) => `P${n}D`),
      fc.integer({ min: 1, max: 8 }).map((n) => `P${n}W`),
      fc.integer({ min: 1, max: 12 }).map((n) => `P${n}M`),
    ),
  })
  .map((change) => rotation(change))

const anyInstant = fc
  .integer({ min: Date.UTC(1985, 0), max: Date.UTC(2070, 0) })
  .map((milliseconds) => Temporal.Instant.fromEpochMilliseconds(milliseconds))

test('every instant is somebody’s turn, and turns follow each other without gap or overlap', () => {
  fc.assert(
    fc.property(anyRotation, anyInstant, (any, instant) => {
      const turn = rotationAt(any, instant)
      const at = instant.epochNanoseconds
      assert.ok(turn.since.epochNanoseconds <= at && at < turn.until.epochNanoseconds)
      assert.equal(turn.member, any.members[turn.index])
      assert.deepEqual(rotationAt(any, turn.since.toInstant()), turn)
      const next = rotationAt(any, turn.until.toInstant())
      assert.equal(next.since.epochNanoseconds, turn.until.epochNanoseconds)
      assert.equal(next.index, (turn.index + 1) % any.members.length)
    }),
    { numRuns: 500 },
  )
})

test('turns of days and weeks start at the same time on the wall, unless the clocks skip it', () => {
  fc.assert(
    fc.property(anyRotation, anyInstant, (any, instant) => {
      fc.pre(any.shift.unit !== 'hours')
      const { since } = rotationAt(any, instant)
      const wanted = since.toPlainDate().toZonedDateTime({
        timeZone: any.start.timeZoneId,
        plainTime: any.start.toPlainTime(),
      })
      assert.equal(since.epochNanoseconds, wanted.epochNanoseconds)
    }),
    { numRuns: 500 },
  )
})

test('terms are kept in one spelling that means the same', () => {
  fc.assert(
    fc.property(anyRotation, anyInstant, (any, instant) => {
      const again = must(parseRotation(termsOf(any)))
      assert.deepEqual(termsOf(again), termsOf(any))
      assert.deepEqual(rotationAt(again, instant), rotationAt(any, instant))
    }),
  )
})
