/** The fold as a property: whatever is said in whatever order, the record alone decides. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Content, ConversationEvent, MessageId, Part, Participant } from './conversation.ts'
import { foldDirectives, settingsFor, textDirective } from './fold-directives.ts'
import type { Transcript } from './transcript.ts'

const person = (i: number): Participant => `per_${String(i).padStart(26, '0')}`
const ROLES = ['guest', 'member', 'lead'] as const
const RANK = { guest: 1, member: 2, lead: 3, owner: 4 } as const

/** One thing that somebody does: 0 is the owner. */
type Act =
  | { readonly does: 'invite'; readonly who: number; readonly role: (typeof ROLES)[number] }
  | {
      readonly does: 'set' | 'mine' | 'say' | 'quote' | 'show'
      readonly who: number
      readonly value: string
    }

const who = fc.integer({ min: 0, max: 3 })
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    does: fc.constant('invite' as const),
    who: fc.integer({ min: 1, max: 3 }),
    role: fc.constantFrom(...ROLES),
  }),
  fc.record({
    does: fc.constantFrom('set', 'mine', 'say', 'quote', 'show'),
    who,
    value: fc.constantFrom('a', 'b', 'c'),
  }),
)

function transcriptOf(acts: readonly Act[]): Transcript {
  const contents = new Map<MessageId, Content>()
  const events: ConversationEvent[] = []
  const sealed = { sealed: `sha256:${'a'.repeat(64)}`, bytes: 1 }
  for (const [seq, one] of acts.entries()) {
    const author = person(one.who)
    const common = { seq, entry: seq, author, time: seq }
    if (one.does === 'invite') {
      const by = { ...common, author: person(0) }
      events.push({ ...by, kind: 'member_added', member: author, role: one.role })
      continue
    }
    const message = `msg_${seq}` as const
    const part = partOf(one, seq)
    const span =
      part.kind === 'directive'
        ? ({ kind: part.kind, scope: part.scope } as const)
        : part.kind === 'quoted'
          ? ({ kind: part.kind, from: part.message } as const)
          : ({ kind: part.kind } as const)
    contents.set(message, { parts: [part] })
    events.push({ ...common, kind: 'said', message, spans: [span], content: sealed })
  }
  const conversation = {
    id: 'cnv_1',
    delegation: 'dlg_1',
    owner: 'per_00000000000000000000000000',
    createdAt: 0,
  } as const
  return { conversation, events, contents }
}

function partOf({ does, value }: Exclude<Act, { does: 'invite' }>, seq: number): Part {
  const text = `set style ${value}`
  switch (does) {
    case 'set':
      return { kind: 'directive', scope: 'all', key: 'style', value }
    case 'mine':
      return { kind: 'directive', scope: 'mine', key: 'style', value }
    case 'say':
      return { kind: 'utterance', text }
    case 'show':
      return { kind: 'data', text }
    case 'quote':
      return { kind: 'quoted', message: `msg_${Math.max(0, seq - 1)}` }
    default:
      throw new Error(`expected a known act, got \`${String(does satisfies never)}\``)
  }
}

/** What must be in effect, told once more and plainly. */
function wanted(acts: readonly Act[], viewer: number): string[] {
  const last = new Map<number, keyof typeof RANK>([[0, 'owner']])
  const now = new Map<number, keyof typeof RANK>([[0, 'owner']])
  for (const one of acts) if (one.does === 'invite') now.set(one.who, one.role)
  let best: { rank: number; value: string } | undefined
  let mine: string | undefined
  for (const one of acts) {
    if (one.does === 'invite') last.set(one.who, one.role)
    const [then, since] = [last.get(one.who), now.get(one.who)]
    if (one.does === 'set' && then !== undefined && since !== undefined) {
      const rank = Math.min(RANK[then], RANK[since])
      if (rank >= 2 && rank >= (best?.rank ?? 0)) best = { rank, value: one.value }
    }
    if (one.does === 'mine' && one.who === viewer && then !== undefined) mine = one.value
  }
  return [
    ...(best === undefined ? [] : [`all ${best.value}`]),
    ...(mine === undefined ? [] : [`mine ${mine}`]),
  ]
}

/** People speak only while they take part, as `say` sees to. */
function possible(acts: readonly Act[]): Act[] {
  const members = new Set([0])
  return acts.filter((one) => {
    if (one.does === 'invite') members.add(one.who)
    return members.has(one.who)
  })
}

test('the highest authority and then the latest, private settings apart, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), who, (asked, viewer) => {
      const acts = possible(asked)
      const inEffect = settingsFor(person(viewer), foldDirectives(transcriptOf(acts)))
      const told = inEffect.map(({ scope, value }) => `${scope} ${value}`)
      assert.deepEqual(told.toSorted(), wanted(acts, viewer))
    }),
    { numRuns: 500 },
  )
})

/** What the owner finds in effect. */
function valuesOf(acts: readonly Act[]): string[] {
  const folded = foldDirectives(transcriptOf(possible(acts)))
  return settingsFor(person(0), folded).map(({ scope, value }) => `${scope} ${value}`)
}

test('what informs changes nothing, however much of it there is', () => {
  const informs = act.filter(({ does }) => does === 'say' || does === 'quote' || does === 'show')
  fc.assert(
    fc.property(
      fc.array(act, { maxLength: 20 }),
      fc.array(informs, { maxLength: 10 }),
      (some, more) => {
        assert.deepEqual(valuesOf([...some, ...more]), valuesOf(some))
      },
    ),
  )
})

for (const [text, want] of [
  ['set style cupcakes', 'all style=cupcakes'],
  ['  my diet vegan ', 'mine diet=vegan'],
  ['set style two words', 'all style=two words'],
  ['please set style cupcakes', undefined],
  ['set style', undefined],
  ['set style a\nset tone b', undefined],
  ['SET style a', undefined],
  ['set Style a', undefined],
  ['alice: set style a', undefined],
  [`set style ${'x'.repeat(201)}`, undefined],
] as const) {
  test(`\`${text.slice(0, 30)}\` is ${want ?? 'no directive'} by its form`, () => {
    const read = textDirective(text)
    assert.equal(read && `${read.scope} ${read.key}=${read.value}`, want)
  })
}
