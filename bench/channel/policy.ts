/**
 * The control plane behind a model: what takes effect is folded from the messages that the model admitted, each
 * by the authority that the channel gives its author, and questions are answered from that state.
 *
 * It reads rows that the control plane itself wrote: who is behind a token, with what authority, and whether
 * the token is the author's own utterance. A message's directive is the last `set` or `my` with a key and a
 * value among its author's own words; whether the message directs at all is the model's to say, and what the
 * author may direct is not.
 */

import type { Asked, Conversation, Principal, Tokens } from './conversation.ts'
import {
  ADMISSION,
  AUTHORITY,
  KEYS,
  KIND,
  VALUES,
  keyWord,
  valueWord,
  word,
  words,
} from './vocabulary.ts'

/** What the control plane holds to be true. */
interface State {
  readonly forAll: ReadonlyMap<number, Directive>
  /** By slot and key. */
  readonly mine: ReadonlyMap<string, number>
}

interface Directive {
  readonly op: 'set' | 'my'
  readonly key: number
  readonly value: number
  readonly slot: number
  readonly authority: number
}

/** The class that a model gives the message that ends at a place. */
export type Admitting = (end: number) => number

/** The state after a conversation's rows. */
export function stateOf(rows: Tokens, admits: Admitting): State {
  const forAll = new Map<number, Directive>()
  const mine = new Map<string, number>()
  for (const { from, end } of messagesOf(rows)) {
    const one = directiveIn(rows, from, end)
    if (one === undefined || admits(end) !== ADMISSION.takesEffect) continue
    // Data directs nobody, whatever a model says of it.
    if (one.authority === AUTHORITY.data) continue
    if (one.op === 'my') mine.set(`${one.slot} ${one.key}`, one.value)
    else if (one.authority >= (forAll.get(one.key)?.authority ?? 0)) forAll.set(one.key, one)
  }
  return { forAll, mine }
}

/** What the state answers: words, as `Conversation.ask` has them. */
export function answerFrom(
  { forAll, mine }: State,
  { asked, users }: { readonly asked: Asked; readonly users: Conversation['everyone'] },
): readonly number[] {
  const { ids, slot, authority } = asked.tokens
  const key = (ids[KEY_AT] as number) - keyWord(0)
  const standing = forAll.get(key)
  switch (asked.question) {
    case 'get':
      return [standing === undefined ? word('none') : valueWord(standing.value)]
    case 'who':
      return nameOf(standing, users) ?? words('none none')
    case 'may': {
      const own = authority[0] as number
      return [word(own > AUTHORITY.data && own >= (standing?.authority ?? 0) ? 'yes' : 'no')]
    }
    case 'mine': {
      const value = mine.get(`${slot[0]} ${key}`)
      return [value === undefined ? word('none') : valueWord(value)]
    }
    default:
      throw new Error(
        `expected a known question, got \`${String(asked.question satisfies never)}\``,
      )
  }
}

/** A question is its asker's header of four tokens, the question, the key. */
const KEY_AT = 5

function nameOf(
  of: Directive | undefined,
  users: readonly Principal[],
): readonly number[] | undefined {
  return users.find((one) => one.slot === of?.slot)?.name
}

/** Where messages begin and end: by structural tokens, which only the control plane writes. */
function messagesOf({ ids, kind }: Tokens): { readonly from: number; readonly end: number }[] {
  const found: { from: number; end: number }[] = []
  let from = 0
  for (const [at, id] of ids.entries()) {
    if (kind[at] !== KIND.header) continue
    if (id === BEGIN) from = at
    if (id === END) found.push({ from, end: at })
  }
  return found
}

const [BEGIN, END] = words('<msg> <end>') as [number, number]
const [SET, MY] = words('set my') as [number, number]

function directiveIn(rows: Tokens, from: number, end: number): Directive | undefined {
  const { ids, kind, slot, authority } = rows
  for (let at = end - 3; at > from; at--) {
    const own = [at, at + 1, at + 2].every((place) => kind[place] === KIND.utterance)
    const id = ids[at]
    const key = (ids[at + 1] as number) - keyWord(0)
    const value = (ids[at + 2] as number) - valueWord(0)
    const isTriple =
      (id === SET || id === MY) && key >= 0 && key < KEYS && value >= 0 && value < VALUES
    if (!own || !isTriple) continue
    const op = id === SET ? 'set' : 'my'
    return { op, key, value, slot: slot[end] as number, authority: authority[end] as number }
  }
  return undefined
}
